"""Overload: how far behind the server is, and whether it takes new work meanwhile.

Three measures tell: how late the loop is (smoothed, as one late turn is none), how many changes wait for their commit,
and for how long the oldest of them has waited. One of them above its limit is overload, which lasts until all of them
are below half of theirs, so that it does not come and go with each request.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from propwash.core.backoff import fraction

_WEIGHT = 0.5
"""Of the newest lag in the smoothed one."""
_OVER = 0.5
"""The part of its limit below which a measure no longer counts."""
_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadLimits:
    """Above which the server takes no new work. Raises ValueError for what is not positive."""

    lag_s: float = 1.0
    """How late the loop may be, smoothed."""
    backlog: int = 20_000
    """Changes that wait for their commit."""
    backlog_s: float = 5.0
    """How long the oldest of them may wait."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")


class Measure(enum.Enum):
    """What is measured, by the name that a client is told."""

    LOOP_LAG = "LOOP_LAG"
    COMMIT_BACKLOG = "COMMIT_BACKLOG"
    COMMIT_AGE = "COMMIT_AGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """The measures as they were read last, and which of them made the overload."""

    limits: OverloadLimits
    lag_s: float = 0.0
    """Smoothed."""
    backlog: int = 0
    backlog_s: float = 0.0
    overload: Measure | None = None
    """None where new work is taken."""

    def felt(self, lag_s: float) -> Gauge:
        """After another turn of the loop that was so late."""
        return replace(self, lag_s=self.lag_s + _WEIGHT * (lag_s - self.lag_s))

    def read(self, *, backlog: int, backlog_s: float) -> Gauge:
        """After a look at what waits for its commit, with what follows from all measures."""
        now = replace(self, backlog=backlog, backlog_s=backlog_s)
        shares = {measure: now.share(measure) for measure in Measure}
        worst = max(shares, key=lambda measure: shares[measure])
        if shares[worst] > 1.0:
            kept = now.overload
            return now if kept is not None and shares[kept] > 1.0 else replace(now, overload=worst)
        if now.overload is not None and shares[worst] < _OVER:
            return replace(now, overload=None)
        return now

    def share(self, measure: Measure) -> float:
        """A measure as a part of its limit."""
        value, limit = self.value(measure)
        return value / limit

    def value(self, measure: Measure) -> tuple[float, float]:
        """A measure and its limit, in seconds or changes."""
        match measure:
            case Measure.LOOP_LAG:
                return self.lag_s, self.limits.lag_s
            case Measure.COMMIT_BACKLOG:
                return self.backlog, self.limits.backlog
            case Measure.COMMIT_AGE:
                return self.backlog_s, self.limits.backlog_s


def retry_after_s(*key: str) -> float:
    """When to try again: spread by the key, so that not all who are turned away come back together."""
    return _RETRY_S * (1.0 + fraction(*key))
