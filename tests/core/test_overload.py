"""Overload begins above a limit, ends well below it, and one late turn is none."""

from __future__ import annotations

import math

import pytest

from propwash.core.overload import Gauge, Measure, OverloadLimits, retry_after_s

LIMITS = OverloadLimits(lag_s=1.0, backlog=100, backlog_s=5.0)


def read(gauge: Gauge, backlog: int = 0, backlog_s: float = 0.0) -> Gauge:
    return gauge.read(backlog=backlog, backlog_s=backlog_s)


def test_one_late_turn_is_none_and_several_are() -> None:
    gauge = read(Gauge(limits=LIMITS).felt(1.9))
    assert gauge.overload is None
    gauge = read(gauge.felt(1.9))
    assert gauge.overload is Measure.LOOP_LAG
    value, limit = gauge.value(Measure.LOOP_LAG)
    assert value == pytest.approx(1.425)
    assert limit == 1.0


@pytest.mark.parametrize(
    ("backlog", "backlog_s", "measure"), [(101, 0.0, Measure.COMMIT_BACKLOG), (1, 5.1, Measure.COMMIT_AGE)]
)
def test_what_waits_for_its_commit_is_read_at_once(backlog: int, backlog_s: float, measure: Measure) -> None:
    gauge = Gauge(limits=LIMITS)
    assert read(gauge, 100, 5.0).overload is None
    assert read(gauge, backlog, backlog_s).overload is measure


def test_it_does_not_come_and_go_at_the_limit() -> None:
    gauge = read(Gauge(limits=LIMITS), 101)
    for backlog in (99, 101, 60, 50):
        gauge = read(gauge, backlog)
        assert gauge.overload is Measure.COMMIT_BACKLOG
    gauge = read(gauge, 49)
    assert gauge.overload is None
    assert read(gauge, 99).overload is None


def test_it_lasts_until_every_measure_is_low() -> None:
    gauge = read(Gauge(limits=LIMITS), 101)
    gauge = read(gauge, 0, backlog_s=3.0)
    assert gauge.overload is Measure.COMMIT_BACKLOG
    assert read(gauge, 0, 5.5).overload is Measure.COMMIT_AGE
    assert read(gauge).overload is None


def test_the_measure_that_began_it_is_told_while_it_is_above_its_limit() -> None:
    gauge = read(Gauge(limits=LIMITS), 101)
    assert read(gauge, 101, 50.0).overload is Measure.COMMIT_BACKLOG


def test_the_time_to_retry_is_spread() -> None:
    advised = {retry_after_s(str(number)) for number in range(50)}
    assert len(advised) == 50
    assert all(1.0 <= one < 2.0 for one in advised)


@pytest.mark.parametrize("field", ["lag_s", "backlog", "backlog_s"])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_limits_that_could_not_work_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be positive"):
        OverloadLimits(**{field: value})  # type: ignore[arg-type]
