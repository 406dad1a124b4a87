"""How connections stand, told by the real engine: rates, pauses, what waits, breakers."""

from __future__ import annotations

from propwash.core.model import Phase
from propwash.engine.options import EngineOptions, RateLimit
from propwash.ports import BreakerState
from propwash.sdk.testing import ToyFault
from tests.engine.breaker_rig import RARE, create_many, is_out
from tests.engine.engine_rig import ENDLESS, engine_rig
from tests.engine.virtual_time import run


def test_a_connection_that_nobody_called_is_told_of() -> None:
    async def play() -> None:
        async with engine_rig(EngineOptions(sweep_every_s=1e6)) as rig:
            (one,) = rig.engine.connections.all()
            assert one.task_types == ("toy",)
            assert (one.breaker.state, one.breaker.since, one.breaker.openings) == (
                BreakerState.CLOSED,
                None,
                0,
            )
            assert one.writes.rate == one.writes.configured_rate == EngineOptions().writes.rate
            assert (one.writes.throttled, one.writes.waiting.total, one.writes.in_flight) == (0, 0, 0)

    run(play())


def test_a_throttled_connection_tells_the_lower_rate_and_the_pause() -> None:
    async def play() -> None:
        async with engine_rig(EngineOptions(sweep_every_s=1e6)) as rig:
            rig.system.plan("submit", ToyFault.THROTTLE, retry_after_s=30.0)
            await rig.create("one", duration_s=ENDLESS)
            await rig.after(1.0)
            (one,) = rig.engine.connections.all()
            assert one.writes.throttled == 1
            assert one.writes.rate < one.writes.configured_rate
            assert one.writes.slowed_at is not None
            assert one.writes.paused_until is not None
            assert 28.0 < one.writes.paused_until - rig.clock.now() <= 30.0
            assert one.reads.throttled == 0
            await rig.create("two", duration_s=ENDLESS)
            await rig.after(5.0)
            (one,) = rig.engine.connections.all()
            assert one.writes.waiting.new == 1
            assert one.writes.oldest_since is not None
            assert rig.log.statuses == [one]

    run(play())


def test_jobs_that_wait_to_be_observed_are_told_of() -> None:
    async def play() -> None:
        slow = RateLimit(rate=0.05, burst=1.0)
        async with engine_rig(EngineOptions(sweep_every_s=1e6, reads=slow)) as rig:
            await rig.create("one", duration_s=ENDLESS)
            await rig.after(10.0)
            (one,) = rig.engine.connections.all()
            assert one.reads.waiting.observations == 1
            assert one.reads.oldest_since is not None
            assert one.reads.left < 1.0

    run(play())


def test_an_open_breaker_says_since_when_and_why() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            names = await create_many(rig, 20)
            for name in names:
                await rig.until(name, Phase.RUNNING)
            is_out(rig, out=True)
            await rig.after(60.0)
            (one,) = rig.engine.connections.all()
            (opened_at, _) = rig.log.breakers[0]
            assert one.breaker.state in (BreakerState.OPEN, BreakerState.HALF_OPEN)
            assert (one.breaker.since, one.breaker.openings) == (opened_at, 1)
            assert one.breaker.fault is not None
            assert one.answered_at is not None
            assert one.answered_at < opened_at
            is_out(rig, out=False)
            await rig.after(60.0)
            (one,) = rig.engine.connections.all()
            assert (one.breaker.state, one.breaker.fault) == (BreakerState.CLOSED, None)

    run(play())
