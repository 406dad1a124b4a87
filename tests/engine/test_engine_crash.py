"""A crash between any two steps: one remote job for each attempt, an end for each execution, nothing left live."""

from __future__ import annotations

import asyncio

import pytest

from propwash.core.model import OutcomeKind, Phase, Policy, Traits
from propwash.ports import NotAccepting
from propwash.sdk.testing import ToyFault
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig, execution_name
from tests.engine.virtual_time import run


async def at_rest(rig: EngineRig, *names: str, jobs: int) -> None:
    for name in names:
        await rig.until(name)
    rig.check()
    assert rig.live() == 0
    assert len(rig.system.ledger()) == jobs
    assert len({job.name for job in rig.system.ledger()}) == jobs
    await rig.after(2.0)
    assert all(view.occupied == 0 and view.waiting == 0 for view in rig.log.views.values())


async def held() -> None:
    await asyncio.Event().wait()


def test_before_the_commit_nothing_has_happened() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            rig.store.before_commit = held
            creating = asyncio.ensure_future(rig.create("one", pool="p"))
            await rig.after(1.0)
            await rig.restart()
            with pytest.raises(NotAccepting):
                await creating
            assert await rig.store.get([execution_name("one")]) == [None]
            await rig.create("two", pool="p")
            await at_rest(rig, "two", jobs=1)

    run(play())


def test_after_the_commit_and_before_its_answer() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            rig.store.after_commit = held
            draft = draft_of("one", request_id="r")
            creating = asyncio.ensure_future(rig.engine.executions.create([draft]))
            await rig.after(1.0)
            assert rig.count("submit") == 0
            await rig.restart()
            with pytest.raises(NotAccepting):
                await creating
            await rig.engine.executions.create([draft])
            await at_rest(rig, "one", jobs=1)

    run(play())


@pytest.mark.parametrize("has_unique_names", [True, False])
@pytest.mark.parametrize("is_applied", [True, False])
def test_while_the_create_is_in_flight(has_unique_names: bool, is_applied: bool) -> None:
    async def play() -> None:
        async with engine_rig(traits=Traits(settle_s=5.0, has_unique_names=has_unique_names), p=1) as rig:
            if is_applied:
                rig.system.plan("submit", ToyFault.LOSE_ANSWER)
                await rig.create("one", pool="p", duration_s=30.0)
                await rig.after(0.1)
            else:
                gate = rig.system.hold("submit")
                await rig.create("one", pool="p", duration_s=30.0)
                await gate.reached.wait()
                gate.open()
            await rig.restart()
            await at_rest(rig, "one", jobs=1)
            assert await rig.phase("one") is Phase.SUCCEEDED

    run(play())


def test_while_running() -> None:
    async def play() -> None:
        async with engine_rig(p=3) as rig:
            names = ("one", "two", "three", "four")
            for name in names:
                await rig.create(name, pool="p", duration_s=20.0)
            await rig.after(10.0)
            await rig.restart()
            assert await rig.phase("four") is Phase.WAITING_FOR_RESOURCES
            await rig.after(1.5)
            assert rig.log.units("p") == (3, 3, 1)
            await at_rest(rig, *names, jobs=4)

    run(play())


def test_while_deleting() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await rig.create("one", pool="p", duration_s=ENDLESS)
            await rig.until("one", Phase.RUNNING)
            gate = rig.system.hold("cancel")
            await rig.abort("one")
            await gate.reached.wait()
            gate.open()
            await rig.restart()
            await at_rest(rig, "one", jobs=1)
            assert await rig.phase("one") is Phase.ABORTED

    run(play())


def test_an_abort_of_a_create_in_doubt_survives() -> None:
    async def play() -> None:
        async with engine_rig(traits=Traits(settle_s=20.0)) as rig:
            rig.system.plan("submit", ToyFault.LATE, late_s=15.0)
            await rig.create("one", duration_s=ENDLESS)
            await rig.after(0.1)
            await rig.abort("one")
            await rig.restart()
            await at_rest(rig, "one", jobs=1)
            assert await rig.phase("one") is Phase.ABORTED

    run(play())


def test_what_was_due_while_nobody_was_there_is_done() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await rig.create("again", policy=Policy(max_attempts=2), ending="fail_retryable")
            await rig.until("again", Phase.QUEUED)
            rig.system.plan("submit", ToyFault.THROTTLE)
            await rig.create("throttled")
            await rig.create("holder", pool="p", duration_s=200.0)
            await rig.create("waits", pool="p", policy=Policy(wait_deadline_s=30.0))
            await rig.create("runs", policy=Policy(run_deadline_s=30.0), duration_s=ENDLESS)
            await rig.create("lasts", policy=Policy(total_deadline_s=30.0), duration_s=ENDLESS)
            await rig.after(0.2)
            await rig.crash()
            await rig.after(100.0)
            await rig.start()
            await rig.after(10.0)
            assert await rig.phase("again") is Phase.FAILED
            assert await rig.phase("throttled") is Phase.SUCCEEDED
            for name in ("waits", "runs", "lasts"):
                assert await rig.phase(name) is Phase.TIMED_OUT
            await at_rest(rig, "holder", jobs=6)

    run(play())


def test_ten_crashes_in_a_row() -> None:
    async def play() -> None:
        async with engine_rig(p=2) as rig:
            names = [f"e{number}" for number in range(8)]
            for name in names:
                await rig.create(name, pool="p", duration_s=3.0)
            for crash in range(10):
                await rig.after(0.3 + 0.37 * crash)
                if crash % 3 == 0:
                    rig.system.plan("submit", ToyFault.LOSE_ANSWER)
                await rig.restart()
                assert rig.live() <= 2
            await at_rest(rig, *names, jobs=8)
            for name in names:
                assert await rig.outcome(name) is OutcomeKind.SUCCEEDED

    run(play())
