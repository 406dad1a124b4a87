"""An outage of the remote system: it is called no more than to see whether it is back, and nothing is lost."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from propwash.core.model import OutcomeKind, Phase, Policy
from propwash.engine.options import EngineOptions
from propwash.handlers.connections import ConfiguredConnection
from propwash.ports import NotAccepting
from propwash.sdk import Connection
from propwash.sdk.testing import ToyFault
from tests.engine.breaker_rig import (
    LONGEST_S,
    RARE,
    Apart,
    OneByOne,
    Stubborn,
    break_down,
    calls_between,
    closed_at,
    create_many,
    is_out,
    opened_at,
)
from tests.engine.engine_rig import draft_of, engine_rig
from tests.engine.virtual_time import run


def test_an_outage_is_met_with_one_probe_at_a_time_and_nothing_is_lost() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            names = await break_down(rig, duration_s=300.0)
            began_at = rig.clock.now()
            names += await create_many(rig, 20, first=20, duration_s=5.0)
            await rig.after(1000.0)
            probes = calls_between(rig, began_at + 0.3, rig.clock.now())
            gaps = [later - earlier for earlier, later in itertools.pairwise(probes)]
            # 5 s at first, doubled up to the longest, with jitter down to the half.
            assert gaps[0] >= 2.5
            assert all(LONGEST_S / 2 - 0.1 <= gap <= LONGEST_S + 0.5 for gap in gaps[4:])
            assert len(probes) <= 1000.0 / (LONGEST_S / 2) + 6
            assert {await rig.phase(name) for name in names} == {Phase.RUNNING, Phase.INITIALIZING}
            is_out(rig, out=False)
            ended_at = rig.clock.now()
            for name in names:
                assert await rig.outcome(name) is OutcomeKind.SUCCEEDED
            (closed,) = closed_at(rig)
            assert closed - ended_at <= LONGEST_S + 0.5
            assert len(rig.system.ledger()) == len({job.name for job in rig.system.ledger()}) == 40

    run(play())


def test_an_abort_is_recorded_at_once_and_its_delete_is_the_first_to_go() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            names = await break_down(rig)
            waiting = await create_many(rig, 20, first=20)
            await rig.after(40.0)
            for name in names[:5]:
                record = await rig.abort(name)
                assert record is not None
                assert record.execution.phase is Phase.CLEANING_UP
            # What was never sent has nothing to clean up.
            states = {name: (await rig.read(name)).execution.state for name in waiting}
            untried = [name for name, state in states.items() if state.trouble is None]  # type: ignore[union-attr]
            assert len(untried) > 10
            await rig.abort(untried[0])
            await rig.after(0.1)
            assert await rig.phase(untried[0]) is Phase.ABORTED
            assert closed_at(rig) == []
            is_out(rig, out=False)
            back_at = rig.clock.now()
            for name in names[:5]:
                assert await rig.outcome(name) is OutcomeKind.ABORTED
            after = [method for at, method, code in rig.log.calls if at > back_at and method != "get"]
            first = after.index("delete")
            assert first <= 1
            assert after[first : first + 5] == ["delete"] * 5

    run(play())


def test_deadlines_are_recorded_while_it_is_open() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            await break_down(rig)
            await rig.create("late", policy=Policy(run_deadline_s=60.0))
            began_at = rig.clock.now()
            await rig.until("late", Phase.CLEANING_UP, Phase.TIMED_OUT)
            assert rig.clock.now() - began_at == pytest.approx(60.0, abs=1.0)
            assert closed_at(rig) == []

    run(play())


def test_a_create_in_doubt_is_looked_up_when_the_system_is_back() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            rig.system.plan("submit", ToyFault.LOSE_ANSWER, times=10)
            for operation in ("lookup", "describe"):
                rig.system.plan(operation, ToyFault.DOWN, times=60)
            names = await create_many(rig, 10)
            while not opened_at(rig):
                await rig.after(0.25)
            assert len(rig.system.ledger()) == 10
            for name in names:
                await rig.until(name, Phase.RUNNING, within_s=3000.0)
            assert len(rig.system.ledger()) == 10

    run(play())


def test_a_restart_starts_closed() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            names = await break_down(rig)
            await rig.after(300.0)
            is_out(rig, out=False)
            await rig.restart()
            await rig.after(1.0)
            codes = [code for at, _, code in rig.log.calls if at > rig.clock.now() - 1.0]
            assert set(codes) == {"OK"}
            assert {await rig.phase(name) for name in names} == {Phase.RUNNING}

    run(play())


def test_a_drain_does_not_wait_for_it() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            await break_down(rig)
            await rig.after(100.0)
            began_at = rig.clock.now()
            assert await rig.engine.drain(deadline_s=20.0)
            assert rig.clock.now() - began_at < 1.0
            calls = len(rig.log.calls)
            await rig.after(200.0)
            assert len(rig.log.calls) == calls

    run(play())


def test_every_kind_of_call_takes_its_turn_as_the_probe() -> None:
    async def play() -> None:
        async with engine_rig(EngineOptions(sweep_every_s=60.0)) as rig:
            names = await break_down(rig)
            await create_many(rig, 5, first=20)
            for name in names[:5]:
                await rig.abort(name)
            began_at = rig.clock.now()
            await rig.after(600.0)
            probes = [method for at, method, _ in rig.log.calls if at > began_at]
            assert set(probes) == {"delete", "find", "create", "get", "list"}
            # The list, which is about no job of its own, is asked for whenever a sweep is due.
            assert probes.count("list") >= 5

    run(play())


def test_another_connection_is_called_and_swept_as_ever() -> None:
    async def play() -> None:
        configured = [
            ConfiguredConnection(plugin="toys", connection=Connection(name=name), is_default=name == "toys")
            for name in ("toys", "other")
        ]
        options = EngineOptions(sweep_every_s=10.0)
        async with engine_rig(options, connections=configured, handler=Apart) as rig:
            await break_down(rig, count=20)
            await rig.after(1000.0)
            assert len(rig.log.sweeps) >= 95
            good = [at for at, method, code in rig.log.calls if (method, code) == ("list", "OK")]
            assert 95 <= len(good) <= 110

    run(play())


def test_jobs_that_fail_for_reasons_of_their_own_hold_no_other_up_for_long() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=60.0)
        async with engine_rig(options, handler=Stubborn) as rig:
            bad = await create_many(rig, 30, duration_s=13.0)
            while not opened_at(rig):
                await rig.after(0.5)
            for name in bad[:15]:
                await rig.abort(name)
            opened = opened_at(rig)[-1]
            await rig.create("good", duration_s=1.0)
            ended = await rig.until("good", within_s=200.0)
            assert ended.execution.phase is Phase.SUCCEEDED
            assert rig.clock.now() - opened < 200.0

    run(play())


def test_a_handler_without_batches_is_probed_with_one_job() -> None:
    async def play() -> None:
        async with engine_rig(RARE, handler=OneByOne) as rig:
            await break_down(rig)
            began_at = rig.clock.now()
            await rig.after(300.0)
            at = calls_between(rig, began_at + 0.3, rig.clock.now())
            assert len(at) == len(set(at)) <= 300.0 / (LONGEST_S / 2) + 6

    run(play())


def test_a_dry_run_is_told_of_it() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            await break_down(rig)
            with pytest.raises(
                NotAccepting, match="has not answered for a while: KEY_REFUSED: the key is wrong"
            ):
                await asyncio.wait_for(rig.engine.executions.validate(draft_of("v")), 1.0)

    run(play())
