"""What the engine tells of its connections: how fast they are called, what waits, and whether they answer."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from propwash.core.model import Fault, Instant


class BreakerState(enum.Enum):
    """Whether calls go to a connection."""

    CLOSED = "closed"
    """All of them."""
    OPEN = "open"
    """None, until the next try."""
    HALF_OPEN = "half open"
    """One, which decides what becomes of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerStatus:
    """A breaker now."""

    state: BreakerState
    since: Instant | None
    """When it opened; None where it is closed."""
    next_try_at: Instant | None
    """Only where it is open."""
    fault: Fault | None
    """In place of the last answer; None where it is closed."""
    openings: int
    """Since the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCalls:
    """How many calls wait to be sent, by urgency, the most urgent first."""

    aborts: int = 0
    new: int = 0
    observations: int = 0
    catching_up: int = 0
    sweeps: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.aborts + self.new + self.observations + self.catching_up + self.sweeps


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleStatus:
    """One class of calls now. Rates are calls a second; burst and left are calls."""

    configured_rate: float
    configured_burst: float
    rate: float
    left: float
    """How many may go at once; what is below 1 is on its way to the next."""
    paused_until: Instant | None
    """The end of a pause that the remote system asked for; None where there is none."""
    slowed_at: Instant | None
    """When the rate was last cut; None where it never was."""
    throttled: int
    """Answers that asked to slow down, since the start."""
    waiting: WaitingCalls
    oldest_since: Instant | None
    """Since when the call waits that has waited longest; None where none does."""
    in_flight: int
    """Calls that are sent and not answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStatus:
    """A configured connection as one handler uses it; what is derived from it for secrets of tasks counts as it."""

    connection: str
    handler: str
    """The handler's key, as in the metrics."""
    plugin: str
    task_types: tuple[str, ...]
    endpoint: str
    """Without credentials; empty for the system's public one."""
    breaker: BreakerStatus
    reads: ThrottleStatus
    writes: ThrottleStatus
    deletes: ThrottleStatus
    answered_at: Instant | None
    """When anything was last answered; None where nothing was since the start."""

    @property
    def classes(self) -> tuple[tuple[str, ThrottleStatus], ...]:
        """The throttles with the names of their classes."""
        return ("read", self.reads), ("write", self.writes), ("delete", self.deletes)


class ConnectionStatuses(Protocol):
    """Answered at once, from memory."""

    def all(self) -> Sequence[ConnectionStatus]:
        """Every configured connection with each of its handlers, by connection and handler; also what nobody called."""
