"""Limits and overload as Flyte sees them: no full queue keeps it out, and what does is told as UNAVAILABLE."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl.service import agent_pb2_grpc

from propwash.core.admission import AdmissionLimits, Full, Limit
from propwash.core.model import Claim, OutcomeKind
from propwash.core.overload import Measure
from propwash.engine.options import EngineOptions
from propwash.ports import LimitReached, Overloaded
from propwash.sdk import FlyteType
from tests.api.api_world import World, taken_apart
from tests.e2e.credential_scenes import LONG
from tests.flyte.fake_tasks import FakeTasks
from tests.flyte.flyte_callers import Flyte, flyte, template

versions = pytest.mark.parametrize("is_v2", [False, True], ids=["v1", "v2"])
FULL = Full(limit=Limit.ACTIVE, project="", most=7, count=7, arriving=1, retry_after_s=40.0)
REFUSALS = {
    "full": LimitReached("the server has 7 executions that are not terminal", FULL),
    "overloaded": Overloaded(
        "its loop is late", measure=Measure.LOOP_LAG, value=1.5, limit=1.0, retry_after_s=1.0
    ),
}


def endless() -> tasks_pb2.TaskTemplate:
    return template("snowflake", "SELECT 1 AS one", config={"account": "acme-sandbox"})


async def create(there: Flyte, number: int) -> bytes:
    labels = agent_pb2.TaskExecutionMetadata(labels=LONG)
    return await there.create(endless(), node=f"s3://flyte/x/n{number}/data", task_execution_metadata=labels)


@versions
async def test_a_task_comes_in_however_full_its_project_s_queue_is(is_v2: bool, tmp_path: Path) -> None:
    engine = EngineOptions(pools={"warehouse": 1}, admission=AdmissionLimits(max_queued_per_project=0))
    claims = (Claim(pool="warehouse"),)
    async with flyte("snowflake", tmp_path, is_v2=is_v2, engine=engine, claims=claims) as there:
        first, second = [await create(there, number) for number in range(2)]
        await there.until(first, TaskExecution.RUNNING)
        assert (await there.get(second)).phase == TaskExecution.WAITING_FOR_RESOURCES


@versions
async def test_a_full_server_is_unavailable_and_answers_repeats_and_all_else(
    is_v2: bool, tmp_path: Path
) -> None:
    engine = EngineOptions(admission=AdmissionLimits(max_active=1))
    async with flyte("snowflake", tmp_path, is_v2=is_v2, engine=engine) as there:
        first = await create(there, 0)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await create(there, 1)
        other = taken_apart(raised.value)
        assert (other.code, other.reason, other.retry_after_s) == ("UNAVAILABLE", "TOO_MANY_EXECUTIONS", 1.0)
        trailers = dict(raised.value.trailing_metadata() or ())
        assert trailers["grpc-retry-pushback-ms"] == "1000"
        assert await create(there, 0) == first
        await there.until(first, TaskExecution.RUNNING)
        await there.delete(first)
        await there.passing(first, TaskExecution.ABORTED)
        await create(there, 1)


@versions
async def test_a_job_of_another_connector_is_adopted_by_a_full_server(is_v2: bool, tmp_path: Path) -> None:
    engine = EngineOptions(admission=AdmissionLimits(max_active=0, max_queued_per_project=0))
    meta = b'{"job_id": "j1", "project": "acme", "location": "EU"}'
    async with flyte("bigquery", tmp_path, is_v2=is_v2, engine=engine) as there:
        found = await there.get(meta, "bigquery_query_job_task")
        assert found.phase == TaskExecution.RUNNING
        assert await there.world.engine.executions.newer_than(0) > 0


@pytest.mark.parametrize("why", REFUSALS)
async def test_a_synchronous_task_is_told_the_same(why: str) -> None:
    tasks = FakeTasks(FlyteType(name="quick", is_sync=True), within_s={"quick": 10.0})
    async with World(flyte=tasks).serving() as world:
        stub = agent_pb2_grpc.SyncAgentServiceStub(world.channel)  # type: ignore[no-untyped-call]
        world.executions.crash = REFUSALS[why]
        header = agent_pb2.CreateRequestHeader(
            template=template("quick", "SELECT 1"), output_prefix="s3://flyte/x/n0/data/0"
        )
        execution = header.task_execution_metadata.task_execution_id.node_execution_id.execution_id
        execution.project, execution.domain, execution.name = "p", "d", "a8"
        call = stub.ExecuteTaskSync(iter([agent_pb2.ExecuteTaskSyncRequest(header=header)]))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await anext(aiter(call))
        other = taken_apart(raised.value)
        assert (other.code, other.retry_after_s) == ("UNAVAILABLE", 1.0)


async def test_a_lease_ends_when_nobody_will_ask_any_more() -> None:
    async with World(flyte=FakeTasks()).serving() as world:
        stub = agent_pb2_grpc.AsyncAgentServiceStub(world.channel)  # type: ignore[no-untyped-call]
        serving = [task for task in world.server._background if task.get_name() == "flyte-leases"]
        leases = serving[0].get_coro().cr_frame.f_locals["self"]  # type: ignore[union-attr]

        async def begin(node: str, attempt: int = 0) -> bytes:
            request = agent_pb2.CreateTaskRequest(
                template=template("query", "SELECT 1"), output_prefix=f"s3://flyte/x/{node}/data/{attempt}"
            )
            task = request.task_execution_metadata.task_execution_id
            task.retry_attempt = attempt
            task.node_execution_id.execution_id.project = "p"
            return bytes((await stub.CreateTask(request)).resource_meta)

        asked, deleted, older = await begin("asked"), await begin("deleted"), await begin("older")
        await begin("older", 1)
        assert len(leases._asked_at) == 3
        await stub.DeleteTask(agent_pb2.DeleteTaskRequest(resource_meta=deleted))
        name = next(iter(world.store.rows))
        world.executions.end(name, OutcomeKind.SUCCEEDED)
        await stub.GetTask(agent_pb2.GetTaskRequest(resource_meta=asked))
        assert len(leases._asked_at) == 1
        del older
