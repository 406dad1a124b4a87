"""The metrics of connections: their throttles, what waits for these, and their breakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge

from propwash.core.model import Instant
from propwash.ports import BreakerState, ConnectionStatus, ThrottleStatus

_THROTTLE: Final[Mapping[str, str]] = {
    "rate": "Calls a second that may go.",
    "configured_rate": "Calls a second that are configured, the most.",
    "budget_left": "Calls that may go at once.",
    "paused_seconds": "For how long the remote system asked for a pause; 0 where there is none.",
    "oldest_wait_seconds": "How long the call has waited that has waited longest.",
    "calls_in_flight": "Calls that are sent and not answered.",
}
_CONNECTION: Final[Mapping[str, str]] = {
    "breaker_open_seconds": "How long a connection's breaker has held calls back; 0 where it does not.",
    "breaker_probing": "1 while one call is under way to see whether a connection answers again.",
    "connection_last_answer_seconds": "How long ago anything was answered; -1 where nothing was since the start.",
}
_URGENCIES: Final = ("aborts", "new", "observations", "catching_up", "sweeps")
_Key: TypeAlias = tuple[str, str]


class ConnectionMetrics:
    """Series for each handler and connection, as long as it is there; those beyond most have none, and are counted."""

    def __init__(self, registry: CollectorRegistry, *, most: int) -> None:
        self._most = most
        pair = ("handler", "connection")
        by_class = (*pair, "class")
        self._throttle = {
            name: Gauge(f"propwash_throttle_{name}", text, by_class, registry=registry)
            for name, text in _THROTTLE.items()
        }
        self._waiting = Gauge(
            "propwash_throttle_waiting_calls",
            "Calls that wait to be sent.",
            (*by_class, "urgency"),
            registry=registry,
        )
        self._throttled = Counter(
            "propwash_throttled", "Answers that asked to slow down.", by_class, registry=registry
        )
        self._connection = {
            name: Gauge(f"propwash_{name}", text, pair, registry=registry)
            for name, text in _CONNECTION.items()
        }
        self._untold = Gauge(
            "propwash_connections_without_series", "Connections beyond the most.", registry=registry
        )
        self._told: dict[_Key, dict[str, int]] = {}
        """Throttled answers by class, as last reported."""

    def report(self, statuses: Sequence[ConnectionStatus], *, now: Instant) -> None:
        """How all connections stand."""
        keys = {(one.handler, one.connection) for one in statuses}
        for key in [key for key in self._told if key not in keys]:
            self._forget(key)
        for status in statuses:
            key = status.handler, status.connection
            if key in self._told or len(self._told) < self._most:
                self._report(key, status, now)
        self._untold.set(len(keys) - len(self._told))

    def _report(self, key: _Key, status: ConnectionStatus, now: Instant) -> None:
        breaker = status.breaker
        values = {
            "breaker_open_seconds": _age(breaker.since, now),
            "breaker_probing": float(breaker.state is BreakerState.HALF_OPEN),
            "connection_last_answer_seconds": -1.0
            if status.answered_at is None
            else _age(status.answered_at, now),
        }
        for name, gauge in self._connection.items():
            gauge.labels(*key).set(values[name])
        told = self._told.setdefault(key, {})
        for kind, throttle in status.classes:
            self._report_throttle((*key, kind), throttle, now)
            self._throttled.labels(*key, kind).inc(max(0, throttle.throttled - told.get(kind, 0)))
            told[kind] = throttle.throttled

    def _report_throttle(self, labels: tuple[str, ...], throttle: ThrottleStatus, now: Instant) -> None:
        paused_until = throttle.paused_until
        values = {
            "rate": throttle.rate,
            "configured_rate": throttle.configured_rate,
            "budget_left": throttle.left,
            "paused_seconds": 0.0 if paused_until is None else max(0.0, paused_until - now),
            "oldest_wait_seconds": _age(throttle.oldest_since, now),
            "calls_in_flight": throttle.in_flight,
        }
        for name, gauge in self._throttle.items():
            gauge.labels(*labels).set(values[name])
        for urgency in _URGENCIES:
            self._waiting.labels(*labels, urgency).set(getattr(throttle.waiting, urgency))

    def _forget(self, key: _Key) -> None:
        for kind in self._told.pop(key):
            for gauge in (*self._throttle.values(), self._throttled):
                gauge.remove(*key, kind)
            for urgency in _URGENCIES:
                self._waiting.remove(*key, kind, urgency)
        for gauge in self._connection.values():
            gauge.remove(*key)


def _age(since: Instant | None, now: Instant) -> float:
    return 0.0 if since is None else max(0.0, now - since)
