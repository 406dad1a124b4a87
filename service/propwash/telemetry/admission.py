"""Metrics and log lines of admission: how much there is, how far behind the server is, what was turned away."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, Counter, Gauge

from propwash.core.admission import Limit
from propwash.core.overload import Measure
from propwash.telemetry.lines import say

REASONS = (*(limit.value for limit in Limit), "SERVER_OVERLOADED")


class AdmissionMetrics:
    """Part of Telemetry, and of ports.Instrument."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._turned_away = Counter(
            "propwash_admissions_refused",
            "Executions that were not let in, by the reason that the client was told.",
            ("reason",),
            registry=registry,
        )
        for reason in REASONS:
            self._turned_away.labels(reason)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"propwash_{name}", text, labels, registry=registry)

        self._active = gauge("active_executions", "Executions that are not terminal, of all projects.")
        self._queued = gauge("queued_executions", "Executions that are not granted their pools yet.")
        self._overloaded = gauge("overloaded", "1 while this measure keeps new work out.", "measure")
        for measure in Measure:
            self._overloaded.labels(measure.value)
        self._backlog = gauge("commit_backlog_changes", "Changes that wait for their commit.")
        self._backlog_age = gauge("commit_backlog_age_seconds", "How long the oldest of them has waited.")
        self._smoothed_lag = gauge("loop_lag_smoothed_seconds", "How late the loop is, smoothed.")
        self._overload: Measure | None = None

    def refused(self, *, reason: str, executions: int) -> None:
        """Part of ports.Instrument."""
        self._turned_away.labels(reason).inc(executions)

    def load(
        self,
        *,
        active: int,
        queued: int,
        lag_s: float,
        backlog: int,
        backlog_s: float,
        overload: Measure | None,
    ) -> None:
        """Part of ports.Instrument."""
        self._active.set(active)
        self._queued.set(queued)
        self._smoothed_lag.set(lag_s)
        self._backlog.set(backlog)
        self._backlog_age.set(backlog_s)
        for measure in Measure:
            self._overloaded.labels(measure.value).set(measure is overload)
        before, self._overload = self._overload, overload
        fields = {"lag_s": round(lag_s, 3), "backlog": backlog, "backlog_s": round(backlog_s, 3)}
        if overload is not None and before is None:
            say(logging.WARNING, "overloaded, new work is turned away", fields | {"measure": overload.value})
        elif overload is None and before is not None:
            say(logging.INFO, "no longer overloaded", fields)
