"""What an execution waits for at this moment, as the engine knows it from memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from propwash.core.events import Deletion
from propwash.core.model import Fault, Instant
from propwash.core.pool import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """The connection's breaker is open."""

    since: Instant
    next_try_at: Instant | None
    """None while it is tried."""
    fault: Fault
    """In place of the last answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The remote system has asked for a pause."""

    until: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Other calls go first."""

    ahead: int
    per_s: float
    """How many go a second at the moment, at most."""


Hold: TypeAlias = Silent | Paused | Behind
"""Why the next call for an execution does not go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What an execution waits for, besides what its state tells."""

    pools: tuple[Place, ...] = ()
    hold: Hold | None = None
    retry_at: Instant | None = None
    """When it is to be called for again, where that is not yet."""
    deletion: Deletion | None = None
    """What the last delete was answered."""
