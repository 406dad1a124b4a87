"""An abort at any moment ends the execution, and nothing of it stays at the remote side."""

from __future__ import annotations

import asyncio

import pytest

from propwash.core.model import OutcomeKind, Phase, Traits
from propwash.engine.options import EngineOptions, RateLimit
from propwash.ports import AlreadyEnded, AlreadyExists, NoSuchExecution
from propwash.sdk.testing import ToyFault, ToySystem
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig, settled
from tests.engine.virtual_time import run

SLOW = EngineOptions(sweep_every_s=1e6, writes=RateLimit(rate=0.01, burst=1))


async def ends_aborted(rig: EngineRig, *names: str, within_s: float = 60.0) -> None:
    for name in names:
        assert await rig.outcome(name, within_s=within_s) is OutcomeKind.ABORTED
    assert rig.live() == 0


def test_while_it_waits_in_a_lane_it_is_never_sent() -> None:
    async def play() -> None:
        async with engine_rig(SLOW) as rig:
            await rig.create("first", duration_s=ENDLESS)
            await rig.create("second")
            await rig.after(1.0)
            await rig.abort("second")
            await ends_aborted_only(rig)
            assert (rig.count("submit"), rig.count("cancel"), rig.count("lookup")) == (1, 0, 0)

    async def ends_aborted_only(rig: EngineRig) -> None:
        assert await rig.outcome("second", within_s=1.0) is OutcomeKind.ABORTED

    run(play())


@pytest.mark.parametrize("ticks", range(6))
def test_at_once_after_the_create(ticks: int) -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            creating = asyncio.ensure_future(rig.create("one", duration_s=ENDLESS))
            for _ in range(ticks):
                await asyncio.sleep(0)
            try:
                record = await rig.abort("one")
            except NoSuchExecution:
                assert ticks == 0
                await creating
                record = await rig.abort("one")
            assert record is not None
            assert record.execution.phase in (Phase.CLEANING_UP, Phase.ABORTED)
            await rig.restart()
            await creating
            await ends_aborted(rig, "one")

    run(play())


def test_while_the_grant_is_being_committed() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await rig.create("holder", pool="p", duration_s=ENDLESS)
            await rig.create("one", pool="p", duration_s=ENDLESS)
            gate = asyncio.Event()

            async def wait() -> None:
                await gate.wait()

            await rig.after(1.0)
            rig.store.before_commit = wait
            rig.system.finish(rig.system.ledger()[0].name)
            await rig.after(4.0)
            aborting = asyncio.ensure_future(rig.abort("one"))
            await rig.after(1.0)
            rig.store.before_commit = None
            gate.set()
            await aborting
            await ends_aborted(rig, "one")
            assert await rig.phase("holder") is Phase.SUCCEEDED
            assert rig.count("submit") == 1

    run(play())


@pytest.mark.parametrize("has_unique_names", [True, False])
@pytest.mark.parametrize("held_s", [0.5, 10.0])
def test_during_a_create_that_is_answered_later(has_unique_names: bool, held_s: float) -> None:
    async def play() -> None:
        async with engine_rig(traits=Traits(settle_s=5.0, has_unique_names=has_unique_names)) as rig:
            gate = rig.system.hold("submit")
            await rig.create("one", duration_s=ENDLESS)
            await gate.reached.wait()
            record = await rig.abort("one")
            assert record is not None
            assert record.execution.phase is Phase.CLEANING_UP
            await rig.after(held_s)
            assert await rig.phase("one") is Phase.CLEANING_UP
            gate.open()
            await ends_aborted(rig, "one")
            assert len(rig.system.ledger()) == 1

    run(play())


def test_while_running_and_twice() -> None:
    async def play() -> None:
        async with engine_rig(system=ToySystem(cancel_s=20.0)) as rig:
            await rig.create("one", duration_s=ENDLESS)
            await rig.until("one", Phase.RUNNING)
            await asyncio.gather(*(rig.abort("one") for _ in range(3)))
            await rig.after(5.0)
            assert await rig.phase("one") is Phase.CLEANING_UP
            again = await rig.abort("one")
            assert again is not None
            assert again.execution.phase is Phase.CLEANING_UP
            await ends_aborted(rig, "one")
            late = await rig.abort("one")
            assert late is not None
            assert late.execution.phase is Phase.ABORTED
            assert len(rig.system.ledger()) == 1

    run(play())


