"""Orphans are found and deleted after a while; what is owned, and what is another's, is left alone."""

from __future__ import annotations

import asyncio

import pytest

from propwash.core.model import ExecutionUid, OutcomeKind, Phase
from propwash.core.names import remote_name
from propwash.engine.options import EngineOptions
from propwash.sdk.testing import ToyFault, ToyJob
from tests.engine.engine_rig import ENDLESS, OWNER, EngineRig, draft_of, engine_rig
from tests.engine.virtual_time import run

OFTEN = EngineOptions(sweep_every_s=10.0, orphan_settle_s=25.0)


def plant(rig: EngineRig, *, owner: str = OWNER, name: str = "") -> ToyJob:
    return rig.system.submit(
        rig.system.key,
        name=name or remote_name(owner=owner, uid=ExecutionUid("0123456789abcdefghjkmnpqrs"), attempt=1),
        owner=owner,
        duration_s=ENDLESS,
        ending="succeed",
    )


def test_an_orphan_is_deleted_after_its_time() -> None:
    async def play() -> None:
        async with engine_rig(OFTEN) as rig:
            orphan = plant(rig)
            others = plant(rig, owner="them"), plant(rig, name="made-by-hand")
            await rig.after(25.0)
            assert rig.count("cancel") == 0
            await rig.after(10.0)
            assert rig.system.live_jobs(orphan.name) == ()
            assert rig.count("cancel") == 1
            assert {job.name for job in rig.system.live_jobs()} == {job.name for job in others}
            await rig.after(30.0)
            assert rig.log.sweeps[-1] == (1, 0)

    run(play())


def test_what_a_live_attempt_owns_is_never_touched() -> None:
    async def play() -> None:
        async with engine_rig(OFTEN) as rig:
            await rig.create("one", duration_s=200.0)
            await rig.after(100.0)
            await rig.restart()
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED
            assert rig.count("cancel") == 0
            assert all(orphans == 0 for _, orphans in rig.log.sweeps)

    run(play())


def test_a_second_job_of_an_ended_execution_is_an_orphan() -> None:
    async def play() -> None:
        async with engine_rig(OFTEN) as rig:
            await rig.create("one")
            await rig.until("one")
            rig.system.has_unique_names = False
            orphan = plant(rig, name=rig.system.ledger()[0].name)
            await rig.after(60.0)
            assert rig.system.live_jobs(orphan.name) == ()
            assert await rig.phase("one") is Phase.SUCCEEDED

    run(play())


def test_trouble_is_told_and_the_next_sweep_tries_again() -> None:
    async def play() -> None:
        async with engine_rig(OFTEN) as rig:
            plant(rig)
            rig.system.plan("list", ToyFault.DOWN, times=2)
            rig.system.plan("cancel", ToyFault.CRASH)
            await rig.after(70.0)
            assert rig.live() == 0
            assert [component for component, _ in rig.log.troubles] == ["sweep"] * 2

    run(play())


def test_a_drain_ends_the_search() -> None:
    async def play() -> None:
        async with engine_rig(OFTEN) as rig:
            plant(rig)
            await rig.after(15.0)
            gate = rig.system.hold("list")
            await gate.reached.wait()
            assert await rig.engine.drain(deadline_s=1.0)
            calls = dict(rig.system.calls)
            await rig.after(20.0)
            gate.open()
            await rig.after(60.0)
            assert rig.system.calls == calls | {"list": calls["list"] + 1}

    run(play())


def test_what_ended_long_ago_is_forgotten() -> None:
    async def play() -> None:
        options = EngineOptions(
            sweep_every_s=1e6, keep_ended_s=100.0, keep_changes_s=50.0, purge_every_s=10.0
        )
        async with engine_rig(options) as rig:
            await rig.create("one")
            await rig.create("lasts", duration_s=ENDLESS)
            ended = await rig.until("one")
            await rig.after(90.0)
            assert await rig.phase("one") is Phase.SUCCEEDED
            await rig.after(25.0)
            assert await rig.store.get([ended.name]) == [None]
            assert await rig.phase("lasts") is Phase.RUNNING
            again = await rig.create("one")
            assert again.execution.uid != ended.execution.uid
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED

    run(play())


def test_a_watcher_is_woken_by_what_is_newer() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            newer_than = rig.engine.executions.newer_than
            waiting = asyncio.ensure_future(newer_than(0))
            left = asyncio.ensure_future(newer_than(0))
            await rig.after(1.0)
            assert not waiting.done()
            left.cancel()
            await rig.engine.executions.create([draft_of("one", duration_s=ENDLESS)])
            seq = await waiting
            assert seq >= 1
            assert await newer_than(0) >= seq
            await rig.restart()
            assert await rig.engine.executions.newer_than(seq - 1) >= seq

    run(play())


@pytest.mark.parametrize("crash", [False, True])
def test_an_orphan_is_waited_for_again_after_a_restart(crash: bool) -> None:
    async def play() -> None:
        async with engine_rig(OFTEN) as rig:
            plant(rig)
            await rig.after(22.0)
            if crash:
                await rig.restart()
            await rig.after(20.0)
            assert rig.live() == (1 if crash else 0)
            await rig.after(20.0)
            assert rig.live() == 0

    run(play())


def test_a_search_that_fails_is_told_once_until_its_reason_changes() -> None:
    async def play() -> None:
        async with engine_rig(OFTEN) as rig:
            await rig.after(1.0)
            rig.system.plan("list", ToyFault.DOWN, times=20)
            await rig.after(200.0)
            assert rig.log.troubles == [("sweep", "not now")]
            rig.system.plan("list", ToyFault.CRASH)
            rig.system.plan("list", ToyFault.DOWN)
            await rig.after(30.0)
            assert len(rig.log.troubles) == 3
            assert rig.count("list") > 20

    run(play())
