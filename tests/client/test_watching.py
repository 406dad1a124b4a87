"""Watches and logs go on through breaks and restarts, without a gap or a repeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import grpc
import pytest

from propwash.client import Change, ChangeKind, Client, ClientError, NewExecution, Phase
from propwash.pb.v1 import execution_pb2 as e
from tests.client.fake_server import QUICK, FakeServer, World


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


async def take(changes: AsyncIterator[Change], count: int) -> list[Change]:
    return [await anext(changes) for _ in range(count)]


async def create(client: Client, *ids: str) -> list[str]:
    return [
        (
            await client.create_new(
                NewExecution(task_type="query", spec={"query": "x"}, execution_id=one),
                project="p",
                domain="d",
            )
        ).name
        for one in ids
    ]


async def test_snapshot_then_changes(server: FakeServer, client: Client) -> None:
    names = await create(client, "a", "b")
    async with aclosing(client.watch(project="p", domain="d")) as changes:
        got = await take(changes, 3)
        server.world.move(names[0], e.PHASE_RUNNING)
        got += await take(changes, 1)
    assert [one.kind for one in got] == ["SNAPSHOT", "SNAPSHOT", "SYNCED", "CHANGE"]
    assert got[-1].execution is not None
    assert got[-1].execution.phase is Phase.RUNNING


async def test_a_broken_snapshot_is_begun_again_and_shows_nothing_twice(
    server: FakeServer, client: Client
) -> None:
    await create(client, "a", "b", "c")
    server.world.break_watch_after.extend([2, 1])
    async with aclosing(client.watch(project="p", domain="d")) as changes:
        got = await take(changes, 4)
    assert [one.execution.id if one.execution else one.kind for one in got] == ["a", "b", "c", "SYNCED"]


async def test_changes_go_on_after_a_break_without_a_gap_or_a_repeat(
    server: FakeServer, client: Client
) -> None:
    (name,) = await create(client, "a")
    server.world.break_watch_after.extend([3, 1, 0, 2])
    phases = [e.PHASE_INITIALIZING, e.PHASE_RUNNING, e.PHASE_CLEANING_UP, e.PHASE_SUCCEEDED]
    async with aclosing(client.watch(project="p", domain="d")) as changes:
        await take(changes, 2)
        for phase in phases:
            server.world.move(name, phase)
        got = await take(changes, 4)
    seen = [one.execution.phase.value for one in got if one.execution]
    assert seen == ["INITIALIZING", "RUNNING", "CLEANING_UP", "SUCCEEDED"]


async def test_a_watch_goes_on_through_a_restart(server: FakeServer, client: Client) -> None:
    (name,) = await create(client, "a")
    async with aclosing(client.watch(project="p", domain="d")) as changes:
        await take(changes, 2)
        following = asyncio.create_task(take(changes, 2), name="take")
        await asyncio.to_thread(server.stop)
        server.world.move(name, e.PHASE_RUNNING)
        server.start()
        server.world.move(name, e.PHASE_SUCCEEDED)
        got = await following
    assert [one.execution.phase.value for one in got if one.execution] == ["RUNNING", "SUCCEEDED"]


async def test_after_a_reset_a_break_begins_with_a_snapshot(server: FakeServer, client: Client) -> None:
    await create(client, "a", "b")
    server.world.compacted_before = 2
    server.world.break_watch_after.append(2)
    async with aclosing(client.watch(project="p", domain="d", resume_token="1")) as changes:
        got = await take(changes, 4)
    assert [one.kind for one in got] == [
        ChangeKind.RESET,
        ChangeKind.SNAPSHOT,
        ChangeKind.SNAPSHOT,
        ChangeKind.SYNCED,
    ]


async def test_resuming_from_a_token_of_before(server: FakeServer, client: Client) -> None:
    (name,) = await create(client, "a")
    async with aclosing(client.watch(project="p", domain="d")) as changes:
        token = (await take(changes, 2))[-1].resume_token
    server.world.move(name, e.PHASE_RUNNING)
    async with aclosing(client.watch(project="p", domain="d", resume_token=token)) as changes:
        (got,) = await take(changes, 1)
    assert got.kind is ChangeKind.CHANGE


async def test_a_refused_watch_raises(server: FakeServer, client: Client) -> None:
    server.world.refusals.append(grpc.StatusCode.INVALID_ARGUMENT)
    with pytest.raises(ClientError) as caught:
        await anext(client.watch(project="p", domain="d"))
    assert caught.value.code == "INVALID_ARGUMENT"


async def test_patience_ends(server: FakeServer) -> None:
    server.world.refusals.extend([grpc.StatusCode.UNAVAILABLE] * 1000)
    async with Client(server.target, backoff=QUICK) as client:
        with pytest.raises(ClientError) as caught:
            await anext(client.watch(project="p", domain="d", patience_s=0.05))
    assert caught.value.code == "UNAVAILABLE"


async def test_logs_go_on_from_their_cursor(server: FakeServer, client: Client) -> None:
    server.world.break_watch_after.extend([1, 2])
    lines = [line.text async for line in client.logs("projects/p/domains/d/executions/a", follow=True)]
    assert lines == ["line 0", "line 1", "line 2", "line 3"]
