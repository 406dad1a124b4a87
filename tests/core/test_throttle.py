"""The throttle lets no more pass than it promises, heeds Retry-After, slows down and recovers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propwash.core.throttle import BURST_SHARE, DEPTH, FLOOR, LEAST_KEPT, Throttle

GAPS = st.lists(st.sampled_from((0.0, 0.0, 0.01, 0.1, 0.5, 2.0, 30.0)), min_size=1, max_size=120)
CUT = math.exp(-DEPTH)


def go(throttle: Throttle, now: float) -> tuple[Throttle, float]:
    """Wait for a call; the bucket after it, and when it went."""
    now += throttle.wait_s(now)
    return throttle.taken(now), now


def hungry(throttle: Throttle, now: float, seconds: float) -> tuple[Throttle, float]:
    """Call as fast as the bucket lets, for so long."""
    end = now + seconds
    while now + throttle.wait_s(now) < end:
        throttle, now = go(throttle, now)
    return throttle, end


def most_allowed(gone: list[float], first: int, last: int, burst: float, rate: float) -> float:
    return burst + rate * (gone[last] - gone[first]) + 2e-3


@given(
    rate=st.floats(0.1, 100),
    burst=st.floats(1, 20),
    gaps=GAPS,
    slowed=st.sets(st.integers(0, 119), max_size=9),
)
def test_no_window_passes_more_than_burst_and_rate_allow(
    rate: float, burst: float, gaps: list[float], slowed: set[int]
) -> None:
    throttle, now, gone = Throttle.full(rate=rate, burst=burst, now=0.0), 0.0, list[float]()
    for index, gap in enumerate(gaps):
        now += gap
        if index in slowed:
            throttle = throttle.slowed(now, sent_at=now)
        throttle, now = go(throttle, now)
        gone.append(now)
    for first in range(len(gone)):
        for last in range(first, len(gone)):
            assert last - first + 1 <= most_allowed(gone, first, last, burst, rate)


@given(rate=st.floats(0.5, 1000), gaps=GAPS)
def test_without_a_plea_to_slow_down_the_rate_is_the_configured_one(rate: float, gaps: list[float]) -> None:
    throttle, now = Throttle.full(rate=rate, burst=2.0, now=0.0), 0.0
    for gap in gaps:
        now += gap
        throttle, now = go(throttle.answered(now), now)
        assert throttle.rate == rate
        assert throttle.burst == 2.0


def test_retry_after_closes_the_bucket_until_then() -> None:
    throttle = Throttle.full(rate=10.0, burst=5.0, now=0.0).slowed(0.0, sent_at=-1.0, retry_after_s=7.0)
    assert throttle.wait_s(2.0) == 5.0
    assert throttle.slowed(1.0, sent_at=-1.0, retry_after_s=1.0).closed_until == 7.0
    assert throttle.wait_s(7.0) == 0.0
    after, _ = go(throttle, 7.0)
    assert after.wait_s(7.0) > 0.0, "it filled while it was closed"


def test_a_storm_counts_once() -> None:
    throttle = Throttle.full(rate=100.0, burst=50.0, now=0.0).slowed(1.0, sent_at=0.5)
    assert throttle.rate == pytest.approx(100.0 * LEAST_KEPT * CUT)
    for _ in range(30):
        throttle = throttle.slowed(1.2, sent_at=0.9)
    assert throttle.rate == pytest.approx(100.0 * LEAST_KEPT * CUT, rel=0.02)
    assert throttle.slowed(1.3, sent_at=1.1).rate < 30.0


def test_a_cut_goes_a_ninth_below_what_was_borne() -> None:
    throttle, now = Throttle.full(rate=1000.0, burst=1000.0, now=0.0), 0.0
    for _ in range(3000):
        now += 1.0 / 80.0
        throttle = throttle.answered(now)
    throttle = throttle.slowed(now, sent_at=now)
    assert throttle.rate == pytest.approx(1000.0 * LEAST_KEPT * CUT)
    for _ in range(5):
        throttle = throttle.slowed(now + 0.02, sent_at=now + 0.01)
        now += 0.02
    assert 80.0 * 0.8 <= throttle.rate <= 80.0


@pytest.mark.parametrize("rest_s", [0.0, 3600.0])
def test_what_was_borne_is_counted_from_the_first_answer_on(rest_s: float) -> None:
    throttle, now = Throttle.full(rate=30.0, burst=1.0, now=0.0), 0.0
    throttle = throttle.answered(now)
    now += rest_s
    for _ in range(30):
        now += 1.0 / 30.0
        throttle = throttle.answered(now)
    # An average over a longer time than there were calls would take it for a few calls a second.
    assert throttle.slowed(now, sent_at=now).rate == pytest.approx(30.0 * CUT, rel=0.05)


def test_what_was_borne_long_ago_is_forgotten() -> None:
    throttle = Throttle.full(rate=30.0, burst=1.0, now=0.0)
    for number in range(300):
        throttle = throttle.answered(number / 30.0)
    now = 10.0
    for _ in range(6):
        now += 10.0
        throttle = throttle.slowed(now, sent_at=now)
    assert throttle.rate < 1.0


def test_the_bucket_is_empty_after_a_cut_and_shrinks_with_the_rate() -> None:
    throttle = Throttle.full(rate=1000.0, burst=1000.0, now=0.0)
    for second in range(8):
        throttle = throttle.slowed(float(second), sent_at=float(second))
        assert throttle.level == 0.0
    rested = throttle.at_time(3600.0)
    assert rested.level == rested.burst == max(1.0, rested.rate * BURST_SHARE)
    assert rested.rate < 10.0


def test_only_waiting_calls_raise_the_rate() -> None:
    cut = Throttle.full(rate=100.0, burst=100.0, now=0.0).slowed(0.0, sent_at=0.0)
    rested = cut.at_time(600.0)
    assert rested.rate < 50.0
    used, _ = hungry(cut, 0.0, 60.0)
    assert used.rate == 100.0


def test_it_slows_down_to_a_floor_and_is_back_within_two_minutes() -> None:
    throttle, now = Throttle.full(rate=100.0, burst=5.0, now=0.0), 0.0
    for _ in range(40):
        throttle, now = go(throttle, now)
        throttle = throttle.slowed(now, sent_at=now)
    assert throttle.rate == FLOOR
    throttle, now = hungry(throttle, now, 120.0)
    assert throttle.rate == 100.0


def test_the_rate_stays_near_the_peak_and_then_probes_with_growing_steps() -> None:
    cut = Throttle.full(rate=1000.0, burst=1000.0, now=0.0).slowed(0.0, sent_at=0.0)
    rates = list[float]()
    throttle, now = cut, 0.0
    for _ in range(4):
        throttle, now = hungry(throttle, now, 3.0)
        rates.append(throttle.rate / cut.peak)
    assert rates == pytest.approx([0.985, 1.0, 1.015, 1.13], abs=0.01)


def test_time_that_stands_still_or_runs_back_changes_nothing() -> None:
    throttle = Throttle.full(rate=10.0, burst=5.0, now=5.0).taken(5.0)
    assert throttle.at_time(5.0) is throttle
    assert throttle.at_time(4.0) is throttle


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.5)])
def test_a_bucket_that_could_never_let_a_call_pass_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="rate must be positive"):
        Throttle.full(rate=rate, burst=burst, now=0.0)
