"""Pools over real gRPC: changed and removed, also by several at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from propwash.api.errors import ApiError
from propwash.core.pool import PoolSpec, ProjectShare
from propwash.pb.v1 import pool_service_pb2 as pb
from tests.api.api_pool_calls import CONFIGURED, changing, create, get, name, update, world_of_pools
from tests.api.api_world import World, refused

SHARE = pb.ProjectShare(weight=1.0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with world_of_pools().serving() as served:
        yield served


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


async def test_a_change_whose_caller_has_left_goes_before_the_next(world: World) -> None:
    await create(world)
    gate = world.pools.gate = asyncio.Event()
    world.pools.begun.clear()
    left = asyncio.ensure_future(world.pools.update(PoolSpec(name="p", capacity=3), version=1))
    await world.pools.begun.wait()
    world.pools.begun.clear()
    late = asyncio.ensure_future(refused(world.pool_stub.UpdatePool(changing(description="late"))))
    await world.pools.begun.wait()
    gate.set()
    await left
    refusal = await late
    assert (refusal.code, refusal.reason, refusal.retry_after_s) == ("UNAVAILABLE", "POOL_CHANGING", 0.1)
    again = await update(world, description="late")
    assert (again.capacity, again.description) == (3, "late")


async def test_a_caller_that_leaves_holds_nobody_up(world: World) -> None:
    await create(world)
    world.pools.gate = asyncio.Event()
    world.pools.begun.clear()
    leaving = world.pool_stub.UpdatePool(changing(capacity=3))
    await world.pools.begun.wait()
    leaving.cancel()
    world.pools.gate.set()
    assert (await update(world, description="next")).description == "next"
