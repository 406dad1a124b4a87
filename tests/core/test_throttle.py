"""The throttle lets no more pass than it promises, heeds Retry-After, slows down and recovers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propwash.core.throttle import DECREASE, FLOOR_FRACTION, Throttle

GAPS = st.lists(st.sampled_from((0.0, 0.0, 0.01, 0.1, 0.5, 2.0, 30.0)), min_size=1, max_size=120)


@given(rate=st.floats(0.1, 100), burst=st.floats(1, 20), gaps=GAPS)
def test_no_window_passes_more_than_burst_and_rate_allow(
    rate: float, burst: float, gaps: list[float]
) -> None:
    throttle, now, gone = Throttle.full(rate=rate, burst=burst, now=0.0), 0.0, list[float]()
    for gap in gaps:
        now += gap
        throttle, at = throttle.reserve(now)
        assert at >= max([now, *gone])
        gone.append(at)
    for first, began in enumerate(gone):
        for last in range(first, len(gone)):
            assert last - first + 1 <= burst + rate * (gone[last] - began) + 1e-6


@given(rate=st.floats(0.1, 100), burst=st.floats(1, 20), gaps=GAPS, slowed=st.sets(st.integers(0, 119)))
def test_who_waits_for_each_turn_is_slowed_at_once(
    rate: float, burst: float, gaps: list[float], slowed: set[int]
) -> None:
    throttle, now, gone = Throttle.full(rate=rate, burst=burst, now=0.0), 0.0, list[float]()
    for index, gap in enumerate(gaps):
        now += gap
        if index in slowed:
            throttle = throttle.slowed(now)
        throttle, now = throttle.reserve(now)
        gone.append(now)
    for first, began in enumerate(gone):
        for last in range(first, len(gone)):
            assert last - first + 1 <= burst + rate * (gone[last] - began) + 1e-6


def test_several_calls_are_a_debt_that_the_next_waits_for() -> None:
    throttle, at = Throttle.full(rate=10.0, burst=5.0, now=0.0).reserve(0.0, 25)
    assert at == 0.0
    assert throttle.level == -20.0
    assert throttle.reserve(0.0)[1] == pytest.approx(2.1)
    assert throttle.wait_s(3.0) == 0.0


def test_retry_after_closes_the_bucket_until_then() -> None:
    throttle = Throttle.full(rate=10.0, burst=5.0, now=0.0).slowed(0.0, retry_after_s=7.0)
    assert throttle.wait_s(2.0) == 5.0
    assert throttle.slowed(1.0, retry_after_s=1.0).closed_until == 7.0
    assert throttle.wait_s(7.0) == 0.0


def test_a_storm_of_throttling_counts_once() -> None:
    throttle = Throttle.full(rate=10.0, burst=5.0, now=0.0).slowed(0.0)
    assert throttle.rate == 10.0 * DECREASE
    assert throttle.slowed(0.5).rate == pytest.approx(10.0 * DECREASE + 0.5)


def test_it_slows_down_to_a_floor_and_recovers_to_what_is_configured() -> None:
    throttle = Throttle.full(rate=10.0, burst=5.0, now=0.0)
    for second in range(100):
        throttle = throttle.slowed(float(second))
    assert 10.0 * FLOOR_FRACTION <= throttle.rate <= 2.0
    assert throttle.at_time(110.0).rate == 10.0
    assert throttle.at_time(110.0).level <= 5.0


def test_time_that_stands_still_or_runs_back_changes_nothing() -> None:
    throttle = Throttle.full(rate=10.0, burst=5.0, now=5.0).reserve(5.0)[0]
    assert throttle.at_time(5.0) is throttle
    assert throttle.at_time(4.0) is throttle


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.5)])
def test_a_bucket_that_could_never_let_a_call_pass_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="rate must be positive"):
        Throttle.full(rate=rate, burst=burst, now=0.0)
