"""The metrics of pools."""

from __future__ import annotations

from dataclasses import replace

from propwash.core.pool import PoolView
from propwash.telemetry import Telemetry

SLOTS = PoolView(
    name="slots",
    capacity=5,
    occupied=2,
    lent=1,
    reserved=0,
    holders=2,
    waiting=1,
    oldest_since=93.0,
    granted=9,
    template="",
    is_removed=False,
)


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    """A sample; None where there is no such series."""
    return telemetry.registry.get_sample_value(f"propwash_{name}", labels)


def test_a_pool_is_told_as_long_as_it_is_there() -> None:
    telemetry = Telemetry(now=lambda: 100.0, version="1")
    telemetry.pools([SLOTS, replace(SLOTS, name="other", granted=1)])
    telemetry.pools([replace(SLOTS, granted=12, oldest_since=None)])
    assert value(telemetry, "pool_occupied", pool="slots") == 2
    assert value(telemetry, "pool_lent", pool="slots") == 1
    assert value(telemetry, "pool_oldest_wait_seconds", pool="slots") == 0
    assert value(telemetry, "pool_granted_units_total", pool="slots") == 12
    assert value(telemetry, "pool_occupied", pool="other") is None