def test_after_the_end_and_of_nothing() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await rig.create("one")
            await rig.until("one")
            with pytest.raises(AlreadyEnded) as raised:
                await rig.abort("one")
            assert raised.value.record == await rig.read("one")
            with pytest.raises(NoSuchExecution):
                await rig.abort("two")

    run(play())


def test_racing_the_end() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            gate = asyncio.Event()

            async def wait() -> None:
                await gate.wait()

            await rig.create("one", duration_s=3.0)
            await rig.after(1.5)
            rig.store.before_commit = wait
            await rig.after(6.0)
            aborting = asyncio.ensure_future(rig.abort("one"))
            await rig.after(1.0)
            assert not aborting.done()
            gate.set()
            with pytest.raises(AlreadyEnded):
                await aborting
            assert await rig.phase("one") is Phase.SUCCEEDED

    run(play())


def test_of_a_name_whose_second_create_is_refused_hurts_nobody() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await rig.create("one")
            await rig.until("one")
            creating = asyncio.ensure_future(rig.engine.executions.create([draft_of("one", duration_s=2.0)]))
            await settled()
            with pytest.raises(AlreadyEnded):
                await rig.abort("one")
            with pytest.raises(AlreadyExists):
                await creating
            await rig.create("two")
            assert await rig.outcome("two") is OutcomeKind.SUCCEEDED

    run(play())


def test_a_token_freed_while_a_refused_create_waits_for_it() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await rig.create("taken", pool="p")
            await rig.until("taken")
            await rig.create("holder", pool="p", duration_s=ENDLESS)
            await rig.until("holder", Phase.RUNNING)
            gate = asyncio.Event()

            async def wait() -> None:
                await gate.wait()

            creating = asyncio.ensure_future(rig.engine.executions.create([draft_of("taken", pool="p")]))
            next_one = asyncio.ensure_future(rig.create("next", pool="p"))
            rig.store.before_commit = wait
            await rig.after(0.5)
            rig.system.finish(rig.system.live_jobs()[0].name)
            await rig.after(20.0)
            gate.set()
            with pytest.raises(AlreadyExists):
                await creating
            await next_one
            assert await rig.outcome("next") is OutcomeKind.SUCCEEDED
            assert await rig.phase("holder") is Phase.SUCCEEDED

    run(play())


def test_a_late_create_is_deleted_too() -> None:
    async def play() -> None:
        async with engine_rig(traits=Traits(settle_s=30.0)) as rig:
            rig.system.plan("submit", ToyFault.LATE, late_s=20.0)
            await rig.create("one", duration_s=ENDLESS)
            await rig.after(0.5)
            await rig.abort("one")
            await rig.after(15.0)
            assert await rig.phase("one") is Phase.CLEANING_UP
            await ends_aborted(rig, "one")

    run(play())


def test_while_the_remote_system_is_down() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await rig.create("one", duration_s=ENDLESS)
            await rig.until("one", Phase.RUNNING)
            rig.system.plan("cancel", ToyFault.DOWN, times=6)
            rig.system.plan("cancel", ToyFault.THROTTLE, retry_after_s=7.0)
            rig.system.plan("cancel", ToyFault.LOSE_ANSWER)
            await rig.abort("one")
            await ends_aborted(rig, "one", within_s=200.0)
            assert rig.count("cancel") >= 9

    run(play())


def test_a_look_up_that_waits_in_a_lane_is_not_made() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=1e6, reads=RateLimit(rate=0.01, burst=1))
        async with engine_rig(options) as rig:
            rig.system.plan("submit", ToyFault.LOSE_ANSWER, times=2)
            await rig.create("one", duration_s=ENDLESS)
            await rig.after(5.0)
            await rig.create("two", duration_s=ENDLESS)
            await rig.after(5.0)
            await rig.abort("two")
            assert await rig.outcome("two", within_s=10.0) is OutcomeKind.ABORTED
            await rig.after(200.0)
            assert rig.codes("find") == ["OK"]
            assert rig.live() == 1

    run(play())
