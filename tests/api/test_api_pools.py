"""Pools over real gRPC: made and seen, with who holds them and who waits, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from propwash.core.pool import PoolSpec, ProjectShare
from propwash.pb.v1 import execution_pb2
from propwash.pb.v1 import pool_service_pb2 as pb
from tests.api.api_fake_host import NOW
from tests.api.api_pool_calls import create, get, name, update, world_of_pools
from tests.api.api_world import World

SHARE = pb.ProjectShare(weight=1.0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with world_of_pools().serving() as served:
        yield served


async def test_a_pool_is_told_whole(world: World) -> None:
    world.pools.hold("slots", name(1, "a"), units=8)
    world.pools.hold("slots", name(2, "b"), units=3)
    world.pools.want("slots", name(3, "b"), units=2, since=NOW + 7)
    world.pools.want("slots", name(4, "b"), units=2, since=NOW + 5)
    assert await get(world, "pools/slots") == pb.Pool(
        name="pools/slots",
        capacity=12,
        default_share=pb.ProjectShare(weight=2.0, limit=6),
        projects={"a": pb.ProjectShare(weight=1.0, namespace_limit=3)},
        description="of the warehouse",
        origin=pb.POOL_ORIGIN_CONFIGURED,
        state=pb.POOL_STATE_ACTIVE,
        occupied=11,
        lent=4,
        free=1,
        holders=2,
        waiting=2,
        oldest_wait_start_time=Timestamp(seconds=int(NOW) + 5),
        granted_total=11,
        project_usages=[
            pb.ProjectUsage(
                project="a",
                share=pb.ProjectShare(weight=1.0, namespace_limit=3),
                held=8,
                nominal=4.0,
                borrowed=4.0,
            ),
            pb.ProjectUsage(
                project="b", share=pb.ProjectShare(weight=2.0, limit=6), held=3, nominal=8.0, waiting=2
            ),
        ],
        etag=(await get(world, "pools/slots")).etag,
    )


async def test_a_pool_is_created_with_all_that_is_given(world: World) -> None:
    given = pb.Pool(
        capacity=0,
        default_share=pb.ProjectShare(weight=0.0, limit=0, namespace_limit=10**9),
        projects={"a": pb.ProjectShare(), "b": pb.ProjectShare(limit=5)},
        description="x" * 1024,
    )
    request = pb.CreatePoolRequest(pool_id="A._~%:-9", pool=given)
    made = await world.pool_stub.CreatePool(request)
    assert made == await get(world, "pools/A._~%:-9")
    assert (made.name, made.HasField("capacity"), made.capacity) == ("pools/A._~%:-9", True, 0)
    assert made.default_share == given.default_share
    assert dict(made.projects) == {"a": SHARE, "b": pb.ProjectShare(weight=1.0, limit=5)}
    assert (made.origin, made.state, made.free) == (pb.POOL_ORIGIN_CREATED, pb.POOL_STATE_ACTIVE, 0)
    assert made.create_time.seconds == int(NOW)
    assert world.pools.stored["A._~%:-9"].spec.share == ProjectShare(
        weight=0.0, limit=0, namespace_limit=10**9
    )


async def test_a_template_and_what_is_made_after_it(world: World) -> None:
    assert (await create(world, "*", capacity=1)).name == "pools/*"
    world.pools.hold("wh:big", name(1))
    made = await get(world, "pools/wh:big")
    assert (made.origin, made.template, made.capacity) == (pb.POOL_ORIGIN_TEMPLATE, "pools/wh:*", 4)
    own = await update(world, name="pools/wh:big", capacity=9)
    assert (own.origin, own.template, own.capacity, own.occupied) == (pb.POOL_ORIGIN_CREATED, "", 9, 1)


async def test_lists_are_pages_by_name_without_the_projects(world: World) -> None:
    for number in range(5):
        await create(world, f"p{number}")
    names: list[str] = []
    token = ""
    for _ in range(4):
        page = await world.pool_stub.ListPools(pb.ListPoolsRequest(page_size=2, page_token=token))
        names += [pool.name for pool in page.pools]
        assert not any(pool.project_usages for pool in page.pools)
        token = page.next_page_token
    assert names == ["pools/p0", "pools/p1", "pools/p2", "pools/p3", "pools/p4", "pools/slots", "pools/wh:*"]
    assert token == ""
    whole = await world.pool_stub.ListPools(pb.ListPoolsRequest())
    assert [pool.name for pool in whole.pools] == names


async def test_a_page_of_large_pools_fits_into_a_message(world: World) -> None:
    long = "\N{GRINNING FACE}" * 1024
    world.pools.configure(*(PoolSpec(name=f"p{n:03d}", capacity=1, description=long) for n in range(998)))
    names: list[str] = []
    token, pages = "", 0
    while token or not pages:
        page = await world.pool_stub.ListPools(pb.ListPoolsRequest(page_size=1000, page_token=token))
        assert page.ByteSize() < 4 * 1024 * 1024
        names += [pool.name for pool in page.pools]
        token, pages = page.next_page_token, pages + 1
    assert (len(names), len(set(names)), pages) == (1000, 1000, 2)


async def test_who_holds_and_who_waits(world: World) -> None:
    for number in range(5):
        world.pools.hold("slots", name(number), units=number + 1, since=NOW - number)
        world.pools.want("slots", name(10 + number), units=2, priority=number, since=NOW + 0.5)
    holders: list[pb.PoolHolder] = []
    waiters: list[pb.PoolWaiter] = []
    token = ""
    for size in (2, 2, 1):
        held = await world.pool_stub.ListPoolHolders(
            pb.ListPoolHoldersRequest(parent="pools/slots", page_size=2, page_token=token)
        )
        assert (len(held.holders), held.total_size) == (size, 5)
        holders += held.holders
        token = held.next_page_token
    assert token == ""
    for size in (2, 2, 1):
        waited = await world.pool_stub.ListPoolWaiters(
            pb.ListPoolWaitersRequest(parent="pools/slots", page_size=2, page_token=token)
        )
        assert (len(waited.waiters), waited.total_size) == (size, 5)
        waiters += waited.waiters
        token = waited.next_page_token
    assert token == ""
    assert [one.execution for one in holders] == [str(name(number)) for number in (4, 3, 2, 1, 0)]
    assert holders[0] == pb.PoolHolder(
        execution=str(name(4)),
        attempt=1,
        phase=execution_pb2.PHASE_RUNNING,
        units=5,
        grant_time=Timestamp(seconds=int(NOW) - 4),
    )
    assert [(one.execution, one.priority, one.position) for one in waiters] == [
        (str(name(14 - turn)), 4 - turn, turn + 1) for turn in range(5)
    ]
    assert waiters[0] == pb.PoolWaiter(
        execution=str(name(14)),
        attempt=1,
        units=2,
        priority=4,
        wait_start_time=Timestamp(seconds=int(NOW), nanos=500_000_000),
        position=1,
        block=pb.POOL_BLOCK_PROJECT_LIMIT,
        limit=6,
        message="position 1 of 5, its project holds 15 of the 6 units that it may have",
    )


async def test_the_reasons_of_waiters(world: World) -> None:
    await create(world, capacity=4)
    world.pools.hold("p", name(1), units=4)
    world.pools.want("p", name(2), units=3)
    world.pools.want("p", name(3), units=1, since=NOW + 1)
    asked = pb.ListPoolWaitersRequest(parent="pools/p")
    answer = await world.pool_stub.ListPoolWaiters(asked)
    assert [one.block for one in answer.waiters] == [pb.POOL_BLOCK_CAPACITY, pb.POOL_BLOCK_TURN]
    assert not answer.waiters[0].HasField("limit")
    lowered = await update(world, capacity=2)
    assert (lowered.capacity, lowered.occupied, lowered.free) == (2, 4, 0)
    answer = await world.pool_stub.ListPoolWaiters(asked)
    assert [one.block for one in answer.waiters] == [pb.POOL_BLOCK_TOO_LARGE, pb.POOL_BLOCK_TURN]
    await world.pool_stub.DeletePool(pb.DeletePoolRequest(name="pools/p", force=True))
    answer = await world.pool_stub.ListPoolWaiters(asked)
    assert [one.block for one in answer.waiters] == [pb.POOL_BLOCK_REMOVED] * 2


async def test_pages_go_on_after_the_last_that_was_told(world: World) -> None:
    for number in range(6):
        world.pools.hold("slots", name(number), since=NOW + number)
    ask = pb.ListPoolHoldersRequest(parent="pools/slots", page_size=3)
    first = await world.pool_stub.ListPoolHolders(ask)
    world.pools.release("slots", name(0))
    ask.page_token = first.next_page_token
    second = await world.pool_stub.ListPoolHolders(ask)
    assert [one.execution for one in second.holders] == [str(name(number)) for number in (3, 4, 5)]
    world.pools.release("slots", name(2))
    # The last that was told has left, so that the place is what is left to go by.
    gone = await world.pool_stub.ListPoolHolders(ask)
    assert [one.execution for one in gone.holders] == [str(name(5))]
    for number in range(6):
        world.pools.release("slots", name(number))
    assert (await world.pool_stub.ListPoolHolders(ask)) == pb.ListPoolHoldersResponse()
