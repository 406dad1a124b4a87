"""What ports.Pools promises, of the engine and of the fake alike."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from propwash.core.pool import PoolSpec, ProjectShare
from propwash.ports import NoSuchPool, PoolConfigured, PoolConflict, PoolExists, PoolInUse
from tests.conformance.pools.pool_worlds import MakeWorld, PoolsWorld, engine_world, fake_world
from tests.engine.virtual_time import run


@pytest.fixture(params=[engine_world, fake_world], ids=["engine", "fake"])
def make_world(request: pytest.FixtureRequest) -> MakeWorld:
    """Of both."""
    made: MakeWorld = request.param
    return made


def play(
    make_world: MakeWorld, scene: Callable[[PoolsWorld], Coroutine[Any, Any, None]], *configured: str
) -> None:
    """Run a scene in a world with these pools in its configuration."""

    async def all_of_it() -> None:
        async with make_world(*configured) as world:
            await scene(world)

    run(all_of_it())


def test_a_pool_that_is_made_is_there(make_world: MakeWorld) -> None:
    async def scene(world: PoolsWorld) -> None:
        spec = PoolSpec(name="new", capacity=3, share=ProjectShare(weight=2.0), description="d")
        made = await world.pools.create(spec)
        assert (made.spec, made.version, made.is_configured) == (spec, 1, False)
        assert (made.view.capacity, made.view.occupied, made.view.is_removed) == (3, 0, False)
        assert world.pools.one("new") == made
        assert [one.spec.name for one in world.pools.all()] == ["conf", "new"]
        with pytest.raises(PoolExists):
            await world.pools.create(spec)
        with pytest.raises(PoolExists):
            await world.pools.create(PoolSpec(name="conf", capacity=1))

    play(make_world, scene, "conf")


def test_a_change_makes_the_next_version(make_world: MakeWorld) -> None:
    async def scene(world: PoolsWorld) -> None:
        created = await world.pools.create(PoolSpec(name="new", capacity=3))
        first = await world.pools.update(PoolSpec(name="new", capacity=4), version=1)
        second = await world.pools.update(PoolSpec(name="new", capacity=5), version=None)
        assert (first.version, second.version, second.spec.capacity) == (2, 3, 5)
        assert second.created_at == created.created_at
        with pytest.raises(PoolConflict):
            await world.pools.update(PoolSpec(name="new", capacity=6), version=2)
        with pytest.raises(PoolConflict):
            await world.pools.remove("new", force=False, version=2)

    play(make_world, scene)


def test_a_pool_of_the_configuration_is_changed_and_not_removed(make_world: MakeWorld) -> None:
    async def scene(world: PoolsWorld) -> None:
        assert (world.pools.one("conf").version, world.pools.one("conf").is_configured) == (0, True)
        for version in (0, 1):
            changed = await world.pools.update(PoolSpec(name="conf", capacity=9), version=version)
            assert (changed.version, changed.is_configured) == (version + 1, True)
            with pytest.raises(PoolConfigured):
                await world.pools.remove("conf", force=True, version=None)

    play(make_world, scene, "conf")


def test_what_is_not_there_is_not_there(make_world: MakeWorld) -> None:
    async def scene(world: PoolsWorld) -> None:
        for ask in (world.pools.one, world.pools.holders, world.pools.waiters):
            with pytest.raises(NoSuchPool):
                ask("none")
        with pytest.raises(NoSuchPool):
            await world.pools.update(PoolSpec(name="none", capacity=1), version=None)
        with pytest.raises(NoSuchPool):
            await world.pools.remove("none", force=True, version=None)

    play(make_world, scene)


def test_who_holds_and_who_waits(make_world: MakeWorld) -> None:
    async def scene(world: PoolsWorld) -> None:
        for name in ("a", "b", "c", "d"):
            await world.ask(name, "conf")
        holders, waiters = world.pools.holders("conf"), world.pools.waiters("conf")
        assert {(one.name.execution, one.units) for one in holders} == {("a", 1), ("b", 1)}
        assert [(one.name.execution, one.place.position, one.place.waiting) for one in waiters] == [
            ("c", 1, 2),
            ("d", 2, 2),
        ]
        assert {(one.place.occupied, one.place.capacity) for one in waiters} == {(2, 2)}
        view = world.pools.one("conf").view
        assert (view.occupied, view.holders, view.waiting) == (2, 2, 2)
        assert view.oldest_since == min(one.since for one in waiters)

    play(make_world, scene, "conf")


def test_a_pool_in_use_is_removed_with_force_alone(make_world: MakeWorld) -> None:
    async def scene(world: PoolsWorld) -> None:
        await world.pools.create(PoolSpec(name="new", capacity=1))
        await world.ask("a", "new")
        await world.ask("b", "new")
        with pytest.raises(PoolInUse) as refused:
            await world.pools.remove("new", force=False, version=None)
        assert (refused.value.holders, refused.value.waiting) == (1, 1)
        left = await world.pools.remove("new", force=True, version=None)
        assert left is not None
        assert (left.view.is_removed, left.view.holders, left.view.waiting) == (True, 1, 1)
        await world.leave("b", "new")
        await world.leave("a", "new")
        with pytest.raises(NoSuchPool):
            world.pools.one("new")

    play(make_world, scene)


def test_a_removed_pool_may_be_made_anew(make_world: MakeWorld) -> None:
    async def scene(world: PoolsWorld) -> None:
        await world.pools.create(PoolSpec(name="new", capacity=1))
        await world.ask("a", "new")
        await world.pools.remove("new", force=True, version=None)
        again = await world.pools.create(PoolSpec(name="new", capacity=3))
        assert (again.view.is_removed, again.view.occupied, again.view.capacity) == (False, 1, 3)

    play(make_world, scene)


def test_a_pool_that_nobody_uses_goes_at_once(make_world: MakeWorld) -> None:
    async def scene(world: PoolsWorld) -> None:
        await world.pools.create(PoolSpec(name="new", capacity=1))
        assert await world.pools.remove("new", force=False, version=1) is None
        assert list(world.pools.all()) == []

    play(make_world, scene)


def test_a_pool_of_a_template_gets_a_definition_of_its_own(make_world: MakeWorld) -> None:
    async def scene(world: PoolsWorld) -> None:
        await world.pools.create(PoolSpec(name="t:*", capacity=1))
        await world.ask("a", "t:x")
        made = world.pools.one("t:x")
        assert (made.view.template, made.version, made.view.occupied) == ("t:*", 0, 1)
        own = await world.pools.update(PoolSpec(name="t:x", capacity=7), version=0)
        assert (own.view.template, own.version, own.view.capacity, own.view.occupied) == ("", 1, 7, 1)

    play(make_world, scene)
