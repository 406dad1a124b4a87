"""The one seam for metrics and logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from propwash.core.effects import Effect
from propwash.core.events import Event
from propwash.core.model import (
    Execution,
    Fault,
    Instant,
)
from propwash.core.overload import Measure
from propwash.core.pool import PoolView
from propwash.ports.connections import ConnectionStatus
from propwash.ports.records import ExecutionName


class Instrument(Protocol):
    """The one seam for metrics and logs. Every method returns at once and raises nothing."""

    def stepped(
        self,
        name: ExecutionName,
        before: Execution | None,
        event: Event | None,
        after: Execution,
        effects: Sequence[Effect],
    ) -> None:
        """An execution was created (before and event are None), loaded, or stepped, and the result is durable."""

    def observed(self, before: Execution, at: Instant) -> None:
        """A remote job was observed: the execution before, and when the answer came."""

    def hinted(self, *, became: str, count: int) -> None:
        """So many completion hints came, and this became of them: heard, ended or unknown."""

    def called(self, *, task_type: str, connection: str, method: str, code: str, seconds: float) -> None:
        """A call to a handler ended; code is OK or the fault's kind and reason."""

    def committed(self, *, changes: int, seconds: float) -> None:
        """A group commit ended."""

    def commit_failed(self, message: str) -> None:
        """A group commit failed and will be tried again."""

    def queued(self, *, lane: str, depth: int) -> None:
        """A work queue's depth changed."""

    def dequeued(self, *, lane: str, seconds: float) -> None:
        """Work left its queue after so long."""

    def lagged(self, seconds: float) -> None:
        """How late the loop was at one beat."""

    def pools(self, views: Sequence[PoolView]) -> None:
        """How all pools stand, every second or so; one that is not named is not there any more."""

    def refused(self, *, reason: str, executions: int) -> None:
        """So many executions were not let in, together; reason is what the client is told."""

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
        """How much there is: executions that are not terminal, and those that queue; the loop's smoothed lag; changes
        that wait for a commit, and for how long the oldest does; and which of these keeps new work out.
        """

    def connections(self, statuses: Sequence[ConnectionStatus]) -> None:
        """How all connections stand, every second or so; one that is not named is not there any more."""

    def breaker(
        self,
        *,
        handler: str,
        connection: str,
        is_open: bool,
        fault: Fault | None = None,
        seconds: float = 0.0,
    ) -> None:
        """A connection's breaker was made, closed; opened, as calls ended with the fault; or closed after so long."""

    def swept(self, *, task_type: str, connection: str, listed: int, orphans: int) -> None:
        """A sweep ended."""

    def forgot(self, name: ExecutionName, after: Execution) -> None:
        """A terminal execution left memory."""

    def trouble(self, component: str, message: str, **fields: str) -> None:
        """Something failed that a person should know of; one line a failure."""
