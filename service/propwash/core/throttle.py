"""The throttle of one (connection, method class): how many calls a second, and when the next may go.

A token bucket whose rate adapts: an answer that asks us to slow down multiplies it down, good answers add it back up to
the configured rate. A Retry-After closes the bucket until then. The value is frozen; every method answers a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from propwash.core.model import Instant

DECREASE = 0.5
FLOOR_FRACTION = 0.02
RECOVERY_FRACTION = 0.1
"""Of the configured rate, added a second while answers are good."""
DECREASE_EVERY_S = 1.0
"""One storm of throttling answers counts once in this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """A bucket of calls. rate and configured_rate are calls a second, burst and level are calls."""

    configured_rate: float
    burst: float
    rate: float
    level: float
    at: Instant
    closed_until: Instant = 0.0
    decreased_at: Instant = float("-inf")

    @classmethod
    def full(cls, *, rate: float, burst: float, now: Instant) -> Throttle:
        """A bucket that has rested. Raises ValueError for a rate or burst that could never let a call pass."""
        if rate <= 0 or burst < 1:
            raise ValueError(f"rate must be positive and burst at least 1, not {rate} and {burst}")
        return cls(configured_rate=rate, burst=burst, rate=rate, level=burst, at=now)

    def at_time(self, now: Instant) -> Throttle:
        """The same bucket later: filled, and recovered towards the configured rate."""
        elapsed_s = now - self.at
        if elapsed_s <= 0:
            return self
        rate = min(self.configured_rate, self.rate + self.configured_rate * RECOVERY_FRACTION * elapsed_s)
        return replace(self, rate=rate, level=min(self.burst, self.level + self.rate * elapsed_s), at=now)

    def wait_s(self, now: Instant) -> float:
        """How long until a call may go; 0 means now."""
        later = self.at_time(now)
        if later.closed_until > now:
            return later.closed_until - now
        return 0.0 if later.level >= 1.0 else (1.0 - later.level) / later.rate

    def reserve(self, now: Instant, calls: int = 1) -> tuple[Throttle, Instant]:
        """The bucket after so many calls, and the instant from which they may go.

        Calls go in the order of their reservations; what is reserved ahead of time is a debt, a level below 0.
        """
        later = self.at_time(now)
        return replace(later, level=later.level - calls), now + later.wait_s(now)

    def slowed(self, now: Instant, *, retry_after_s: float | None = None) -> Throttle:
        """The bucket after an answer that asks us to slow down."""
        later = self.at_time(now)
        if retry_after_s is not None:
            later = replace(later, closed_until=max(later.closed_until, now + retry_after_s))
        if now - later.decreased_at < DECREASE_EVERY_S:
            return later
        rate = max(later.configured_rate * FLOOR_FRACTION, later.rate * DECREASE)
        return replace(later, rate=rate, level=min(later.level, 1.0), decreased_at=now)
