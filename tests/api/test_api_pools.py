"""Pools over real gRPC: made, seen, changed and removed, also by several at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from propwash.api.errors import ApiError
from propwash.core.pool import PoolSpec, ProjectShare
from propwash.pb.v1 import execution_pb2
from propwash.pb.v1 import pool_service_pb2 as pb
from propwash.ports import ExecutionName
from tests.api.api_fake_host import NOW
from tests.api.api_world import World, refused

CONFIGURED = PoolSpec(
    name="slots",
    capacity=12,
    share=ProjectShare(weight=2.0, limit=6),
    projects={"a": ProjectShare(weight=1.0, namespace_limit=3)},
    description="of the warehouse",
)
SHARE = pb.ProjectShare(weight=1.0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.pools.configure(CONFIGURED, PoolSpec(name="wh:*", capacity=4))
    async with made.serving() as served:
        yield served


def name(number: int, project: str = "p") -> ExecutionName:
    return ExecutionName(project, "d", f"e{number}")


async def create(world: World, pool_id: str = "p", **fields: object) -> pb.Pool:
    pool = pb.Pool(**{"capacity": 10, **fields})  # type: ignore[arg-type]  # a test's own
    return await world.pool_stub.CreatePool(pb.CreatePoolRequest(pool_id=pool_id, pool=pool))


async def update(world: World, *paths: str, name: str = "pools/p", **fields: object) -> pb.Pool:
    return await world.pool_stub.UpdatePool(changing(*paths, name=name, **fields))


def changing(*paths: str, name: str = "pools/p", **fields: object) -> pb.UpdatePoolRequest:
    pool = pb.Pool(name=name, **fields)  # type: ignore[arg-type]  # a test's own
    return pb.UpdatePoolRequest(pool=pool, update_mask=FieldMask(paths=paths))


async def get(world: World, name: str = "pools/p") -> pb.Pool:
    return await world.pool_stub.GetPool(pb.GetPoolRequest(name=name))


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
    shares = {f"{number}-{'x' * 55}": ProjectShare(limit=number) for number in range(1000)}
    world.pools.configure(*(PoolSpec(name=f"big{n:02d}", capacity=1, projects=shares) for n in range(50)))
    names: list[str] = []
    token, pages = "", 0
    while token or not pages:
        page = await world.pool_stub.ListPools(pb.ListPoolsRequest(page_size=1000, page_token=token))
        assert page.ByteSize() < 4 * 1024 * 1024
        names += [pool.name for pool in page.pools]
        token, pages = page.next_page_token, pages + 1
    assert (len(names), len(set(names)), pages > 1) == (52, 52, True)


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
        message="waits for 2 units of pool slots: position 1 of 5, its project has no room for it within the "
        "6 units that it may have",
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


async def test_a_mask_changes_the_fields_that_it_names_and_no_others(world: World) -> None:
    everything: dict[str, Any] = {
        "capacity": 20,
        "default_share": pb.ProjectShare(weight=3.0, limit=4, namespace_limit=5),
        "projects": {"a": pb.ProjectShare(limit=1), "b": pb.ProjectShare(limit=2)},
        "description": "new",
    }
    await create(world, **everything)

    async def after(*paths: str, **fields: Any) -> PoolSpec:
        await update(world, *paths, **fields)
        return world.pools.stored["p"].spec

    spec = await after("capacity", capacity=7, description="not named")
    assert (spec.capacity, spec.description, len(spec.projects)) == (7, "new", 2)
    spec = await after("default_share.limit", default_share=pb.ProjectShare(weight=9.0, limit=6))
    assert spec.share == ProjectShare(weight=3.0, limit=6, namespace_limit=5)
    spec = await after("default_share.namespace_limit", "default_share.weight")
    assert spec.share == ProjectShare(weight=1.0, limit=6)
    spec = await after("default_share", default_share=pb.ProjectShare(namespace_limit=1))
    assert spec.share == ProjectShare(namespace_limit=1)
    spec = await after("projects.b", "projects.c", projects={"c": pb.ProjectShare(limit=3), "d": SHARE})
    assert spec.projects == {"a": ProjectShare(limit=1), "c": ProjectShare(limit=3)}
    spec = await after("projects", projects={"x": pb.ProjectShare(weight=2.0)})
    assert spec.projects == {"x": ProjectShare(weight=2.0)}
    spec = await after("description")
    assert (spec.description, spec.capacity) == ("", 7)
    # Without a mask what is set is changed, a capacity of 0 too.
    spec = await after(capacity=0)
    assert spec == PoolSpec(
        name="p", capacity=0, share=ProjectShare(namespace_limit=1), projects={"x": ProjectShare(weight=2.0)}
    )
    spec = await after(**everything)
    assert (spec.capacity, len(spec.projects), spec.description) == (20, 2, "new")
    assert await after("*", capacity=1) == PoolSpec(name="p", capacity=1)


async def test_an_etag_holds_the_definition_that_was_read(world: World) -> None:
    made = await create(world)
    changed = await update(world, capacity=11, etag=made.etag)
    assert changed.etag != made.etag
    late = await refused(world.pool_stub.UpdatePool(changing(capacity=12, etag=made.etag)))
    assert (late.code, late.reason, late.metadata["name"]) == ("ABORTED", "ETAG_MISMATCH", "pools/p")
    assert late.resource == ("propwash.dev/Pool", "pools/p")
    late = await refused(
        world.pool_stub.DeletePool(pb.DeletePoolRequest(name="pools/p", etag=made.etag, force=True))
    )
    assert (late.code, late.reason, late.metadata["field"]) == ("ABORTED", "ETAG_MISMATCH", "name")
    assert (await get(world)).capacity == 11
    gone = await world.pool_stub.DeletePool(pb.DeletePoolRequest(name="pools/p", etag=changed.etag))
    assert gone == pb.Pool(name="pools/p", state=pb.POOL_STATE_REMOVED)
    # Another pool of the same name and version is not the one that was read.
    again = await create(world, capacity=12)
    assert again.etag != made.etag
    assert again.etag.partition(".")[0] == made.etag.partition(".")[0]
    late = await refused(world.pool_stub.UpdatePool(changing(capacity=13, etag=made.etag)))
    assert late.reason == "ETAG_MISMATCH"
    await update(world, capacity=13)
    await world.pool_stub.DeletePool(pb.DeletePoolRequest(name="pools/p"))
    # What the engine is told, for whoever changes a pool without this server.
    assert world.pools.based_on == [1, 2, 1, None]


async def test_the_etag_is_not_moved_by_who_comes_and_goes(world: World) -> None:
    etag = (await get(world, "pools/slots")).etag
    world.pools.hold("slots", name(1))
    world.pools.want("slots", name(2))
    assert (await get(world, "pools/slots")).etag == etag
    world.pools.configure(PoolSpec(name="slots", capacity=13))
    assert (await get(world, "pools/slots")).etag != etag


async def test_of_changes_at_once_none_is_lost(world: World) -> None:
    await create(world)
    world.pools.gate = asyncio.Event()
    changes = [
        update(world, f"projects.p{number}", projects={f"p{number}": pb.ProjectShare(limit=number)})
        for number in range(8)
    ]
    changes.append(update(world, "capacity", capacity=77))
    changes.append(update(world, "description", description="all"))
    pending = asyncio.gather(*changes)
    world.pools.gate.set()
    answers = await pending
    spec = world.pools.stored["p"].spec
    assert spec.projects == {f"p{number}": ProjectShare(limit=number) for number in range(8)}
    assert (spec.capacity, spec.description) == (77, "all")
    assert world.pools.stored["p"].version == 11
    assert len({answer.etag for answer in answers}) == 10


async def test_of_changes_with_one_etag_one_is_made(world: World) -> None:
    etag = (await create(world)).etag
    calls = [world.pool_stub.UpdatePool(changing(capacity=20 + number, etag=etag)) for number in range(5)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    codes = [one.code().name for one in results if isinstance(one, grpc.aio.AioRpcError)]
    assert codes == ["ABORTED"] * 4
    (won,) = [one for one in results if isinstance(one, pb.Pool)]
    assert (await get(world)).capacity == won.capacity


async def test_a_configured_pool_can_be_changed_and_not_removed(world: World) -> None:
    changed = await update(world, "capacity", name="pools/slots", capacity=3)
    assert (changed.capacity, changed.origin) == (3, pb.POOL_ORIGIN_CONFIGURED)
    assert dict(changed.projects) == {"a": pb.ProjectShare(weight=1.0, namespace_limit=3)}
    for force in (False, True):
        refusal = await refused(
            world.pool_stub.DeletePool(pb.DeletePoolRequest(name="pools/slots", force=force))
        )
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "POOL_CONFIGURED")
    assert (await get(world, "pools/slots")).capacity == 3


async def test_a_pool_in_use_is_removed_with_force_and_may_be_made_anew(world: World) -> None:
    await create(world)
    for number in range(3):
        world.pools.hold("p", name(number))
    world.pools.want("p", name(9))
    request = pb.DeletePoolRequest(name="pools/p")
    refusal = await refused(world.pool_stub.DeletePool(request))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "POOL_IN_USE")
    assert (refusal.metadata["holders"], refusal.metadata["waiting"]) == ("3", "1")
    request.force = True
    left = await world.pool_stub.DeletePool(request)
    assert (left.state, left.holders, left.waiting) == (pb.POOL_STATE_REMOVED, 3, 1)
    # A repeat, with or without force, asks for what is done already.
    request.force = False
    assert await world.pool_stub.DeletePool(request) == left == await get(world)
    refusal = await refused(world.pool_stub.UpdatePool(changing(capacity=1)))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "POOL_REMOVED")
    again = await create(world, capacity=5)
    assert (again.state, again.holders, again.capacity) == (pb.POOL_STATE_ACTIVE, 3, 5)


async def test_nothing_is_changed_while_the_engine_takes_nothing(world: World) -> None:
    await create(world)
    world.pools.is_accepting = False
    for call in (
        world.pool_stub.CreatePool(pb.CreatePoolRequest(pool_id="q", pool=pb.Pool(capacity=1))),
        world.pool_stub.UpdatePool(changing(capacity=1)),
        world.pool_stub.DeletePool(pb.DeletePoolRequest(name="pools/p")),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.reason, refusal.retry_after_s) == ("UNAVAILABLE", "NOT_ACCEPTING", 1.0)
    assert (await get(world)).capacity == 10


async def test_only_who_is_permitted_changes_pools_and_all_see_them() -> None:
    asked: list[str] = []

    def nobody(method: str, context: object) -> None:
        asked.append(method)
        raise ApiError("NOT_AN_OPERATOR", "no", code=grpc.StatusCode.PERMISSION_DENIED)

    made = World(permit=nobody)
    made.pools.configure(CONFIGURED)
    async with made.serving() as world:
        for call in (
            world.pool_stub.CreatePool(pb.CreatePoolRequest(pool_id="", pool=pb.Pool())),
            world.pool_stub.UpdatePool(pb.UpdatePoolRequest()),
            world.pool_stub.DeletePool(pb.DeletePoolRequest()),
        ):
            assert (await refused(call)).code == "PERMISSION_DENIED"
        assert sorted(asked) == ["CreatePool", "DeletePool", "UpdatePool"]
        assert len((await world.pool_stub.ListPools(pb.ListPoolsRequest())).pools) == 1
        await get(world, "pools/slots")


async def test_a_removal_is_based_on_the_change_before_it(world: World) -> None:
    made = await create(world)
    world.pools.gate = asyncio.Event()
    world.pools.begun.clear()
    changing_now = asyncio.ensure_future(update(world, capacity=3))
    await world.pools.begun.wait()
    removal = pb.DeletePoolRequest(name="pools/p", etag=made.etag)
    removing = asyncio.ensure_future(refused(world.pool_stub.DeletePool(removal)))
    assert (await get(world)).capacity == 10
    world.pools.gate.set()
    await changing_now
    assert (await removing).reason == "ETAG_MISMATCH"
    assert (await get(world)).capacity == 3
