"""A system that tells of a job by its meta alone: what is in doubt is never made twice, and what was never sent is not
in doubt.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from propwash.core.model import Done, OutcomeKind, Phase, Policy, Traits
from propwash.engine.options import EngineOptions
from propwash.sdk.testing import ToyFault
from tests.engine.engine_rig import ENDLESS, EngineRig, engine_rig
from tests.engine.virtual_time import run

ALONE = Traits(settle_s=5.0, poll_floor_s=1.0, has_unique_names=False, can_look_up=False)
REPEATING = Traits(settle_s=5.0, poll_floor_s=1.0, can_look_up=False)
ONE_AT_A_TIME = EngineOptions(sweep_every_s=1e6, concurrency=1)


async def ending(rig: EngineRig, name: str) -> tuple[OutcomeKind, str, bool]:
    state = (await rig.until(name)).execution.state
    assert isinstance(state, Done)
    return state.outcome.kind, state.outcome.reason, state.outcome.is_retryable


def test_a_lost_answer_ends_the_attempt_and_its_job_is_not_made_again() -> None:
    async def play() -> None:
        async with engine_rig(traits=ALONE, p=1) as rig:
            rig.system.plan("submit", ToyFault.LOSE_ANSWER)
            await rig.create("one", pool="p", duration_s=30.0)
            assert await ending(rig, "one") == (OutcomeKind.FAILED, "CREATE_IN_DOUBT", True)
            assert len(rig.system.ledger()) == 1
            assert rig.count("lookup") == rig.count("cancel") == 0
            # The pool is free again.
            await rig.create("two", pool="p")
            assert await rig.outcome("two") is OutcomeKind.SUCCEEDED

    run(play())


def test_the_user_s_attempts_decide_whether_there_is_another() -> None:
    async def play() -> None:
        async with engine_rig(traits=ALONE) as rig:
            rig.system.plan("submit", ToyFault.LOSE_ANSWER)
            await rig.create("one", policy=Policy(max_attempts=2))
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED
            (failure,) = (await rig.read("one")).execution.failures
            assert (failure.attempt, failure.reason) == (1, "CREATE_IN_DOUBT")
            assert len({job.name for job in rig.system.ledger()}) == 2

    run(play())


def test_with_unique_names_a_lost_answer_is_asked_for_again() -> None:
    async def play() -> None:
        async with engine_rig(traits=REPEATING) as rig:
            rig.system.plan("submit", ToyFault.LOSE_ANSWER, times=2)
            await rig.create("one", duration_s=30.0)
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED
            assert len(rig.system.ledger()) == 1

    run(play())


@pytest.mark.parametrize(("traits", "jobs"), [(ALONE, "CREATE_IN_DOUBT"), (REPEATING, "")])
def test_a_crash_doubts_only_what_was_in_flight(traits: Traits, jobs: str) -> None:
    async def play() -> None:
        async with engine_rig(traits=traits) as rig:
            rig.system.plan("submit", ToyFault.LOSE_ANSWER)
            await rig.create("one", duration_s=30.0)
            await rig.after(0.0)
            gate = rig.system.hold("submit")
            await rig.create("two", duration_s=30.0)
            await gate.reached.wait()
            await rig.restart()
            gate.open()
            _, reason, _ = await ending(rig, "two")
            assert reason == jobs

    run(play())


def test_a_drain_takes_back_what_was_not_sent() -> None:
    async def play() -> None:
        async with engine_rig(ONE_AT_A_TIME, traits=ALONE) as rig:
            gate = rig.system.hold("submit")
            for number in range(5):
                await rig.create(f"e{number}", duration_s=5.0)
            await gate.reached.wait()
            draining = asyncio.ensure_future(rig.engine.drain(deadline_s=10.0))
            await rig.after(1.0)
            gate.open()
            assert await draining
            await rig.restart()
            ends: list[Any] = [await rig.outcome(f"e{number}") for number in range(5)]
            assert ends == [OutcomeKind.SUCCEEDED] * 5
            assert len(rig.system.ledger()) == 5

    run(play())


def test_a_create_that_a_freed_pool_lets_in_during_a_drain_is_not_in_doubt_either() -> None:
    async def play() -> None:
        async with engine_rig(traits=ALONE, p=1) as rig:
            await rig.create("first", pool="p", duration_s=ENDLESS)
            await rig.until("first", Phase.RUNNING)
            await rig.create("second", pool="p")
            gate = rig.system.hold("cancel")
            await rig.abort("first")
            await gate.reached.wait()
            draining = asyncio.ensure_future(rig.engine.drain(deadline_s=10.0))
            await rig.after(0.5)
            gate.open()
            assert await draining
            await rig.restart()
            assert await rig.outcome("second") is OutcomeKind.SUCCEEDED
            assert len(rig.system.ledger()) == 2

    run(play())
