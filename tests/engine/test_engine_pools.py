"""Pools: never over capacity, first come first served, a freed token is handed on in the commit that frees it."""

from __future__ import annotations

from propwash.core.model import OutcomeKind, Phase, Policy
from propwash.ports import Scope
from propwash.sdk.testing import ToyFault, ToyState
from tests.engine.engine_rig import ENDLESS, EngineRig, engine_rig
from tests.engine.virtual_time import run


async def fill(rig: EngineRig, count: int, *, duration_s: float = 2.0) -> list[str]:
    names = [f"e{number}" for number in range(count)]
    for name in names:
        await rig.create(name, pool="p", duration_s=duration_s)
    return names


def granted(rig: EngineRig) -> list[str]:
    return [step.name for step in rig.log.steps if step.event == "Granted"]


async def changes_of(rig: EngineRig) -> list[tuple[str, Phase]]:
    page = await rig.store.read_changes(Scope(), after=0, limit=100)
    return [(change.record.name.execution, change.record.execution.phase) for change in page.changes]


def test_never_over_capacity_and_in_order() -> None:
    async def play() -> None:
        async with engine_rig(p=2) as rig:
            rig.system.plan("submit", ToyFault.LOSE_ANSWER)
            names = await fill(rig, 6)
            most = 0
            while True:
                phases = [await rig.phase(name) for name in names]
                if all(phase.is_terminal for phase in phases):
                    break
                holding = [p for p in phases if p in (Phase.INITIALIZING, Phase.RUNNING, Phase.CLEANING_UP)]
                assert rig.live() <= len(holding) <= 2
                most = max(most, len(holding))
                await rig.after(0.05)
            assert most == 2
            assert granted(rig) == ["e2", "e3", "e4", "e5"]
            jobs = rig.system.ledger()
            assert len(jobs) == 6
            assert all(job.state(rig.clock.now()) is ToyState.GOOD for job in jobs)

    run(play())


def test_a_freed_token_is_granted_in_the_same_commit() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            first, second = await fill(rig, 2)
            await rig.until(first)
            changes = await changes_of(rig)
            assert changes[changes.index((first, Phase.SUCCEEDED)) + 1] == (second, Phase.INITIALIZING)
            assert 2 in rig.log.commits

    run(play())


def test_an_abort_of_a_waiter_and_of_a_holder() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await fill(rig, 3, duration_s=ENDLESS)
            await rig.until("e0", Phase.RUNNING)
            await rig.abort("e1")
            assert await rig.phase("e1") is Phase.ABORTED
            assert await rig.phase("e2") is Phase.WAITING_FOR_RESOURCES
            rig.system.cancel_s = 10.0
            await rig.abort("e0")
            await rig.after(8.0)
            assert await rig.phase("e2") is Phase.WAITING_FOR_RESOURCES
            await rig.until("e2", Phase.RUNNING)
            assert rig.live() == 1
            assert len(rig.system.ledger()) == 2

    run(play())


def test_a_restart_keeps_holders_and_the_order_of_waiters() -> None:
    async def play() -> None:
        async with engine_rig(p=2) as rig:
            await rig.create("again", pool="p", policy=Policy(max_attempts=2), ending="fail_retryable")
            names = await fill(rig, 6, duration_s=10.0)
            await rig.after(8.0)
            assert (await rig.read("again")).execution.attempt == 2
            assert await rig.phase("again") is Phase.WAITING_FOR_RESOURCES
            await rig.restart()
            for name in (*names, "again"):
                await rig.until(name)
                assert rig.live() <= 2
            assert granted(rig) == ["e1", "e2", "e3", "e4", "e5", "again"]

    run(play())


def test_a_waiter_is_granted_when_the_holder_failed_to_start() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            rig.system.plan("submit", ToyFault.REFUSE)
            await fill(rig, 2)
            assert await rig.outcome("e0") is OutcomeKind.FAILED
            assert await rig.outcome("e1") is OutcomeKind.SUCCEEDED

    run(play())
