"""Pools changed while the engine runs: at once, durably, and until the configuration says something else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from propwash.core.model import OutcomeKind, Phase
from propwash.core.pool import Block, PoolSpec, ProjectShare
from propwash.ports import (
    NoSuchPool,
    NotAccepting,
    PoolConfigured,
    PoolConflict,
    PoolExists,
    PoolInUse,
)
from tests.engine.engine_rig import ENDLESS, EngineRig, engine_rig
from tests.engine.virtual_time import run


async def hold(rig: EngineRig, *names: str, pool: str = "p") -> None:
    for name in names:
        await rig.create(name, pool=pool, duration_s=ENDLESS)


async def phases(rig: EngineRig, *names: str) -> list[Phase]:
    return [await rig.phase(name) for name in names]


def test_a_raised_capacity_grants_at_once_and_survives_a_crash() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await hold(rig, "a", "b", "c")
            status = await rig.engine.pools.update(PoolSpec(name="p", capacity=2), version=0)
            assert (status.version, status.view.occupied, status.is_configured) == (1, 2, True)
            await rig.until("b", Phase.RUNNING)
            await rig.restart()
            assert rig.engine.pools.one("p").spec.capacity == 2
            assert await phases(rig, "a", "b", "c") == [
                Phase.RUNNING,
                Phase.RUNNING,
                Phase.WAITING_FOR_RESOURCES,
            ]

    run(play())


def test_a_configuration_that_was_changed_goes_before_an_older_change() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await rig.engine.pools.update(PoolSpec(name="p", capacity=5), version=None)
            rig.options = replace(rig.options, pools={"p": 3})
            await rig.restart()
            status = rig.engine.pools.one("p")
            assert (status.spec.capacity, status.version) == (3, 0)
            await rig.after(1.0)
            rig.options = replace(rig.options, pools={"p": 1})
            await rig.restart()
            assert rig.engine.pools.one("p").spec.capacity == 1

    run(play())


def test_a_lowered_capacity_ends_nothing_and_admits_nobody_until_below() -> None:
    async def play() -> None:
        async with engine_rig(p=3) as rig:
            await hold(rig, "a", "b", "c", "d")
            await rig.until("c", Phase.RUNNING)
            status = await rig.engine.pools.update(PoolSpec(name="p", capacity=1), version=None)
            assert (status.view.occupied, status.spec.capacity) == (3, 1)
            await rig.abort("a")
            await rig.abort("b")
            await rig.after(5.0)
            assert await rig.phase("d") is Phase.WAITING_FOR_RESOURCES
            await rig.abort("c")
            await rig.until("d", Phase.RUNNING)

    run(play())


def test_a_pool_that_is_made_is_there_after_a_crash_and_limits_projects() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            early = await rig.create("early", pool="new")
            assert early.execution.plan.claims == ()
            share = ProjectShare(limit=1)
            await rig.engine.pools.create(PoolSpec(name="new", capacity=9, share=share))
            with pytest.raises(PoolExists):
                await rig.engine.pools.create(PoolSpec(name="new", capacity=1))
            await hold(rig, "a", "b", pool="new")
            await rig.restart()
            status = rig.engine.pools.one("new")
            assert (status.version, status.is_configured, status.spec.share) == (1, False, share)
            await rig.until("a", Phase.RUNNING)
            (waiter,) = rig.engine.pools.waiters("new")
            assert (waiter.name.execution, waiter.place.block, waiter.place.limit, waiter.place.held) == (
                "b",
                Block.PROJECT_LIMIT,
                1,
                1,
            )
            (holder,) = rig.engine.pools.holders("new")
            assert (holder.name.execution, holder.units, holder.phase) == ("a", 1, Phase.RUNNING)

    run(play())


def test_a_pool_in_use_is_removed_with_force_and_its_waiters_wait() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            pools = rig.engine.pools
            await pools.create(PoolSpec(name="new", capacity=1))
            await rig.create("a", pool="new", duration_s=5.0)
            await hold(rig, "b", pool="new")
            with pytest.raises(PoolInUse) as in_use:
                await pools.remove("new", force=False, version=None)
            assert (in_use.value.holders, in_use.value.waiting) == (1, 1)
            left = await pools.remove("new", force=True, version=1)
            assert left is not None
            assert left.view.is_removed
            await rig.restart()
            pools = rig.engine.pools
            assert await rig.outcome("a") is OutcomeKind.SUCCEEDED
            (waiter,) = pools.waiters("new")
            assert waiter.place.block is Block.REMOVED
            assert (await rig.create("c", pool="new")).execution.plan.claims == ()
            await pools.create(PoolSpec(name="new", capacity=1))
            await rig.until("b", Phase.RUNNING)
            await rig.abort("b")
            await rig.until("b")
            assert await pools.remove("new", force=False, version=None) is None
            with pytest.raises(NoSuchPool):
                pools.one("new")

    run(play())


def test_what_is_based_on_an_old_version_or_on_nothing_is_refused() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            pools = rig.engine.pools
            with pytest.raises(PoolConfigured):
                await pools.remove("p", force=True, version=None)
            with pytest.raises(NoSuchPool):
                await pools.update(PoolSpec(name="q", capacity=1), version=None)
            await pools.update(PoolSpec(name="p", capacity=2), version=0)
            with pytest.raises(PoolConflict):
                await pools.update(PoolSpec(name="p", capacity=3), version=0)
            with pytest.raises(PoolConfigured):
                await pools.remove("p", force=True, version=None)
            await rig.engine.drain(deadline_s=1.0)
            with pytest.raises(NotAccepting):
                await pools.create(PoolSpec(name="q", capacity=1))

    run(play())


def test_a_pool_of_a_template_is_seen_while_it_is_in_use() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            pools = rig.engine.pools
            await pools.create(PoolSpec(name="t:*", capacity=1))
            await hold(rig, "a", "b", pool="t:x")
            status = pools.one("t:x")
            assert (status.view.template, status.view.occupied, status.view.waiting) == ("t:*", 1, 1)
            assert [one.spec.name for one in pools.all()] == ["t:*", "t:x"]
            with pytest.raises(PoolInUse):
                await pools.remove("t:*", force=False, version=None)
            await pools.update(PoolSpec(name="t:*", capacity=2), version=None)
            await rig.until("b", Phase.RUNNING)
            for name in ("a", "b"):
                await rig.abort(name)
                await rig.until(name)
            assert [one.spec.name for one in pools.all()] == ["t:*"]

    run(play())


def test_a_long_queue_is_read_as_far_as_is_asked_for() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await hold(rig, *(f"e{number}" for number in range(8)))
            waiters = rig.engine.pools.waiters("p")
            assert len(waiters) == 7
            assert [one.name.execution for one in waiters[1:3]] == ["e2", "e3"]
            assert [one.place.position for one in waiters[:2]] == [1, 2]
            assert waiters[-1].name.execution == "e7"

    run(play())
