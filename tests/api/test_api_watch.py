"""Watch: a snapshot, then every change once, over restarts, compaction and slow readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest

from propwash.core.model import OutcomeKind
from propwash.pb.v1.execution_pb2 import PHASE_QUEUED, PHASE_RUNNING, PHASE_SUCCEEDED
from propwash.pb.v1.execution_service_pb2 import (
    BatchCreateExecutionsRequest,
    WatchExecutionsRequest,
    WatchExecutionsResponse,
)
from propwash.ports import ExecutionName, Scope
from tests.api.api_fakes import FakeStore
from tests.api.api_world import LOCAL, PARENT, World, create, full, taken_apart

SNAPSHOT, SYNCED, CHANGE, RESET, BOOKMARK = (
    WatchExecutionsResponse.KIND_SNAPSHOT,
    WatchExecutionsResponse.KIND_SYNCED,
    WatchExecutionsResponse.KIND_CHANGE,
    WatchExecutionsResponse.KIND_RESET,
    WatchExecutionsResponse.KIND_BOOKMARK,
)
ALL = WatchExecutionsRequest(parent=PARENT)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World().serving() as made:
        yield made


async def take(stream: Any, count: int) -> list[WatchExecutionsResponse]:
    """The next answers."""
    return [await stream.read() for _ in range(count)]


async def until_synced(stream: Any) -> list[WatchExecutionsResponse]:
    """The snapshot and the SYNCED after it."""
    got = [await stream.read()]
    while got[-1].kind != SYNCED:
        got.append(await stream.read())
    return got


def resume(token: str) -> WatchExecutionsRequest:
    """Go on after the token."""
    return WatchExecutionsRequest(parent=PARENT, resume_token=token)


async def test_snapshot_then_changes(world: World) -> None:
    for name in "abc":
        await world.create(name)
    stream = world.stub.WatchExecutions(ALL)
    first = await until_synced(stream)
    assert [one.kind for one in first] == [SNAPSHOT] * 3 + [SYNCED]
    assert {one.execution.name for one in first[:3]} == {full(name) for name in "abc"}
    assert [bool(one.resume_token) for one in first] == [False] * 3 + [True]
    world.executions.run(ExecutionName("p", "d", "b"))
    (change,) = await take(stream, 1)
    assert (change.kind, change.execution.name, change.execution.phase) == (CHANGE, full("b"), PHASE_RUNNING)
    assert change.resume_token
    assert change.commit_time.seconds
    stream.cancel()


async def test_changes_only_and_names(world: World) -> None:
    await world.create("a")
    stream = world.stub.WatchExecutions(
        WatchExecutionsRequest(parent=PARENT, names=[full("b")], changes_only=True)
    )
    assert [one.kind for one in await take(stream, 1)] == [SYNCED]
    await world.create("x")
    await world.create("b")
    (change,) = await take(stream, 1)
    assert change.execution.name == full("b")
    stream.cancel()


async def test_only_the_scope_is_told(world: World) -> None:
    stream = world.stub.WatchExecutions(ALL)
    await until_synced(stream)
    stray = create("s")
    stray.parent = "projects/q/domains/d"
    await world.stub.CreateExecution(stray)
    await world.create("a")
    assert (await take(stream, 1))[0].execution.name == full("a")
    stream.cancel()


async def test_resume_without_gap_or_repeat_over_a_restart() -> None:
    store = FakeStore()
    seen: list[tuple[str, int]] = []
    token = ""
    for life in range(3):
        async with World(store=store).serving() as world:
            world.executions._uids = iter(range(1 + 10 * life, 99))  # type: ignore[assignment]
            stream = world.stub.WatchExecutions(resume(token) if token else ALL)
            if not token:
                await until_synced(stream)
            name = await world.create(f"e{life}")
            world.executions.run(name)
            for answer in await take(stream, 2):
                seen.append((answer.execution.name, answer.execution.phase))
                token = answer.resume_token
            world.executions.end(name, OutcomeKind.SUCCEEDED)
            if life == 2:
                seen += [(one.execution.name, one.execution.phase) for one in await take(stream, 1)]
            elif life == 0:
                (last,) = await take(stream, 1)
                seen.append((last.execution.name, last.execution.phase))
                token = last.resume_token
            else:
                stream.cancel()
                async with World(store=store).serving() as other:
                    (last,) = await take(other.stub.WatchExecutions(resume(token)), 1)
                    seen.append((last.execution.name, last.execution.phase))
                    token = last.resume_token
    phases = (PHASE_QUEUED, PHASE_RUNNING, PHASE_SUCCEEDED)
    assert seen == [(full(f"e{life}"), phase) for life in range(3) for phase in phases]


async def test_a_token_is_bound_to_its_subject(world: World) -> None:
    token = (await until_synced(world.stub.WatchExecutions(ALL)))[-1].resume_token
    for request in (
        WatchExecutionsRequest(parent="projects/-/domains/d", resume_token=token),
        WatchExecutionsRequest(parent=PARENT, names=[full("a")], resume_token=token),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.stub.WatchExecutions(request).read()
        assert taken_apart(caught.value).reason == "RESUME_TOKEN_INVALID"


async def test_compaction_answers_with_a_fresh_snapshot() -> None:
    store = FakeStore()
    async with World(store=store).serving() as world:
        token = (await until_synced(world.stub.WatchExecutions(ALL)))[-1].resume_token
        await world.create("a")
        await world.create("b")
    store.compacted_to = 1
    async with World(store=store).serving() as world:
        stream = world.stub.WatchExecutions(resume(token))
        got = await until_synced(stream)
        assert [one.kind for one in got] == [RESET, SNAPSHOT, SNAPSHOT, SYNCED]
        await world.create("c")
        assert (await take(stream, 1))[0].execution.name == full("c")
        stream.cancel()


async def test_a_token_from_a_store_that_was_set_back(world: World) -> None:
    await world.create("a")
    token = (await until_synced(world.stub.WatchExecutions(ALL)))[-1].resume_token
    world.store.changes.clear()
    stream = world.stub.WatchExecutions(resume(token))
    assert [one.kind for one in await until_synced(stream)] == [RESET, SNAPSHOT, SYNCED]
    stream.cancel()


async def test_silence_is_broken_by_a_bookmark() -> None:
    async with World().serving(replace(LOCAL, bookmark_s=0.02)) as world:
        stream: Any = world.stub.WatchExecutions(ALL)
        await until_synced(stream)
        stray = create("s")
        stray.parent = "projects/q/domains/d"
        await world.stub.CreateExecution(stray)
        bookmark = await stream.read()
        while bookmark.resume_token == "" or bookmark.kind != BOOKMARK:
            bookmark = await stream.read()
        await world.create("a")
        await world.create("b")
        resumed = world.stub.WatchExecutions(resume(bookmark.resume_token))
        assert [one.execution.name for one in await take(resumed, 2)] == [full("a"), full("b")]
        stream.cancel()
        resumed.cancel()


async def test_drain_ends_watches_and_waits_and_refuses_new(world: World) -> None:
    stream = world.stub.WatchExecutions(ALL)
    await until_synced(stream)
    await world.server.begin_drain()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    found = taken_apart(caught.value)
    assert (found.code, found.reason, found.retry_after_s) == ("UNAVAILABLE", "SERVER_DRAINING", 1.0)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.stub.WatchExecutions(ALL).read()
    assert taken_apart(caught.value).reason == "SERVER_DRAINING"


async def test_watch_streams_are_bounded() -> None:
    async with World().serving(replace(LOCAL, max_watch_streams=2)) as world:
        kept = [world.stub.WatchExecutions(ALL) for _ in range(2)]
        for stream in kept:
            await until_synced(stream)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.stub.WatchExecutions(ALL).read()
        found = taken_apart(caught.value)
        assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS")
        world.heard.told.clear()
        kept[0].cancel()
        while world.heard.open_streams["WatchExecutions"] == 2:
            await world.heard.told.wait()
            world.heard.told.clear()
        await until_synced(world.stub.WatchExecutions(ALL))
        assert ("WatchExecutions", "CANCELLED", "") in world.heard.calls


async def test_a_slow_watcher_slows_only_itself() -> None:
    """It falls behind the ring while another sees all; then it reads what it missed from the store."""
    async with World().serving(replace(LOCAL, watch_ring=8)) as world:
        slow, quick = world.stub.WatchExecutions(ALL), world.stub.WatchExecutions(ALL)
        await until_synced(slow)
        await until_synced(quick)
        count = 120
        for start in range(0, count, 20):
            requests = [create(f"e{start + i}", query="x" * 4000) for i in range(20)]
            await world.stub.BatchCreateExecutions(
                BatchCreateExecutionsRequest(parent=PARENT, requests=requests)
            )
        expected = [full(f"e{number}") for number in range(count)]
        assert [one.execution.name for one in await take(quick, count)] == expected
        assert [one.execution.name for one in await take(slow, count)] == expected
        slow.cancel()
        quick.cancel()


async def test_nobody_watches_and_nothing_is_read(world: World) -> None:
    for name in "abcdef":
        await world.create(name)
    assert world.store.reads == 0


async def test_the_feed_outlives_a_store_failure(world: World) -> None:
    stream = world.stub.WatchExecutions(ALL)
    await until_synced(stream)
    read = world.store.read_changes
    failed = asyncio.Event()

    async def broken(*_: Scope, **__: Any) -> Any:
        world.store.read_changes = read  # type: ignore[method-assign]
        failed.set()
        raise OSError("gone")

    world.store.read_changes = broken  # type: ignore[method-assign]
    await world.create("a")
    await failed.wait()
    assert (await take(stream, 1))[0].execution.name == full("a")
    assert world.heard.troubles
    stream.cancel()
