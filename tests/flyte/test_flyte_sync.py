"""Synchronous tasks, as FlytePropeller executes them: header, inputs, one answer with the task's end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import literals_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl.service import agent_pb2_grpc
from flyteidl2.connector import connector_pb2
from flyteidl2.connector import service_pb2_grpc as v2_grpc

from propwash.api.flyte import sync
from propwash.core.model import Done, Outcome, OutcomeKind
from propwash.ports import ExecutionName
from propwash.sdk import FlyteDataset, FlyteType
from tests.api.api_fake_host import NOW
from tests.api.api_world import World
from tests.flyte.fake_tasks import FakeTasks
from tests.flyte.flyte_callers import literal, template

CAP_S = 0.05
"""Of the task type that is too slow."""


def offered() -> FakeTasks:
    """Two synchronous task types, of which one has a short cap, and one that is not synchronous."""
    return FakeTasks(
        FlyteType(name="query"),
        FlyteType(name="quick", version=1, is_sync=True),
        FlyteType(name="slow", is_sync=True),
        within_s={"quick": 10.0, "slow": CAP_S},
        outputs={"o0": 42, "table": FlyteDataset(uri="bq://p:d.t")},
    )


@dataclass
class Scene:
    world: World
    stub: agent_pb2_grpc.SyncAgentServiceStub

    def header(self, task_type: str = "quick", statement: str = "SELECT 1", attempt: int = 0) -> Any:
        header = agent_pb2.CreateRequestHeader(
            template=template(task_type, statement), output_prefix=f"s3://flyte/x/n0/data/{attempt}"
        )
        task = header.task_execution_metadata.task_execution_id
        execution = task.node_execution_id.execution_id
        execution.project, execution.domain, execution.name = "p", "d", "a8"
        return agent_pb2.ExecuteTaskSyncRequest(header=header)

    async def call(self, *requests: Any) -> agent_pb2.Resource:
        """As Propeller does: all is sent, the side is closed, one answer is read."""
        call = self.stub.ExecuteTaskSync(iter(requests))
        answers = [answer async for answer in call]
        assert len(answers) == 1
        assert answers[0].WhichOneof("res") == "header"
        return answers[0].header.resource  # type: ignore[no-any-return]

    async def begun(self, count: int = 1) -> ExecutionName:
        """The execution that the call has begun."""
        await self.world.executions.newer_than(count - 1)
        return list(self.world.store.rows)[-1]


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with World(flyte=offered()).serving() as world:
        yield Scene(world, agent_pb2_grpc.SyncAgentServiceStub(world.channel))  # type: ignore[no-untyped-call]


def inputs(**values: Any) -> agent_pb2.ExecuteTaskSyncRequest:
    literals = {name: literal(value) for name, value in values.items()}
    return agent_pb2.ExecuteTaskSyncRequest(inputs=literals_pb2.LiteralMap(literals=literals))


async def test_a_task_is_answered_when_it_is_over_with_what_it_gave() -> None:
    async with scene() as there:
        async with asyncio.TaskGroup() as group:
            call = group.create_task(there.call(there.header(), inputs(n=1), inputs(day="monday")))
            name = await there.begun()
            there.world.executions.end(name, OutcomeKind.SUCCEEDED)
        resource = call.result()
        assert resource.phase == TaskExecution.SUCCEEDED
        assert resource.outputs.literals["o0"].scalar.primitive.integer == 42
        assert resource.outputs.literals["table"].scalar.structured_dataset.uri == "bq://p:d.t"
        record = there.world.store.rows[name]
        assert record.request.inputs == {"n": 1, "day": "monday"}
        assert record.execution.plan.policy.total_deadline_s == 10.0


async def test_a_repeated_call_is_about_the_same_execution() -> None:
    async with scene() as there:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(there.call(there.header(), inputs())) for _ in range(3)]
            there.world.executions.end(await there.begun(), OutcomeKind.SUCCEEDED)
        again = await there.call(there.header(), inputs())
        assert {one.result().phase for one in calls} == {again.phase} == {TaskExecution.SUCCEEDED}
        assert len(there.world.store.rows) == 1


@pytest.mark.parametrize(
    ("is_retryable", "phase", "kind"),
    [
        (False, TaskExecution.FAILED, agent_pb2.AgentError.NON_RECOVERABLE),
        (True, TaskExecution.RETRYABLE_FAILED, agent_pb2.AgentError.RECOVERABLE),
    ],
)
async def test_a_failure_has_its_reason_as_the_code(is_retryable: bool, phase: int, kind: int) -> None:
    async with scene() as there, asyncio.TaskGroup() as group:
        call = group.create_task(there.call(there.header()))
        outcome = Outcome(
            kind=OutcomeKind.FAILED, reason="INVALID_QUERY", message="no", is_retryable=is_retryable
        )
        there.world.executions.move(await there.begun(), Done(outcome=outcome, ended_at=NOW + 1))
        resource = await call
        assert resource.phase == phase
        assert resource.message == "INVALID_QUERY: no"
        assert (resource.agent_error.code, resource.agent_error.kind) == ("INVALID_QUERY", kind)


async def test_a_template_that_can_never_run_fails_and_stores_nothing() -> None:
    async with scene() as there:
        resource = await there.call(there.header(statement=""))
        assert resource.phase == TaskExecution.FAILED
        assert resource.agent_error.code == "INVALID_TEMPLATE"
        assert not there.world.store.rows


async def test_the_caller_s_own_time_ends_the_wait_with_a_failure_that_another_attempt_may_mend() -> None:
    async with scene() as there:
        call = there.stub.ExecuteTaskSync(iter([there.header()]), timeout=0.2)
        (answer,) = [answer async for answer in call]
        assert answer.header.resource.phase == TaskExecution.RETRYABLE_FAILED
        assert answer.header.resource.agent_error.code == "SYNC_DEADLINE_EXCEEDED"
        # The execution goes on until its own deadline: a repeat of the call is about it.
        there.world.executions.end(await there.begun(), OutcomeKind.SUCCEEDED)
        assert (await there.call(there.header())).phase == TaskExecution.SUCCEEDED


async def test_a_task_that_its_cap_has_ended_may_be_tried_again() -> None:
    async with scene() as there, asyncio.TaskGroup() as group:
        call = group.create_task(there.call(there.header()))
        outcome = Outcome(kind=OutcomeKind.TIMED_OUT, reason="TOTAL_DEADLINE_EXCEEDED", message="too late")
        there.world.executions.move(await there.begun(), Done(outcome=outcome, ended_at=NOW + 1))
        resource = await call
        assert resource.phase == TaskExecution.RETRYABLE_FAILED
        assert resource.message.startswith("SYNC_DEADLINE_EXCEEDED: the task was not over after 10 s")
        assert resource.agent_error.kind == agent_pb2.AgentError.RECOVERABLE


async def test_a_task_that_does_not_end_by_itself_is_answered_after_its_cap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sync, "_CLEANING_S", 0.0)
    async with scene() as there:
        resource = await there.call(there.header("slow"))
        assert resource.phase == TaskExecution.RETRYABLE_FAILED
        assert resource.agent_error.code == "SYNC_DEADLINE_EXCEEDED"


@pytest.mark.parametrize(
    ("task_type", "code", "said"),
    [
        ("query", grpc.StatusCode.INVALID_ARGUMENT, "is not synchronous"),
        ("nobody", grpc.StatusCode.NOT_FOUND, "served are: quick, slow"),
    ],
)
async def test_a_task_type_that_is_not_synchronous_is_refused(
    task_type: str, code: grpc.StatusCode, said: str
) -> None:
    async with scene() as there:
        with pytest.raises(grpc.aio.AioRpcError, match=said) as raised:
            await there.call(there.header(task_type))
        assert raised.value.code() is code


async def test_a_call_without_a_header_or_with_two_is_refused() -> None:
    async with scene() as there:
        for sent in ([], [inputs()], [there.header(), there.header()]):
            with pytest.raises(grpc.aio.AioRpcError, match=r"header|inputs") as raised:
                await there.call(*sent)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert not there.world.store.rows


async def test_synchronous_types_are_an_agent_of_their_own_in_version_1_alone() -> None:
    async with scene() as there:
        v1 = agent_pb2_grpc.AgentMetadataServiceStub(there.world.channel)  # type: ignore[no-untyped-call]
        agents = (await v1.ListAgents(agent_pb2.ListAgentsRequest())).agents
        told = {one.name: (one.is_sync, list(one.supported_task_types)) for one in agents}
        assert told == {"propwash": (False, ["query"]), "propwash-sync": (True, ["quick", "slow"])}
        quick = agents[1].supported_task_categories[0]
        assert (quick.name, quick.version) == ("quick", 1)
        one = await v1.GetAgent(agent_pb2.GetAgentRequest(name="propwash-sync"))
        assert one.agent == agents[1]
        v2 = v2_grpc.ConnectorMetadataServiceStub(there.world.channel)  # type: ignore[no-untyped-call]
        (connector,) = (await v2.ListConnectors(connector_pb2.ListConnectorsRequest())).connectors
        assert [one.name for one in connector.supported_task_categories] == ["query", "quick", "slow"]


async def test_calls_count_as_flyte_counts_them() -> None:
    async with scene() as there:
        await there.call(there.header(statement=""))
        assert ("quick", "do", "") in [one[:3] for one in there.world.heard.flyte_calls]
