"""A store that cannot commit, another writer, a drain and a stop."""

from __future__ import annotations

import asyncio

import pytest

from propwash.core.model import OutcomeKind, Phase, Policy
from propwash.engine.options import EngineOptions, RateLimit
from propwash.engine.reconciler import Fenced
from propwash.engine.supervision import TaskDied
from propwash.ports import NotAccepting
from propwash.sdk.testing import ToyFault
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig
from tests.engine.virtual_time import run


def accepts(rig: EngineRig) -> bool:
    return rig.engine.executions.is_accepting


def test_nothing_is_acted_upon_while_the_store_takes_no_commits() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await rig.create("one", pool="p", duration_s=3.0)
            await rig.create("two", pool="p")
            await rig.after(1.5)
            rig.store.fail_next(8)
            creating = asyncio.ensure_future(rig.create("three"))
            await rig.after(5.0)
            assert not accepts(rig)
            assert not creating.done()
            with pytest.raises(NotAccepting):
                await rig.create("four")
            with pytest.raises(NotAccepting):
                await rig.abort("two")
            assert rig.count("submit") == 1
            await rig.after(60.0)
            assert len(rig.log.failures) == 8
            assert accepts(rig)
            await creating
            for name in ("one", "two", "three"):
                assert await rig.outcome(name) is OutcomeKind.SUCCEEDED
            assert rig.count("submit") == 3

    run(play())


def test_an_instant_that_goes_by_during_an_outage_is_not_lost() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            rig.system.plan("submit", ToyFault.THROTTLE)
            await rig.create("one")
            rig.store.fail_next(10)
            await rig.after(60.0)
            assert await rig.outcome("one", within_s=1.0) is OutcomeKind.SUCCEEDED

    run(play())


def test_a_create_whose_caller_has_left_is_carried_out() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            rig.store.fail_next(3)
            draft = draft_of("one", request_id="r")
            creating = asyncio.ensure_future(rig.engine.executions.create([draft]))
            await rig.after(0.5)
            creating.cancel()
            await rig.after(30.0)
            assert await rig.phase("one") is Phase.SUCCEEDED
            (again,) = await rig.engine.executions.create([draft])
            assert again.execution.phase is Phase.SUCCEEDED
            assert rig.count("submit") == 1

    run(play())


def test_another_writer_ends_the_engine() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await rig.create("one", duration_s=2.0)
            await rig.until("one", Phase.RUNNING)
            failing = asyncio.ensure_future(rig.engine.failed())
            rig.store = rig.store.crash()
            with pytest.raises(TaskDied) as raised:
                await failing
            assert isinstance(raised.value.__cause__, Fenced)
            await rig.engine.stop()
            await rig.start()
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED
            assert len(rig.system.ledger()) == 1

    run(play())


def test_a_create_is_refused_when_another_writer_is_there() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            rig.store = rig.store.crash()
            with pytest.raises(NotAccepting):
                await rig.create("one")
            assert rig.count("submit") == 0

    run(play())


def test_a_drain_finishes_what_is_in_flight_and_starts_nothing() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=1e6, concurrency=1)
        async with engine_rig(options) as rig:
            await rig.create("runs", duration_s=ENDLESS)
            await rig.until("runs", Phase.RUNNING)
            gate = rig.system.hold("submit")
            await rig.create("in-flight", duration_s=ENDLESS)
            await rig.create("queued", duration_s=5.0)
            await gate.reached.wait()
            draining = asyncio.ensure_future(rig.engine.drain(deadline_s=10.0))
            await rig.after(1.0)
            assert not draining.done()
            assert not accepts(rig)
            with pytest.raises(NotAccepting):
                await rig.create("late")
            gate.open()
            assert await draining
            assert await rig.phase("in-flight") is Phase.RUNNING
            assert await rig.phase("queued") is Phase.INITIALIZING
            before = dict(rig.system.calls)
            await rig.after(30.0)
            assert rig.system.calls == before
            assert rig.live() == 2
            await rig.restart()
            assert await rig.outcome("queued") is OutcomeKind.SUCCEEDED
            assert len(rig.system.ledger()) == 3
            for name in ("runs", "in-flight"):
                assert await rig.phase(name) is Phase.RUNNING

    run(play())


def test_a_drain_past_its_deadline_says_so() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            gate = rig.system.hold("submit")
            await rig.create("one")
            await gate.reached.wait()
            began_at = rig.clock.now()
            assert not await rig.engine.drain(deadline_s=5.0)
            assert rig.clock.now() - began_at == pytest.approx(5.0, abs=0.1)
            gate.open()
            await rig.restart()
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED
            assert len(rig.system.ledger()) == 1

    run(play())


def test_a_stop_without_a_drain_sends_nothing_more() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=1e6, concurrency=1, writes=RateLimit(rate=100, burst=100))
        async with engine_rig(options) as rig:
            gate = rig.system.hold("submit")
            names = [f"e{number}" for number in range(5)]
            for name in names:
                await rig.create(name)
            await gate.reached.wait()
            await rig.engine.stop()
            gate.open()
            await rig.after(10.0)
            assert rig.count("submit") == 0
            rig.store = rig.store.crash()
            await rig.start()
            for name in names:
                assert await rig.outcome(name) is OutcomeKind.SUCCEEDED
            assert len(rig.system.ledger()) == 5

    run(play())


def test_those_who_wait_for_a_commit_are_told_of_the_stop() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await rig.create("one", duration_s=ENDLESS)
            rig.store.fail_next(1000)
            creating = asyncio.ensure_future(rig.create("two"))
            aborting = asyncio.ensure_future(rig.abort("one"))
            await rig.after(1.0)
            assert not await rig.engine.drain(deadline_s=1.0)
            await rig.engine.stop()
            for waiting in (creating, aborting):
                with pytest.raises(NotAccepting):
                    await waiting

    run(play())


def test_after_a_drain_nothing_is_committed_whatever_falls_due() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            rig.system.plan("submit", ToyFault.THROTTLE, retry_after_s=5.0)
            await rig.create("throttled")
            await rig.create("lasts", duration_s=ENDLESS, policy=Policy(run_deadline_s=20.0))
            await rig.after(1.0)
            assert await rig.engine.drain(deadline_s=5.0)
            commits = len(rig.log.commits)
            await rig.after(60.0)
            assert len(rig.log.commits) == commits
            await rig.restart()
            assert await rig.outcome("throttled") is OutcomeKind.SUCCEEDED
            assert await rig.outcome("lasts") is OutcomeKind.TIMED_OUT
            assert rig.live() == 0

    run(play())
