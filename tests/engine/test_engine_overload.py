"""New work is turned away while the engine is behind with what it has, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from propwash.core.overload import Measure, OverloadLimits
from propwash.engine.options import EngineOptions
from propwash.ports import AdoptedJob, HeldBy, NotAccepting, Overloaded
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig
from tests.engine.test_engine_admission import slow_commits
from tests.engine.virtual_time import VirtualLoop, run


def late(seconds: float) -> None:
    """The loop does nothing for so long."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop._jumping.skipped_s += seconds


async def block(rig: EngineRig, times: Sequence[float]) -> None:
    for seconds in times:
        late(seconds)
        await rig.after(1.0)


def test_a_late_loop_turns_new_work_away_until_it_is_in_time_again() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await rig.create("a", duration_s=ENDLESS)
            await block(rig, [3.0, 3.0, 3.0])
            with pytest.raises(Overloaded) as raised:
                await rig.create("b")
            assert (raised.value.measure, raised.value.limit) == (Measure.LOOP_LAG, 1.0)
            assert 1.0 <= raised.value.retry_after_s < 2.0
            with pytest.raises(Overloaded):
                await rig.engine.executions.validate(draft_of("b"))
            assert await rig.abort("a") is not None
            assert rig.engine.executions.is_accepting
            await rig.after(10.0)
            await rig.create("b")
            assert [measure for _, measure in rig.log.overloads] == [Measure.LOOP_LAG, None]
            assert rig.log.refusals == [("SERVER_OVERLOADED", 1), ("SERVER_OVERLOADED", 1)]

    run(play())


def test_one_late_turn_turns_nothing_away() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await block(rig, [1.9])
            await rig.create("a")

    run(play())


def overloaded_by(**values: float) -> EngineOptions:
    return EngineOptions(sweep_every_s=1e6, overload=OverloadLimits(**values))  # type: ignore[arg-type]


def test_a_commit_that_takes_long_turns_new_work_away() -> None:
    async def play() -> None:
        async with engine_rig(overloaded_by(backlog_s=5.0)) as rig:
            slow_commits(rig, 8.0)
            first = asyncio.ensure_future(rig.create("a"))
            await rig.after(4.0)
            second = asyncio.ensure_future(rig.create("b"))
            await rig.after(2.0)
            with pytest.raises(Overloaded) as raised:
                await rig.create("c")
            assert raised.value.measure is Measure.COMMIT_AGE
            # What adopts is in already, elsewhere.
            adopted = replace(draft_of("d"), held_by=HeldBy.NOTHING, adopts=AdoptedJob(meta=b"m"))
            third = asyncio.ensure_future(rig.engine.executions.create([adopted]))
            await asyncio.gather(first, second, third)
            slow_commits(rig, 0.0)
            await rig.after(1.0)
            await rig.create("c")

    run(play())


def test_too_many_changes_that_wait_for_their_commit_turn_new_work_away() -> None:
    async def play() -> None:
        async with engine_rig(overloaded_by(backlog=10)) as rig:
            slow_commits(rig, 2.0)
            creating = [
                asyncio.ensure_future(rig.engine.executions.create([draft_of(f"{b}-{n}") for n in range(5)]))
                for b in "abc"
            ]
            await rig.after(0.1)
            with pytest.raises(Overloaded) as raised:
                await rig.create("d")
            assert (raised.value.measure, raised.value.value) == (Measure.COMMIT_BACKLOG, 15)
            await asyncio.wait(creating)
            slow_commits(rig, 0.0)
            await rig.after(5.0)
            assert rig.engine._journal.backlog == 0
            assert rig.engine._journal.oldest_at is None
            await rig.create("d")

    run(play())


def test_a_store_that_is_away_is_no_overload() -> None:
    async def play() -> None:
        async with engine_rig(overloaded_by(backlog_s=1.0)) as rig:
            rig.store.fail_next(20)
            creating = asyncio.ensure_future(rig.create("a"))
            await rig.after(10.0)
            with pytest.raises(NotAccepting) as raised:
                await rig.create("b")
            assert not isinstance(raised.value, Overloaded)
            await creating

    run(play())


def test_who_gives_up_waiting_for_a_store_leaves_nothing_in_the_journal() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            rig.store.fail_next(10)
            creating = asyncio.ensure_future(rig.create("a"))
            await rig.after(0.1)
            for _ in range(200):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await rig.abort("a")
            assert rig.engine._journal._waiting == []
            assert rig.engine._journal._late == set()
            await creating
            assert await rig.abort("a") is not None

    run(play())
