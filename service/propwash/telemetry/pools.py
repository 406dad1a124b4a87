"""The metrics of pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from propwash.core.model import Instant
from propwash.core.pool import PoolView

_GAUGES: Final[Mapping[str, str]] = {
    "capacity": "Units of a pool.",
    "occupied": "Units of a pool that are held.",
    "lent": "Units that are held beyond the holders' own parts.",
    "reserved": "Free units that are kept for one that has waited long.",
    "holders": "Executions that hold units of a pool.",
    "waiting": "Executions that wait for a pool.",
    "oldest_wait_seconds": "How long the one has waited that has waited longest.",
}


class PoolMetrics:
    """One series a pool, as long as the pool is there; the pools beyond most have none, and are counted."""

    def __init__(self, registry: CollectorRegistry, *, most: int) -> None:
        self._most = most
        self._gauges = {
            name: Gauge(f"propwash_pool_{name}", text, ("pool",), registry=registry)
            for name, text in _GAUGES.items()
        }
        self._granted = Counter(
            "propwash_pool_granted_units", "Units that were granted.", ("pool",), registry=registry
        )
        self._untold = Gauge("propwash_pools_without_series", "Pools beyond the most.", registry=registry)
        self._told: dict[str, int] = {}
        """Units granted, by pool, as last reported."""

    def report(self, views: Sequence[PoolView], *, now: Instant) -> None:
        """How all pools stand."""
        names = {view.name for view in views}
        for name in [name for name in self._told if name not in names]:
            del self._told[name]
            for gauge in (*self._gauges.values(), self._granted):
                gauge.remove(name)
        for view in views:
            if view.name in self._told or len(self._told) < self._most:
                self._report(view, now)
        self._untold.set(len(names) - len(self._told))

    def _report(self, view: PoolView, now: Instant) -> None:
        values = {
            "capacity": view.capacity,
            "occupied": view.occupied,
            "lent": view.lent,
            "reserved": view.reserved,
            "holders": view.holders,
            "waiting": view.waiting,
            "oldest_wait_seconds": 0.0 if view.oldest_since is None else max(0.0, now - view.oldest_since),
        }
        for name, gauge in self._gauges.items():
            gauge.labels(view.name).set(values[name])
        # A pool that went and came again counts from nothing.
        self._granted.labels(view.name).inc(max(0, view.granted - self._told.get(view.name, 0)))
        self._told[view.name] = view.granted
