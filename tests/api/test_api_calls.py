"""The unary methods, over a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration

from propwash.core.model import OutcomeKind
from propwash.pb.v1.execution_pb2 import (
    PHASE_ABORTED,
    PHASE_QUEUED,
    PHASE_RUNNING,
    PHASE_SUCCEEDED,
    Execution,
    ExecutionPolicy,
)
from propwash.pb.v1.execution_service_pb2 import (
    AbortExecutionRequest,
    BatchCreateExecutionsRequest,
    BatchGetExecutionsRequest,
    CreateExecutionRequest,
    GetExecutionRequest,
    ListExecutionsRequest,
    WaitExecutionRequest,
)
from propwash.ports import ExecutionName, StoreUnavailable
from tests.api.api_fake_host import NOW
from tests.api.api_world import LOCAL, PARENT, World, create, full, refused, spec


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World().serving() as made:
        yield made


async def test_create_answers_the_stored_execution(world: World) -> None:
    request = create("a")
    request.execution.labels["team"] = "x"
    request.execution.policy.CopyFrom(ExecutionPolicy(max_attempts=3, run_timeout=Duration(seconds=90)))
    made = await world.stub.CreateExecution(request)
    assert made.name == full("a")
    assert made.phase == PHASE_QUEUED
    assert made.spec == spec()
    assert made.labels == {"team": "x"}
    assert made.policy.max_attempts == 3
    assert made.policy.run_timeout.seconds == 90
    assert made.connection == "default"
    assert made.remote_name == f"pw-owner123-{made.uid}-1"
    assert made.links[0].uri == f"https://console/default/{made.remote_name}"
    assert made.create_time.seconds == int(NOW) + 1
    assert made == await world.stub.GetExecution(GetExecutionRequest(name=full("a")))
    assert world.handlers.links_asked == 1


async def test_an_id_is_made_where_none_is_given(world: World) -> None:
    first = await world.stub.CreateExecution(create())
    second = await world.stub.CreateExecution(create())
    assert first.name != second.name


async def test_a_repeat_of_a_request_id_answers_the_first(world: World) -> None:
    first = await world.stub.CreateExecution(create(request_id="r1"))
    again = await world.stub.CreateExecution(create(request_id="r1"))
    assert again == first
    assert len(world.store.rows) == 1
    other = await refused(world.stub.CreateExecution(create(request_id="r1", query="select 2")))
    assert (other.code, other.reason, other.fields) == (
        "ALREADY_EXISTS",
        "REQUEST_ID_REUSED",
        ("request_id",),
    )
    assert other.metadata == {"name": first.name, "differences": "spec.query"}


@pytest.mark.parametrize("priority", [-1000, 0, 7, 1000])
async def test_the_priority_is_kept_and_told(world: World, priority: int) -> None:
    request = create("a", request_id="r1")
    request.execution.priority = priority
    made = await world.stub.CreateExecution(request)
    assert made.priority == priority
    assert world.store.rows[ExecutionName("p", "d", "a")].execution.plan.priority == priority
    assert (await world.stub.CreateExecution(request)) == made
    listed = await world.stub.ListExecutions(ListExecutionsRequest(parent=PARENT))
    assert [one.priority for one in listed.executions] == [priority]
    request.execution.priority = priority - 1 if priority > 0 else priority + 1
    assert (await refused(world.stub.CreateExecution(request))).reason == "REQUEST_ID_REUSED"


async def test_a_taken_name_is_refused(world: World) -> None:
    await world.create("a")
    other = await refused(world.stub.CreateExecution(create("a")))
    assert (other.code, other.reason, other.fields) == (
        "ALREADY_EXISTS",
        "EXECUTION_EXISTS",
        ("execution_id",),
    )


async def test_validate_only_stores_nothing(world: World) -> None:
    request = create("a")
    request.validate_only = True
    assert (await world.stub.CreateExecution(request)).name == full("a")
    assert not world.store.rows


async def test_a_batch_is_all_or_none(world: World) -> None:
    batch = BatchCreateExecutionsRequest(parent=PARENT, requests=[create(f"e{i}") for i in range(3)])
    answer = await world.stub.BatchCreateExecutions(batch)
    assert [made.name for made in answer.executions] == [full(f"e{i}") for i in range(3)]
    again = BatchCreateExecutionsRequest(parent=PARENT, requests=[create("new"), create("e1")])
    other = await refused(world.stub.BatchCreateExecutions(again))
    assert (other.reason, other.fields) == ("EXECUTION_EXISTS", ("requests[1].execution_id",))
    bad = BatchCreateExecutionsRequest(parent=PARENT, requests=[create("new"), create("x", task_type="no")])
    other = await refused(world.stub.BatchCreateExecutions(bad))
    assert (other.reason, other.fields) == ("UNKNOWN_TASK_TYPE", ("requests[1].execution.task_type",))
    assert len(world.store.rows) == 3


async def test_a_batch_is_checked_one_by_one_with_validate_only(world: World) -> None:
    requests = [create("a"), create("b", task_type="no")]
    for request in requests:
        request.validate_only = True
    batch = BatchCreateExecutionsRequest(parent=PARENT, requests=requests)
    other = await refused(world.stub.BatchCreateExecutions(batch))
    assert other.fields == ("requests[1].execution.task_type",)
    requests[1].execution.task_type = "query"
    batch = BatchCreateExecutionsRequest(parent=PARENT, requests=requests)
    assert len((await world.stub.BatchCreateExecutions(batch)).executions) == 2
    assert not world.store.rows


async def test_batch_get_keeps_the_order(world: World) -> None:
    await world.create("a")
    await world.create("b")
    ask = BatchGetExecutionsRequest(parent="projects/-/domains/d", names=[full("b"), full("a")])
    answer = await world.stub.BatchGetExecutions(ask)
    assert [made.name for made in answer.executions] == [full("b"), full("a")]
    other = await refused(
        world.stub.BatchGetExecutions(BatchGetExecutionsRequest(names=[full("a"), full("x")]))
    )
    assert (other.code, other.metadata["field"], other.metadata["name"]) == (
        "NOT_FOUND",
        "names[1]",
        full("x"),
    )


async def test_list_pages_newest_first(world: World) -> None:
    for number in range(5):
        await world.create(f"e{number}")
    names: list[str] = []
    token = ""
    while True:
        ask = ListExecutionsRequest(parent="projects/-/domains/-", page_size=2, page_token=token)
        page = await world.stub.ListExecutions(ask)
        names += [made.name for made in page.executions]
        token = page.next_page_token
        if not token:
            break
    assert names == [full(f"e{number}") for number in reversed(range(5))]


async def test_list_filters(world: World) -> None:
    await world.create("a")
    world.executions.run(await world.create("b"))
    page = await world.stub.ListExecutions(ListExecutionsRequest(parent=PARENT, filter="phase = RUNNING"))
    assert [made.name for made in page.executions] == [full("b")]


async def test_a_large_page_is_cut(world: World) -> None:
    for number in range(3):
        await world.create(f"e{number}", query="x" * 2_000_000)
    page = await world.stub.ListExecutions(ListExecutionsRequest(parent=PARENT))
    assert len(page.executions) == 1
    rest = await world.stub.ListExecutions(
        ListExecutionsRequest(parent=PARENT, page_token=page.next_page_token)
    )
    assert [made.name for made in rest.executions] == [full("e1")]


async def test_abort(world: World) -> None:
    await world.create("a")
    made = await world.stub.AbortExecution(AbortExecutionRequest(name=full("a"), message="enough"))
    assert (made.phase, made.message) == (PHASE_ABORTED, "enough")
    buried = await world.stub.AbortExecution(AbortExecutionRequest(name=full("later"), allow_missing=True))
    assert buried == Execution(name=full("later"), phase=PHASE_ABORTED)
    world.executions.end(await world.create("b"), OutcomeKind.SUCCEEDED)
    other = await refused(world.stub.AbortExecution(AbortExecutionRequest(name=full("b"))))
    assert (other.code, other.reason) == ("FAILED_PRECONDITION", "EXECUTION_ENDED")
    assert other.metadata["phase"] == "SUCCEEDED"
    other = await refused(world.stub.AbortExecution(AbortExecutionRequest(name=full("none"))))
    assert (other.code, other.reason) == ("NOT_FOUND", "EXECUTION_NOT_FOUND")


async def test_wait_answers_at_the_end(world: World) -> None:
    name = await world.create("a")
    waits = [
        asyncio.ensure_future(world.stub.WaitExecution(WaitExecutionRequest(name=full("a"))))
        for _ in range(20)
    ]
    while world.store.reads < 20:
        world.store.read.clear()
        await world.store.read.wait()
    world.executions.run(name)
    world.executions.end(name, OutcomeKind.SUCCEEDED)
    answers = await asyncio.gather(*waits)
    assert {answer.phase for answer in answers} == {PHASE_SUCCEEDED}
    assert answers[0].outputs.entries["rows"].integer == 3
    assert world.store.reads < 2 * 20 + 5


async def test_wait_answers_the_state_when_its_time_is_over(world: World) -> None:
    world.executions.run(await world.create("a"), "half done")
    ask = WaitExecutionRequest(name=full("a"), timeout=Duration(nanos=1_000_000))
    answer = await world.stub.WaitExecution(ask)
    assert (answer.phase, answer.message) == (PHASE_RUNNING, "half done")
    assert answer.links[0].uri == "http://j"
    answer = await world.stub.WaitExecution(WaitExecutionRequest(name=full("a")), timeout=0.1)
    assert answer.phase == PHASE_RUNNING


async def test_wait_on_an_unknown_execution(world: World) -> None:
    other = await refused(world.stub.WaitExecution(WaitExecutionRequest(name=full("none"))))
    assert (other.code, other.reason) == ("NOT_FOUND", "EXECUTION_NOT_FOUND")


async def test_trouble_has_its_status(world: World) -> None:
    world.executions.is_accepting = False
    other = await refused(world.stub.CreateExecution(create("a")))
    assert (other.code, other.reason, other.retry_after_s) == ("UNAVAILABLE", "NOT_ACCEPTING", 1.0)
    world.store.failure = StoreUnavailable("disk full: /secret/path")
    other = await refused(world.stub.GetExecution(GetExecutionRequest(name=full("a"))))
    assert (other.code, other.reason, other.retry_after_s) == ("UNAVAILABLE", "STORE_UNAVAILABLE", 1.0)
    assert "secret" not in other.message


async def test_a_defect_is_an_incident_without_its_text(world: World) -> None:
    world.executions.crash = ZeroDivisionError("hunter2")
    other = await refused(world.stub.CreateExecution(create("a")))
    assert (other.code, other.reason) == ("INTERNAL", "INTERNAL")
    assert "hunter2" not in other.message
    ((incident, error),) = world.heard.incidents
    assert other.metadata == {"incident": incident}
    assert isinstance(error, ZeroDivisionError)
    assert world.heard.calls == [("CreateExecution", "INTERNAL", "INTERNAL")]


async def test_a_server_limit_ends_a_call() -> None:
    other = World()

    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    async with other.serving(replace(LOCAL, default_deadline_s=0.01, max_deadline_s=0.02)):
        other.store.get = hang  # type: ignore[assignment, method-assign]
        for timeout in (None, 30.0):
            call = other.stub.GetExecution(GetExecutionRequest(name=full("a")), timeout=timeout)
            found = await refused(call)
            assert (found.code, found.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")


async def test_parent_of_a_batched_request(world: World) -> None:
    stray = CreateExecutionRequest(
        parent="projects/x/domains/y", execution=Execution(task_type="query", spec=spec())
    )
    batch = BatchCreateExecutionsRequest(parent=PARENT, requests=[stray])
    other = await refused(world.stub.BatchCreateExecutions(batch))
    assert (other.reason, other.fields) == ("PARENT_MISMATCH", ("requests[0].parent",))
