"""What opens the breaker of a connection, and what does not."""

from __future__ import annotations

import pytest

from propwash.core.model import Phase
from propwash.engine.options import EngineOptions
from propwash.sdk.testing import ToyFault
from tests.engine.breaker_rig import (
    LONGEST_S,
    RARE,
    Flaky,
    Listless,
    Partly,
    closed_at,
    create_many,
    is_out,
    opened_at,
)
from tests.engine.engine_rig import ENDLESS, engine_rig
from tests.engine.virtual_time import run


def test_it_takes_its_time_to_open() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            names = await create_many(rig, 20)
            for name in names:
                await rig.until(name, Phase.RUNNING)
            is_out(rig, out=True)
            await rig.after(9.0)
            is_out(rig, out=False)
            await rig.after(100.0)
            assert rig.log.breakers == []

    run(play())


@pytest.mark.parametrize("fault", [ToyFault.THROTTLE, ToyFault.REFUSE, ToyFault.CRASH])
def test_what_is_answered_and_what_is_our_own_error_never_opens_it(fault: ToyFault) -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            for operation in ("submit", "describe", "lookup", "cancel", "list"):
                rig.system.plan(operation, fault, times=10_000)
            await create_many(rig, 20)
            await rig.after(100.0)
            assert rig.log.breakers == []
            assert len(rig.log.calls) >= 20

    run(play())


def test_half_of_all_calls_may_fail() -> None:
    async def play() -> None:
        system = Flaky()
        async with engine_rig(RARE, system=system) as rig:
            await create_many(rig, 20, duration_s=100.0)
            await rig.after(120.0)
            bad = [code for _, _, code in rig.log.calls if code != "OK"]
            assert len(bad) > 0.4 * len(rig.log.calls)
            assert rig.log.breakers == []

    run(play())


def test_one_execution_by_itself_does_not_open_it() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            await rig.create("one", duration_s=ENDLESS)
            await rig.until("one", Phase.RUNNING)
            is_out(rig, out=True)
            await rig.after(3600.0)
            assert rig.log.breakers == []

    run(play())


def test_calls_that_hang_count_as_unanswered() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            names = await create_many(rig, 5)
            for name in names:
                await rig.until(name, Phase.RUNNING)
            gates = [rig.system.hold(operation) for operation in ("describe", "lookup", "submit")]
            while not opened_at(rig):
                await rig.after(1.0)
            assert {code for _, _, code in rig.log.calls} == {"OK", "UNAVAILABLE:DEADLINE_EXCEEDED"}
            for gate in gates:
                gate.open()
            await rig.after(LONGEST_S + 1.0)
            assert closed_at(rig)

    run(play())


def test_a_batch_of_which_some_is_answered_is_an_answer() -> None:
    async def play() -> None:
        async with engine_rig(RARE, handler=Partly) as rig:
            names = await create_many(rig, 10)
            for name in names:
                await rig.until(name, Phase.RUNNING)
            await rig.after(300.0)
            assert rig.log.breakers == []

    run(play())


def test_a_list_that_is_not_offered_says_nothing() -> None:
    async def play() -> None:
        async with engine_rig(EngineOptions(sweep_every_s=5.0), handler=Listless) as rig:
            await create_many(rig, 3)
            await rig.after(120.0)
            assert rig.log.breakers == []

    run(play())
