"""How old the last answers about live jobs are: the service level of polling.

A job's staleness is the time since its remote system last said how it is. Answers are counted by the second in which
they came, so that neither an answer nor a scrape costs more where there are more jobs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from propwash.core.model import Execution, ExecutionUid, Instant, Running
from propwash.core.names import account_of

LATE_AFTER: Final = 1.5
"""Of its handler's poll ceiling: who was not answered for so long is late. At the ceiling itself it is merely due."""
GAP_BUCKETS_S: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_LABELS: Final = ("task_type", "connection")
_Labels: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Seen:
    """When a live job was last observed, in whole seconds, and from when on it is late."""

    labels: _Labels
    at: Instant
    late_from: int

    @property
    def second(self) -> int:
        return math.floor(self.at)


@dataclass(slots=True)
class _Group:
    """The live jobs of one task type and connection: how many were last observed, and become late, in each second."""

    gap: Histogram
    observed: Counter[int] = field(default_factory=Counter)
    late: Counter[int] = field(default_factory=Counter)

    def add(self, seen: _Seen, count: int) -> None:
        for counter, second in ((self.observed, seen.second), (self.late, seen.late_from)):
            counter[second] += count
            if not counter[second]:
                del counter[second]


class Staleness(Collector):
    """Hears of every answer, and is read at every scrape. bounded keeps the number of a label's values in bounds."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        now: Callable[[], Instant],
        bounded: Callable[[str, str], str],
    ) -> None:
        self._now = now
        self._bounded = bounded
        self._seen: dict[ExecutionUid, _Seen] = {}
        self._groups: dict[_Labels, _Group] = {}
        self._gap = Histogram(
            "propwash_observation_gap_seconds",
            "Time between two answers about a live job, at each answer.",
            _LABELS,
            registry=registry,
            buckets=GAP_BUCKETS_S,
        )
        registry.register(self)

    def track(self, execution: Execution) -> None:
        """What is now durable of an execution: its job is live, or it is not."""
        state = execution.state
        if not isinstance(state, Running):
            self.forget(execution.uid)
            return
        seen = self._seen.get(execution.uid)
        if seen is None or state.observed_at > seen.at:
            self._note(execution, state.observed_at)

    def observed(self, before: Execution, at: Instant) -> None:
        """The remote system has answered."""
        if not isinstance(before.state, Running):
            return
        group = self._group(self._labels(before))
        group.gap.observe(max(0.0, at - before.state.observed_at))
        if before.uid in self._seen:
            self._note(before, at)

    def forget(self, uid: ExecutionUid) -> None:
        """The job is no longer live."""
        seen = self._seen.pop(uid, None)
        if seen is not None:
            self._groups[seen.labels].add(seen, -1)

    def oldest_s(self) -> float:
        """The age of the oldest answer about any live job."""
        return max(map(self._oldest_s, self._groups.values()), default=0.0)

    def collect(self) -> Iterable[Metric]:
        """Part of prometheus_client's Collector."""
        oldest = GaugeMetricFamily(
            "propwash_observation_oldest_seconds",
            "Age of the oldest answer about a live job.",
            labels=_LABELS,
        )
        late = GaugeMetricFamily(
            "propwash_observation_late_jobs",
            "Live jobs about which the last answer is older than 1.5 times the poll ceiling.",
            labels=_LABELS,
        )
        live = GaugeMetricFamily("propwash_observation_live_jobs", "Live jobs.", labels=_LABELS)
        now = math.floor(self._now())
        for labels, group in self._groups.items():
            oldest.add_metric(labels, self._oldest_s(group))
            late.add_metric(labels, sum(n for second, n in group.late.items() if second <= now))
            live.add_metric(labels, group.observed.total())
        return (oldest, late, live)

    def _oldest_s(self, group: _Group) -> float:
        return max(0.0, self._now() - min(group.observed)) if group.observed else 0.0

    def _note(self, execution: Execution, at: Instant) -> None:
        self.forget(execution.uid)
        late_from = math.ceil(at + LATE_AFTER * execution.plan.traits.poll_ceiling_s)
        seen = self._seen[execution.uid] = _Seen(self._labels(execution), at, late_from)
        self._group(seen.labels).add(seen, 1)

    def _group(self, labels: _Labels) -> _Group:
        group = self._groups.get(labels)
        if group is None:
            group = self._groups[labels] = _Group(gap=self._gap.labels(*labels))
        return group

    def _labels(self, execution: Execution) -> _Labels:
        plan = execution.plan
        return (
            self._bounded("task_type", plan.task_type),
            self._bounded("connection", account_of(plan.connection)),
        )
