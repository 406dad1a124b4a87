"""Calls of the client against a server that refuses, loses answers and goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from propwash.client import (
    BATCH_SIZE,
    Client,
    ClientError,
    HandlerState,
    NewExecution,
    Phase,
    Policy,
    execution_name,
)
from propwash.pb.v1 import execution_pb2 as e
from propwash.pb.v1 import execution_service_pb2 as m
from tests.client.fake_server import QUICK, FakeServer, World

NAME = execution_name("p", "d", "a")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer(World())
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[Client]:
    async with Client(server.target, timeout_s=5.0, backoff=QUICK) as made:
        yield made


def new(execution_id: str = "", query: str = "SELECT 1") -> NewExecution:
    return NewExecution(task_type="query", spec={"query": query}, execution_id=execution_id)


async def test_create_sends_what_is_given_and_reads_the_answer(server: FakeServer, client: Client) -> None:
    made = await client.create(
        project="p",
        domain="d",
        task_type="query",
        spec={"query": "SELECT 1"},
        inputs={"n": 41},
        execution_id="a",
        labels={"team": "x"},
        policy=Policy(max_attempts=3),
    )
    assert made.name == NAME
    assert made.id == "a"
    assert made.phase is Phase.QUEUED
    assert made.inputs == {"n": 41}
    assert made.policy.max_attempts == 3
    assert made.create_time is not None
    assert made.end_time is None
    _, sent = server.world.calls[-1]
    assert isinstance(sent, m.CreateExecutionRequest)
    assert sent.request_id


async def test_a_lost_answer_makes_no_second_execution(server: FakeServer, client: Client) -> None:
    server.world.lost_answers = 2
    made = await client.create_new(new(), project="p", domain="d")
    assert list(server.world.executions) == [made.name]
    ids = {
        call.request_id
        for method, call in server.world.calls
        if method == "create" and isinstance(call, m.CreateExecutionRequest)
    }
    assert len(server.world.calls) == 3
    assert len(ids) == 1


async def test_unavailable_is_repeated_and_other_refusals_are_not(server: FakeServer, client: Client) -> None:
    await client.create_new(new("a"), project="p", domain="d")
    server.world.refusals.extend([grpc.StatusCode.UNAVAILABLE] * 3)
    assert (await client.get(NAME)).name == NAME
    server.world.refusals.append(grpc.StatusCode.INTERNAL)
    with pytest.raises(ClientError) as caught:
        await client.get(NAME)
    assert caught.value.code == "INTERNAL"
    assert not caught.value.is_transient


async def test_a_refusal_is_taken_apart(client: Client) -> None:
    with pytest.raises(ClientError) as caught:
        await client.create(project="p", domain="d", task_type="other", spec={})
    error = caught.value
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "UNKNOWN_TASK_TYPE")
    assert [one.field for one in error.violations] == ["execution.task_type"]
    with pytest.raises(ClientError, match="EXECUTION_NOT_FOUND: there is no"):
        await client.get(NAME)


async def test_a_server_that_stays_away_is_told_as_unavailable(server: FakeServer) -> None:
    server.world.refusals.extend([grpc.StatusCode.UNAVAILABLE] * 1000)
    async with Client(server.target, timeout_s=0.05, backoff=QUICK) as client:
        with pytest.raises(ClientError) as caught:
            await client.get(NAME)
    assert caught.value.code == "UNAVAILABLE"
    assert caught.value.is_transient


async def test_create_many_halves_what_is_too_much_at_once(server: FakeServer, client: Client) -> None:
    server.world.most_at_once = 300
    wanted = [f"e{number:04}" for number in range(1100)]
    made = [one.id async for one in client.create_many(map(new, wanted), project="p", domain="d")]
    assert made == wanted
    calls = [call for _, call in server.world.calls if isinstance(call, m.BatchCreateExecutionsRequest)]
    sizes = [len(call.requests) for call in calls]
    assert sizes == [1000, 500, 250, 250, 500, 250, 250, 100]
    server.world.most_at_once = 0
    with pytest.raises(ClientError, match="PROJECT_QUEUE_FULL"):
        async for _ in client.create_many([new("late")], project="p", domain="d"):
            pass


async def test_create_many_goes_in_batches_and_keeps_the_order(server: FakeServer, client: Client) -> None:
    wanted = [f"e{number:04d}" for number in range(BATCH_SIZE + 5)]
    made = [one.id async for one in client.create_many(map(new, wanted), project="p", domain="d")]
    assert made == wanted
    sizes = [
        len(call.requests)
        for _, call in server.world.calls
        if isinstance(call, m.BatchCreateExecutionsRequest)
    ]
    assert sizes == [BATCH_SIZE, 5]
    names = [execution_name("p", "d", one) for one in wanted]
    assert [one.name for one in await client.get_many(names)] == names
    assert len([one async for one in client.list(project="p", domain="d", page_size=300)]) == len(wanted)


async def test_large_executions_make_smaller_batches(server: FakeServer, client: Client) -> None:
    jobs = [new(query="x" * 1_000_000) for _ in range(5)]
    async for _ in client.create_many(jobs, project="p", domain="d"):
        pass
    assert sum(method == "batch_create" for method, _ in server.world.calls) == 2


async def test_wait_goes_on_through_a_restart(server: FakeServer, client: Client) -> None:
    await client.create_new(new("a"), project="p", domain="d")
    waiting = asyncio.create_task(client.wait(NAME), name="wait")
    await asyncio.to_thread(server.world.wait_for_call, "wait")
    await asyncio.to_thread(server.stop)
    server.world.move(NAME, e.PHASE_SUCCEEDED)
    server.start()
    assert (await waiting).phase is Phase.SUCCEEDED


async def test_wait_answers_with_the_state_when_its_time_is_over(client: Client) -> None:
    await client.create_new(new("a"), project="p", domain="d")
    assert (await client.wait(NAME, timeout_s=0.01)).phase is Phase.QUEUED


async def test_abort_and_its_refusal(client: Client) -> None:
    await client.create_new(new("a"), project="p", domain="d")
    assert (await client.abort(NAME)).phase is Phase.ABORTED
    missing = execution_name("p", "d", "missing")
    assert (await client.abort(missing, allow_missing=True)).phase is Phase.ABORTED
    ended = await client.create_new(new("b", query="succeed"), project="p", domain="d")
    with pytest.raises(ClientError) as caught:
        await client.abort(ended.name)
    assert caught.value.reason == "EXECUTION_ENDED"


async def test_results_and_handlers(client: Client) -> None:
    page = await client.results(NAME, page_size=2)
    assert page.rows == ((0, "row 0"), (1, "row 1"))
    assert [column.name for column in page.columns] == ["n", "who"]
    assert page.next_page_token == "2"
    (handler,) = await client.handlers()
    assert handler.state is HandlerState.SERVING
    assert (await client.handler("query")).spec_schema == '{"type": "object"}'


async def test_a_token_leaves_this_machine_over_tls_only(server: FakeServer) -> None:
    with pytest.raises(ValueError, match="TLS"):
        Client("propwash.example:443", token="t")
    async with Client(server.target, token="t", backoff=QUICK) as client:
        await client.create_new(new("a"), project="p", domain="d")
    assert server.world.metadata["authorization"] == "Bearer t"
