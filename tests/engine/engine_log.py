"""What an engine told its instrument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from propwash.core.effects import Effect
from propwash.core.events import Event
from propwash.core.model import Execution, Fault, Phase
from propwash.core.overload import Measure
from propwash.core.pool import PoolView
from propwash.ports import Clock, ConnectionStatus, ExecutionName


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStep:
    at: float
    name: str
    event: str
    phase: Phase


@dataclass(slots=True)
class EngineLog:
    """An Instrument that remembers."""

    clock: Clock
    steps: list[EngineStep] = field(default_factory=list)
    calls: list[tuple[float, str, str]] = field(default_factory=list)
    answers: list[tuple[float, Execution]] = field(default_factory=list)
    """When a job was observed, and what was known of it before."""
    hints: dict[str, int] = field(default_factory=dict)
    commits: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    troubles: list[tuple[str, str]] = field(default_factory=list)
    sweeps: list[tuple[int, int]] = field(default_factory=list)
    breakers: list[tuple[float, bool]] = field(default_factory=list)
    """When one opened (True) or closed (False)."""
    forgotten: list[str] = field(default_factory=list)
    depths: dict[str, int] = field(default_factory=dict)
    views: dict[str, PoolView] = field(default_factory=dict)
    statuses: list[ConnectionStatus] = field(default_factory=list)
    refusals: list[tuple[str, int]] = field(default_factory=list)
    overloads: list[tuple[float, Measure | None]] = field(default_factory=list)
    """When one began or ended."""

    def stepped(
        self,
        name: ExecutionName,
        before: Execution | None,
        event: Event | None,
        after: Execution,
        effects: Sequence[Effect],
    ) -> None:
        kind = "" if event is None else type(event).__name__
        self.steps.append(EngineStep(at=self.clock.now(), name=name.execution, event=kind, phase=after.phase))

    def observed(self, before: Execution, at: float) -> None:
        self.answers.append((at, before))

    def hinted(self, *, became: str, count: int) -> None:
        self.hints[became] = self.hints.get(became, 0) + count

    def called(self, *, task_type: str, connection: str, method: str, code: str, seconds: float) -> None:
        self.calls.append((self.clock.now(), method, code))

    def committed(self, *, changes: int, seconds: float) -> None:
        self.commits.append(changes)

    def commit_failed(self, message: str) -> None:
        self.failures.append(message)

    def queued(self, *, lane: str, depth: int) -> None:
        self.depths[lane] = depth

    def dequeued(self, *, lane: str, seconds: float) -> None:
        pass

    def lagged(self, seconds: float) -> None:
        pass

    def pools(self, views: Sequence[PoolView]) -> None:
        self.views = {view.name: view for view in views}

    def connections(self, statuses: Sequence[ConnectionStatus]) -> None:
        self.statuses = list(statuses)

    def units(self, pool: str) -> tuple[int, int, int]:
        """Capacity, units held, executions that wait, as last told."""
        view = self.views[pool]
        return view.capacity, view.occupied, view.waiting

    def refused(self, *, reason: str, executions: int) -> None:
        self.refusals.append((reason, executions))

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
        if overload is not (self.overloads[-1][1] if self.overloads else None):
            self.overloads.append((self.clock.now(), overload))

    def breaker(
        self,
        *,
        handler: str,
        connection: str,
        is_open: bool,
        fault: Fault | None = None,
        seconds: float = 0.0,
    ) -> None:
        if is_open or seconds:
            self.breakers.append((self.clock.now(), is_open))

    def swept(self, *, task_type: str, connection: str, listed: int, orphans: int) -> None:
        self.sweeps.append((listed, orphans))

    def forgot(self, name: ExecutionName, after: Execution) -> None:
        self.forgotten.append(name.execution)

    def trouble(self, component: str, message: str, **fields: str) -> None:
        self.troubles.append((component, message))
