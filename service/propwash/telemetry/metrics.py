"""Every metric and log field, in one file. Implements the Instrument of ports, and hears of the API's calls.

No execution's name or id is a label: those are fields of log lines.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Iterable, Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, Summary
from prometheus_client.exposition import choose_encoder

from propwash.core.effects import Effect
from propwash.core.events import Event
from propwash.core.model import (
    Cleaning,
    Done,
    Execution,
    ExecutionUid,
    Fault,
    Instant,
    Launching,
    Phase,
    Running,
)
from propwash.core.pool import PoolView
from propwash.ports import ConnectionStatus, ExecutionName
from propwash.telemetry.admission import AdmissionMetrics
from propwash.telemetry.connections import ConnectionMetrics
from propwash.telemetry.lines import log, say
from propwash.telemetry.pools import PoolMetrics
from propwash.telemetry.staleness import Staleness

LIVE_PHASES = tuple(phase for phase in Phase if not phase.is_terminal)
FINAL_PHASES = tuple(phase for phase in Phase if phase.is_terminal)
MAX_LABEL_VALUES = 200
"""Of one label of one metric; what comes after counts as "other"."""
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class Telemetry(AdmissionMetrics):
    """Metrics in a registry of its own, and log lines. now is the engine's clock, in UTC seconds."""

    def __init__(self, *, now: Callable[[], Instant], version: str, task_types: Iterable[str] = ()) -> None:
        """task_types get their series at once, at zero."""
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        super().__init__(self.registry)
        self._now = now
        self._cleaning: dict[ExecutionUid, Instant] = {}
        self._seen: dict[str, set[str]] = {}
        ProcessCollector(registry=self.registry)
        self._make_execution_metrics()
        self._make_engine_metrics()
        self._make_api_metrics()
        build = self._gauge("build_info", "The version that runs.", "version", "python")
        build.labels(version, platform.python_version()).set(1)
        self.expect(task_types)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"propwash_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"propwash_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float] = _FAST) -> Histogram:
        return Histogram(f"propwash_{name}", text, labels, registry=self.registry, buckets=buckets)

    def _make_execution_metrics(self) -> None:
        self._executions = self._gauge(
            "executions", "Executions that are not terminal.", "phase", "task_type"
        )
        self._ended = self._counter(
            "executions_ended", "Executions that became terminal.", "phase", "task_type"
        )
        self._transitions = self._counter("transitions", "Changes of phase.", "source", "target", "task_type")
        self._retries = self._counter("attempt_retries", "Attempts that another followed.", "task_type")
        self._staleness = Staleness(self.registry, now=self._now, bounded=self._bounded)
        staleness = self._gauge(
            "observation_staleness_seconds", "Age of the oldest observation of a live job."
        )
        staleness.set_function(self._staleness.oldest_s)
        pending = self._gauge("cleanup_pending", "Executions whose remote side is not yet confirmed gone.")
        pending.set_function(lambda: float(len(self._cleaning)))
        oldest = self._gauge("cleanup_oldest_age_seconds", "How long the oldest of these has waited.")
        oldest.set_function(lambda: self._age(self._cleaning))

    def _make_engine_metrics(self) -> None:
        self._depth = self._gauge("workqueue_depth", "Work that waits.", "lane")
        self._queue_time = self._histogram(
            "workqueue_queue_duration_seconds", "How long work waited.", "lane", buckets=_SLOW
        )
        self._hints = self._counter("hints", "Completion hints, by what became of them.", "became")
        self._remote = self._counter(
            "remote_requests", "Calls to handlers, by how they ended.", "connection", "method", "code"
        )
        self._remote_time = self._histogram(
            "remote_request_duration_seconds", "Calls to handlers.", "connection", "method", buckets=_SLOW
        )
        self._commit_time = self._histogram("store_commit_duration_seconds", "Group commits.")
        self._commit_size = self._histogram("store_commit_changes", "Changes in one commit.", buckets=_SIZES)
        self._commit_failures = self._counter("store_commit_failures", "Group commits that failed.")
        self._lag = self._histogram("loop_lag_seconds", "How late the loop was at a beat.")
        self._pools = PoolMetrics(self.registry, most=MAX_LABEL_VALUES)
        self._connections = ConnectionMetrics(self.registry, most=MAX_LABEL_VALUES)
        self._breaker_open = self._gauge(
            "breaker_open", "1 while a connection's breaker holds calls back.", "handler", "connection"
        )
        self._breaker_openings = self._counter(
            "breaker_openings", "How often a connection's breaker opened.", "handler", "connection"
        )
        self._swept = self._counter("sweeps", "Searches for orphans.", "task_type", "connection")
        self._orphans = self._counter(
            "orphans_found", "Remote jobs that no live attempt owns.", "task_type", "connection"
        )
        self._troubles = self._counter("troubles", "Failures that a person should know of.", "component")
        self._abandoned = self._gauge(
            "handler_calls_abandoned", "Handler calls past their deadline that still run."
        )

    def _make_api_metrics(self) -> None:
        self._served = self._counter("grpc_requests", "Calls, by how they ended.", "method", "code")
        self._served_time = self._histogram("grpc_request_duration_seconds", "Calls.", "method")
        self._streams = self._gauge("grpc_streams", "Streams that are open.", "method")

        self._make_connector_metrics()

    def _make_connector_metrics(self) -> None:
        """By the names of Flyte's own connector service, so that its dashboards go on."""
        registry, labels = self.registry, ("task_type", "operation")
        prefix = "flyte_connector_requests"
        self._connector_good = Counter(
            f"{prefix}_success", "Calls that were answered.", labels, registry=registry
        )
        self._connector_bad = Counter(
            f"{prefix}_failure", "Calls that were refused.", (*labels, "error_code"), registry=registry
        )
        self._connector_time = Summary(
            "flyte_connector_request_latency_seconds", "Calls.", labels, registry=registry
        )
        self._connector_inputs = Summary(
            "flyte_connector_input_literal_bytes", "Inputs of tasks.", ("task_type",), registry=registry
        )

    def expect(self, task_types: Iterable[str]) -> None:
        """Make the series of these task types, at zero."""
        for task_type in task_types:
            kind = self._bounded("task_type", task_type)
            for phase in LIVE_PHASES:
                self._executions.labels(phase.name, kind)
            for phase in FINAL_PHASES:
                self._ended.labels(phase.name, kind)
            self._retries.labels(kind)

    def count_abandoned(self, read: Callable[[], int]) -> None:
        """Where the number of abandoned handler calls is read from."""
        self._abandoned.set_function(lambda: float(read()))

    def exposition(self, accept: str) -> tuple[str, bytes]:
        """Content type and body of /metrics, in the format that the Accept header asks for."""
        encoder, content_type = choose_encoder(accept)
        return content_type, encoder(self.registry)

    def _bounded(self, label: str, value: str) -> str:
        seen = self._seen.setdefault(label, set())
        if value in seen:
            return value
        if len(seen) >= MAX_LABEL_VALUES:
            return "other"
        seen.add(value)
        return value

    def _age(self, since: dict[ExecutionUid, Instant]) -> float:
        return max(0.0, self._now() - min(since.values())) if since else 0.0

    def stepped(
        self,
        name: ExecutionName,
        before: Execution | None,
        event: Event | None,
        after: Execution,
        effects: Sequence[Effect],
    ) -> None:
        """Part of ports.Instrument."""
        del effects
        kind = self._bounded("task_type", after.plan.task_type)
        old, new = before.phase if before is not None else None, after.phase
        if old is not new:
            self._move(kind, old, new, is_new=before is None and event is None)
            self._say_phase(name, before, event, after)
        if before is not None and after.attempt > before.attempt:
            self._retries.labels(kind).inc()
        self._staleness.track(after)
        self._track(after)

    def observed(self, before: Execution, at: Instant) -> None:
        """Part of ports.Instrument."""
        self._staleness.observed(before, at)

    def _move(self, kind: str, old: Phase | None, new: Phase, *, is_new: bool) -> None:
        if old is not None:
            self._transitions.labels(old.name, new.name, kind).inc()
            if not old.is_terminal:
                self._executions.labels(old.name, kind).dec()
        if not new.is_terminal:
            self._executions.labels(new.name, kind).inc()
        elif old is not None or is_new:
            self._ended.labels(new.name, kind).inc()

    def _track(self, after: Execution) -> None:
        match after.state:
            case Cleaning(since=since):
                self._cleaning[after.uid] = since
            case _:
                self._cleaning.pop(after.uid, None)

    def _say_phase(
        self, name: ExecutionName, before: Execution | None, event: Event | None, after: Execution
    ) -> None:
        is_edge = after.phase.is_terminal or (before is None and event is None)
        level = logging.INFO if is_edge else logging.DEBUG
        if not log.isEnabledFor(level):
            return
        fields: dict[str, object] = {
            "execution": str(name),
            "uid": after.uid,
            "task_type": after.plan.task_type,
            "attempt": after.attempt,
            "source": before.phase.name if before is not None else "",
            "target": after.phase.name,
            "cause": type(event).__name__ if event is not None else "",
        }
        match after.state:
            case Done(outcome=outcome):
                fields |= {"reason": outcome.reason, "why": outcome.message}
            case Launching(trouble=trouble) | Running(trouble=trouble) | Cleaning(trouble=trouble) if trouble:
                fields |= {"reason": trouble.fault.reason, "why": trouble.fault.message}
        say(level, "execution changed phase", fields)

    def hinted(self, *, became: str, count: int) -> None:
        """Part of ports.Instrument."""
        self._hints.labels(became).inc(count)

    def called(self, *, task_type: str, connection: str, method: str, code: str, seconds: float) -> None:
        """Part of ports.Instrument."""
        del task_type
        account = self._bounded("connection", connection)
        self._remote.labels(account, method, self._bounded("code", code)).inc()
        self._remote_time.labels(account, method).observe(seconds)

    def committed(self, *, changes: int, seconds: float) -> None:
        """Part of ports.Instrument."""
        self._commit_time.observe(seconds)
        self._commit_size.observe(changes)

    def commit_failed(self, message: str) -> None:
        """Part of ports.Instrument."""
        self._commit_failures.inc()
        say(logging.ERROR, "commit failed", {"why": message})

    def queued(self, *, lane: str, depth: int) -> None:
        """Part of ports.Instrument."""
        self._depth.labels(lane).set(depth)

    def dequeued(self, *, lane: str, seconds: float) -> None:
        """Part of ports.Instrument."""
        self._queue_time.labels(lane).observe(seconds)

    def lagged(self, seconds: float) -> None:
        """Part of ports.Instrument."""
        self._lag.observe(seconds)

    def pools(self, views: Sequence[PoolView]) -> None:
        """Part of ports.Instrument."""
        self._pools.report(views, now=self._now())

    def connections(self, statuses: Sequence[ConnectionStatus]) -> None:
        """Part of ports.Instrument."""
        self._connections.report(statuses, now=self._now())

    def breaker(
        self,
        *,
        handler: str,
        connection: str,
        is_open: bool,
        fault: Fault | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Part of ports.Instrument."""
        labels = (self._bounded("handler", handler), self._bounded("connection", connection))
        self._breaker_open.labels(*labels).set(is_open)
        self._breaker_openings.labels(*labels).inc(is_open)
        fields: dict[str, object] = {"handler": handler, "connection": connection}
        if is_open and fault is not None:
            fields |= {"reason": fault.reason, "why": fault.message}
            say(logging.WARNING, "breaker opened", fields)
        elif seconds:
            say(logging.INFO, "breaker closed", fields | {"seconds": round(seconds, 3)})

    def swept(self, *, task_type: str, connection: str, listed: int, orphans: int) -> None:
        """Part of ports.Instrument."""
        labels = (self._bounded("task_type", task_type), self._bounded("connection", connection))
        self._swept.labels(*labels).inc()
        self._orphans.labels(*labels).inc(orphans)
        level = logging.WARNING if orphans else logging.DEBUG
        fields = {"task_type": task_type, "connection": connection, "listed": listed, "orphans": orphans}
        say(level, "sweep ended", fields)

    def forgot(self, name: ExecutionName, after: Execution) -> None:
        """Part of ports.Instrument."""
        del name
        self._staleness.forget(after.uid)
        self._cleaning.pop(after.uid, None)

    def trouble(self, component: str, message: str, **fields: str) -> None:
        """Part of ports.Instrument."""
        self._troubles.labels(self._bounded("component", component)).inc()
        say(logging.WARNING, "trouble", {"component": component, "why": message, **fields})

    def served(self, *, method: str, code: str, reason: str, seconds: float) -> None:
        """A gRPC call ended; code is gRPC's, reason is ErrorInfo's or empty."""
        kept = self._bounded("method", method.rpartition("/")[2])
        self._served.labels(kept, code).inc()
        self._served_time.labels(kept).observe(seconds)
        if log.isEnabledFor(logging.DEBUG):
            fields = {"method": method, "code": code, "reason": reason, "seconds": round(seconds, 6)}
            say(logging.DEBUG, "call served", fields)

    def streams(self, *, method: str, count: int) -> None:
        """How many streams of a gRPC method are open now."""
        self._streams.labels(self._bounded("method", method.rpartition("/")[2])).set(count)

    def flyte_served(self, *, task_type: str, operation: str, error_code: str, seconds: float) -> None:
        """A call of Flyte's protocol ended; error_code is empty for success."""
        kind = self._bounded("task_type", task_type)
        if error_code:
            self._connector_bad.labels(kind, operation, error_code).inc()
        else:
            self._connector_good.labels(kind, operation).inc()
        self._connector_time.labels(kind, operation).observe(seconds)

    def flyte_inputs(self, *, task_type: str, size: int) -> None:
        """A task of Flyte's came with so many bytes of inputs."""
        self._connector_inputs.labels(self._bounded("task_type", task_type)).observe(size)

    def incident(self, incident: str, *, method: str, error: BaseException) -> None:
        """A call met a defect of ours; the line has the traceback, the client only the incident's id."""
        self._troubles.labels("api").inc()
        fields = {"incident": incident, "method": method}
        log.error("call failed", extra={"fields": fields}, exc_info=error)
