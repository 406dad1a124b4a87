"""Answers that are not answers: they are retried without using up an attempt, and end nothing by themselves."""

from __future__ import annotations

import itertools

import pytest

from propwash.core.model import OutcomeKind, Phase, Policy, Traits
from propwash.engine.options import EngineOptions, RateLimit
from propwash.sdk.testing import ToyFault
from tests.engine.engine_rig import ENDLESS, engine_rig
from tests.engine.virtual_time import run


def test_a_throttled_create_is_sent_again_after_its_time() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            rig.system.plan("submit", ToyFault.THROTTLE, retry_after_s=30.0)
            began_at = rig.clock.now()
            await rig.create("one")
            await rig.after(0.1)
            await rig.create("two")
            await rig.after(29.0)
            assert rig.codes("create") == ["THROTTLED:TOO_MANY_CALLS"]
            for name in ("one", "two"):
                ended = await rig.until(name)
                assert (ended.execution.phase, ended.execution.attempt) == (Phase.SUCCEEDED, 1)
            sent_at = [at for at, method, code in rig.log.calls if (method, code) == ("create", "OK")]
            assert min(sent_at) >= began_at + 30.0
            assert rig.count("submit") == 3

    run(play())


def test_a_storm_of_throttling_slows_the_lane_and_it_recovers() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=1e6, writes=RateLimit(rate=10.0, burst=10.0))
        async with engine_rig(options) as rig:
            rig.system.plan("submit", ToyFault.THROTTLE, times=20)
            for number in range(30):
                await rig.create(f"e{number}")
            for number in range(30):
                assert await rig.outcome(f"e{number}") is OutcomeKind.SUCCEEDED
            at = [at for at, method, _ in rig.log.calls if method == "create"]
            assert len(at) == 50
            # Ten at once, and then the rest at half the rate or less: never more than the configured rate.
            for start in range(10, len(at) - 10):
                assert at[start + 10] - at[start] >= 0.99
            assert len({job.name for job in rig.system.ledger()}) == 30

    run(play())


@pytest.mark.parametrize("has_unique_names", [True, False])
@pytest.mark.parametrize("fault", [ToyFault.DOWN, ToyFault.LOSE_ANSWER, ToyFault.CRASH])
def test_a_create_in_doubt_makes_one_job(fault: ToyFault, has_unique_names: bool) -> None:
    async def play() -> None:
        async with engine_rig(traits=Traits(settle_s=5.0, has_unique_names=has_unique_names)) as rig:
            rig.system.plan("submit", fault)
            await rig.create("one", duration_s=30.0)
            ended = await rig.until("one")
            assert (ended.execution.phase, ended.execution.attempt) == (Phase.SUCCEEDED, 1)
            assert len(rig.system.ledger()) == 1

    run(play())


def test_many_faults_in_a_row_use_up_no_attempt() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            rig.system.plan("submit", ToyFault.DOWN, times=3)
            rig.system.plan("submit", ToyFault.THROTTLE, times=3)
            rig.system.plan("lookup", ToyFault.DOWN, times=2)
            rig.system.plan("lookup", ToyFault.CRASH, times=2)
            await rig.create("one")
            ended = await rig.until("one")
            assert (ended.execution.phase, ended.execution.attempt) == (Phase.SUCCEEDED, 1)
            assert len(rig.system.ledger()) == 1

    run(play())


def test_a_refusal_is_the_end() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            rig.system.plan("submit", ToyFault.REFUSE)
            await rig.create("one", policy=Policy(max_attempts=5))
            ended = await rig.until("one")
            assert ended.execution.phase is Phase.FAILED
            assert rig.count("submit") == 1
            assert len(rig.system.ledger()) == 0

    run(play())


def test_a_failure_that_may_pass_is_tried_again_after_the_cleanup() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await rig.create("one", policy=Policy(max_attempts=3), ending="fail_retryable", duration_s=2.0)
            ended = await rig.until("one")
            assert (ended.execution.phase, ended.execution.attempt) == (Phase.FAILED, 3)
            assert [failure.reason for failure in ended.execution.failures] == ["TOY_PREEMPTED"] * 2
            jobs = rig.system.ledger()
            assert len({job.name for job in jobs}) == len(jobs) == 3
            for job, later in itertools.pairwise(jobs):
                assert job.ends_at < later.starts_at

    run(play())


def test_the_wait_deadline() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await rig.create("holder", pool="p", duration_s=ENDLESS)
            await rig.create("one", pool="p", policy=Policy(wait_deadline_s=10.0))
            await rig.after(9.0)
            assert await rig.phase("one") is Phase.WAITING_FOR_RESOURCES
            await rig.after(1.5)
            assert await rig.phase("one") is Phase.TIMED_OUT
            assert len(rig.system.ledger()) == 1

    run(play())


def test_the_run_deadline_is_one_attempts() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await rig.create("one", duration_s=ENDLESS, policy=Policy(run_deadline_s=10.0, max_attempts=2))
            ended = await rig.until("one")
            assert (ended.execution.phase, ended.execution.attempt) == (Phase.TIMED_OUT, 2)
            assert [failure.reason for failure in ended.execution.failures] == ["RUN_DEADLINE_EXCEEDED"]
            assert rig.live() == 0
            first, second = rig.system.ledger()
            assert first.stops_at is not None
            assert first.stops_at < second.starts_at

    run(play())


def test_the_total_deadline() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            policy = Policy(run_deadline_s=10.0, total_deadline_s=25.0, max_attempts=9)
            began_at = rig.clock.now()
            await rig.create("one", duration_s=ENDLESS, policy=policy)
            ended = await rig.until("one")
            assert (ended.execution.phase, ended.execution.attempt) == (Phase.TIMED_OUT, 3)
            assert rig.clock.now() - began_at < 27.0
            assert rig.live() == 0

    run(play())
