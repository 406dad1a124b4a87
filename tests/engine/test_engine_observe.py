"""Observation: in few calls, and none of its failures ends a job."""

from __future__ import annotations

import asyncio

from propwash.core.model import OutcomeKind, Phase, Traits
from propwash.engine.options import EngineOptions, RateLimit
from propwash.sdk.testing import ToyFault
from tests.engine.engine_rig import ENDLESS, draft_of, engine_rig
from tests.engine.virtual_time import run

CALM = Traits(settle_s=5.0, poll_floor_s=10.0, poll_ceiling_s=10.0)


def test_many_jobs_are_observed_in_few_calls() -> None:
    async def play() -> None:
        async with engine_rig(traits=CALM) as rig:
            await rig.engine.executions.create(
                [draft_of(f"e{number}", duration_s=ENDLESS) for number in range(300)]
            )
            await rig.after(35.0)
            assert rig.live() == 300
            assert rig.count("submit") == 300
            assert 3 <= rig.count("describe") <= 9

    run(play())


def test_jobs_that_came_one_after_another_are_observed_together() -> None:
    async def play() -> None:
        async with engine_rig(traits=CALM) as rig:
            for number in range(40):
                await rig.create(f"e{number}", duration_s=ENDLESS)
                await rig.after(0.25)
            await rig.after(20.0)
            before = rig.count("describe")
            await rig.after(100.0)
            assert rig.live() == 40
            assert 10 <= rig.count("describe") - before <= 11

    run(play())


def test_an_idle_execution_has_no_task() -> None:
    async def play() -> None:
        async with engine_rig(EngineOptions(sweep_every_s=1e6, writes=RateLimit(rate=1e4, burst=1e4))) as rig:
            for start in range(0, 400, 100):
                await rig.engine.executions.create(
                    [draft_of(f"e{start + number}", duration_s=ENDLESS) for number in range(100)]
                )
            await rig.after(0.5)
            assert rig.live() == 400
            assert len(asyncio.all_tasks()) < 20

    run(play())


def test_a_fault_of_the_whole_batch_is_shown_and_passes() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            names = [f"e{number}" for number in range(5)]
            await rig.engine.executions.create([draft_of(name, duration_s=30.0) for name in names])
            rig.system.plan("describe", ToyFault.CRASH, times=2)
            rig.system.plan("describe", ToyFault.THROTTLE, retry_after_s=8.0)
            await rig.after(3.0)
            for name in names:
                record = await rig.read(name)
                assert record.execution.phase is Phase.RUNNING
                assert getattr(record.execution.state, "trouble", None) is not None
            for name in names:
                assert await rig.outcome(name) is OutcomeKind.SUCCEEDED
            assert len(rig.system.ledger()) == 5

    run(play())


def test_a_job_that_is_missing_counts_as_lost_only_after_a_while() -> None:
    async def play() -> None:
        async with engine_rig(traits=Traits(settle_s=30.0, poll_ceiling_s=2.0)) as rig:
            await rig.create("one", duration_s=ENDLESS)
            await rig.until("one", Phase.RUNNING)
            rig.system.vanish(rig.system.ledger()[0].name)
            await rig.after(25.0)
            assert rig.count("describe") > 5
            assert await rig.phase("one") is Phase.RUNNING
            ended = await rig.until("one")
            assert ended.execution.phase is Phase.FAILED
            assert getattr(ended.execution.state, "outcome").reason == "RESOURCE_LOST"  # noqa: B009

    run(play())


def test_reads_stay_inside_their_rate() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=1e6, reads=RateLimit(rate=0.5, burst=1.0))
        async with engine_rig(options, traits=Traits(poll_floor_s=0.1, poll_ceiling_s=0.1)) as rig:
            for number in range(20):
                await rig.create(f"e{number}", duration_s=ENDLESS)
            await rig.after(20.0)
            assert rig.count("describe") <= 11

    run(play())
