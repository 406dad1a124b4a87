"""The throttle finds an unknown limit: what it lets through is within a tenth of the best fixed rate, few calls are
refused, and a raised limit is found within a minute. In virtual time, so that every figure is always the same.
"""

from __future__ import annotations

from random import Random

import pytest

from propwash.core.throttle import Throttle
from tests.core.throttle_law import JobLimiter, Limiter, Loop, RequestLimiter, adaptive

NEAR, MIXED, FAR = (0.02, 0.02), (0.02, 0.3), (0.3, 0.3)
LEARNT_AT, END = 60.0, 120.0
TENTH = 0.9
FEW = 0.02


def loop(
    limiter: Limiter,
    latency_s: tuple[float, float],
    in_flight: int,
    seed: int,
    fixed: Throttle | None = None,
) -> Loop:
    return Loop(
        limiter,
        fixed or adaptive(),
        latency_s=latency_s,
        in_flight=in_flight,
        rng=Random(seed),
        is_adaptive=fixed is None,
    )


def reachable(per_s: float, latency_s: tuple[float, float], in_flight: int) -> float:
    """What a limit lets through to who has no more than so many calls in flight."""
    return min(per_s, in_flight / (sum(latency_s) / 2.0))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("latency_s", [NEAR, MIXED, FAR])
@pytest.mark.parametrize(("per_s", "in_flight"), [(4.0, 1), (5.0, 16), (10.0, 64), (20.0, 8), (40.0, 64)])
def test_a_limit_of_requests_is_found(
    per_s: float, in_flight: int, latency_s: tuple[float, float], seed: int
) -> None:
    found = loop(RequestLimiter(per_s), latency_s, in_flight, seed)
    found.run(END)
    served_per_s, refused = found.figures(LEARNT_AT, END)
    assert served_per_s >= TENTH * reachable(per_s, latency_s, in_flight)
    assert refused < FEW


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("latency_s", [NEAR, MIXED, FAR])
@pytest.mark.parametrize("per_s", [4.0, 12.0])
def test_a_raised_limit_is_found_within_a_minute(
    per_s: float, latency_s: tuple[float, float], seed: int
) -> None:
    found = loop(RequestLimiter(per_s), latency_s, 64, seed)
    found.run(LEARNT_AT)
    found.limiter.raise_by(3.0)
    found.run(LEARNT_AT + 80.0)
    served_per_s, _ = found.figures(LEARNT_AT + 60.0, LEARNT_AT + 78.0)
    assert served_per_s >= TENTH * reachable(3.0 * per_s, latency_s, 64)


@pytest.mark.parametrize("latency_s", [NEAR, MIXED, FAR])
@pytest.mark.parametrize(
    ("most", "lasts_s", "spread"),
    [(20, 2.0, 0.0), (20, 2.0, 0.3), (20, 2.0, 0.9), (50, 5.0, 0.0), (50, 5.0, 0.3), (10, 0.5, 0.3)],
)
def test_a_limit_of_jobs_is_found(
    most: int, lasts_s: float, spread: float, latency_s: tuple[float, float]
) -> None:
    def limiter(seed: int) -> JobLimiter:
        return JobLimiter(most, lasts_s=lasts_s, spread=spread, rng=Random(seed))

    # The best of the rates that an operator could have set, with as few calls refused.
    best_per_s = 0.0
    for share in (0.75, 0.85, 0.9, 1.0):
        fixed = Throttle.full(rate=share * most / lasts_s, burst=1.0, now=0.0)
        tried = loop(limiter(0), latency_s, 64, 0, fixed)
        tried.run(30.0)
        served_per_s, refused = tried.figures(10.0, 30.0)
        if refused < FEW:
            best_per_s = max(best_per_s, served_per_s)
    found = loop(limiter(1), latency_s, 64, 1)
    found.run(150.0)
    served_per_s, refused = found.figures(LEARNT_AT, 150.0)
    assert served_per_s >= TENTH * best_per_s
    assert refused < FEW


@pytest.mark.parametrize("latency_s", [NEAR, MIXED, FAR])
def test_a_raised_limit_of_jobs_is_found_within_a_minute(latency_s: tuple[float, float]) -> None:
    found = loop(JobLimiter(20, lasts_s=2.0, spread=0.0, rng=Random(1)), latency_s, 64, 1)
    found.run(LEARNT_AT)
    found.limiter.raise_by(3.0)
    found.run(LEARNT_AT + 90.0)
    served_per_s, _ = found.figures(LEARNT_AT + 60.0, LEARNT_AT + 88.0)
    assert served_per_s >= TENTH * 30.0
