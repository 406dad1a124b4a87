"""The client's methods for pools, against a server that loses answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from propwash.client import (
    Client,
    ClientError,
    NewExecution,
    Phase,
    PoolBlock,
    PoolHolder,
    PoolOrigin,
    PoolState,
    PoolWaiter,
    ProjectShare,
    ProjectUsage,
    pool_name,
)
from propwash.pb.v1 import execution_pb2
from propwash.pb.v1 import pool_service_pb2 as pb
from tests.client.fake_server import QUICK, FakeServer, World

SHARE = ProjectShare(weight=2.0, limit=0)


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


async def test_a_pool_reads_as_it_was_created(client: Client) -> None:
    made = await client.create_pool(
        "wh:*",
        capacity=0,
        default_share=SHARE,
        projects={"a": ProjectShare(namespace_limit=3)},
        description="d",
    )
    assert made == await client.pool("wh:*") == await client.pool("pools/wh:*")
    assert (made.name, made.id, made.is_template, made.capacity) == ("pools/wh:*", "wh:*", True, 0)
    assert (made.default_share, dict(made.projects)) == (SHARE, {"a": ProjectShare(namespace_limit=3)})
    assert (made.state, made.origin) == (PoolState.ACTIVE, PoolOrigin.CREATED)
    assert (made.oldest_wait_start_time, made.create_time) == (None, None)


async def test_every_page_is_read(server: FakeServer, client: Client) -> None:
    for number in range(5):
        await client.create_pool(f"p{number}", capacity=number)
    assert [(pool.id, pool.capacity) for pool in await client.pools()] == [(f"p{n}", n) for n in range(5)]
    server.pools.held["pools/p1"] = [
        pb.PoolHolder(execution=f"e{n}", phase=execution_pb2.PHASE_RUNNING) for n in range(5)
    ]
    server.pools.wanted["pools/p1"] = [pb.PoolWaiter(execution=f"w{n}") for n in range(3)]
    assert [one.execution async for one in client.pool_holders("p1")] == [f"e{n}" for n in range(5)]
    assert [one.execution async for one in client.pool_waiters("p1", page_size=2)] == ["w0", "w1", "w2"]


async def test_usages_holders_and_waiters_are_values(server: FakeServer, client: Client) -> None:
    pool = server.pools.put(pb.Pool(name="pools/p", capacity=4, origin=99))  # type: ignore[arg-type]  # newer
    pool.oldest_wait_start_time.seconds = 5
    pool.project_usages.add(
        project="a", share=pb.ProjectShare(), held=3, nominal=1.5, borrowed=1.5, waiting=2
    )
    seen = await client.pool("p")
    assert seen.origin is PoolOrigin.UNSPECIFIED
    assert seen.oldest_wait_start_time == dt.datetime(1970, 1, 1, 0, 0, 5, tzinfo=dt.UTC)
    assert seen.project_usages == (
        ProjectUsage(project="a", share=ProjectShare(), held=3, nominal=1.5, borrowed=1.5, waiting=2),
    )
    server.pools.held["pools/p"] = [
        pb.PoolHolder(execution="e", attempt=2, phase=execution_pb2.PHASE_CLEANING_UP, units=3, priority=-4)
    ]
    server.pools.wanted["pools/p"] = [
        pb.PoolWaiter(execution="w", position=7, block=pb.POOL_BLOCK_PROJECT_LIMIT, limit=0, message="why"),
        pb.PoolWaiter(execution="x", block=55),  # type: ignore[arg-type]  # newer
    ]
    assert [one async for one in client.pool_holders("p")] == [
        PoolHolder(execution="e", attempt=2, phase=Phase.CLEANING_UP, units=3, priority=-4, grant_time=None)
    ]
    first, second = [one async for one in client.pool_waiters("p")]
    assert first == PoolWaiter(
        execution="w",
        attempt=0,
        units=0,
        priority=0,
        wait_start_time=None,
        position=7,
        block=PoolBlock.PROJECT_LIMIT,
        limit=0,
        message="why",
    )
    assert (second.block, second.limit) == (PoolBlock.UNSPECIFIED, None)


async def test_an_update_changes_what_is_given(server: FakeServer, client: Client) -> None:
    made = await client.create_pool("p", capacity=5, default_share=SHARE, description="d")
    changed = await client.update_pool("p", capacity=6, etag=made.etag)
    assert (changed.capacity, changed.default_share, changed.description) == (6, SHARE, "d")
    changed = await client.update_pool("p", description="", projects={})
    assert (changed.description, dict(changed.projects)) == ("", {})
    changed = await client.update_pool(
        "p",
        default_share=ProjectShare(weight=9.0, limit=8),
        projects={"a": SHARE},
        mask=("default_share.limit", "projects.a"),
    )
    assert changed.default_share == ProjectShare(weight=2.0, limit=8)
    assert dict(changed.projects) == {"a": SHARE}
    with pytest.raises(ClientError) as refused:
        await client.update_pool("p", capacity=7, etag=made.etag)
    assert (refused.value.code, refused.value.reason) == ("ABORTED", "ETAG_MISMATCH")


async def test_a_lost_answer_is_no_conflict_with_oneself(server: FakeServer, client: Client) -> None:
    world = server.world
    world.lost_answers = 1
    made = await client.create_pool("p", capacity=5, default_share=SHARE, projects={"a": SHARE})
    world.lost_answers = 1
    changed = await client.update_pool("p", capacity=6, etag=made.etag)
    assert changed.capacity == 6
    world.lost_answers = 1
    changed = await client.update_pool(
        "p",
        default_share=ProjectShare(limit=3),
        mask=("default_share.limit", "projects.a"),
        etag=changed.etag,
    )
    assert (changed.default_share, dict(changed.projects)) == (ProjectShare(weight=2.0, limit=3), {})
    world.lost_answers = 1
    gone = await client.delete_pool("p", etag=changed.etag)
    assert (gone.name, gone.state) == ("pools/p", PoolState.REMOVED)
    assert server.pools.pools == {}


async def test_a_conflict_with_somebody_else_stays_one_though_an_answer_was_lost(
    server: FakeServer, client: Client
) -> None:
    world, unavailable = server.world, grpc.StatusCode.UNAVAILABLE
    await client.create_pool("p", capacity=5)
    world.refusals.append(unavailable)
    with pytest.raises(ClientError, match="POOL_EXISTS"):
        await client.create_pool("p", capacity=6)
    world.refusals.append(unavailable)
    with pytest.raises(ClientError, match="ETAG_MISMATCH"):
        await client.update_pool("p", capacity=7, etag="old")
    with pytest.raises(ClientError, match="POOL_EXISTS"):
        await client.create_pool("p", capacity=5)
    with pytest.raises(ClientError, match="POOL_NOT_FOUND"):
        await client.delete_pool("q")


async def test_the_priority_goes_there_and_back(server: FakeServer, client: Client) -> None:
    made = await client.create(
        project="p", domain="d", task_type="query", spec={"query": "x"}, execution_id="a", priority=-7
    )
    assert made.priority == -7
    assert (await client.get(made.name)).priority == -7
    new = NewExecution(task_type="query", spec={"query": "x"})
    assert (await client.create_new(new, project="p", domain="d")).priority == 0


def test_names() -> None:
    assert (pool_name("a"), pool_name("pools/a"), pool_name("*")) == ("pools/a", "pools/a", "pools/*")
