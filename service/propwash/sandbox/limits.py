"""Limits on requests, answered as the remote system itself answers: too many a second, or too many at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from propwash.sandbox.clock import Clock


class LimitsError(ValueError):
    """Limits that cannot be kept; the message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Per stand-in; None is no limit. Real BigQuery, for example, allows 100 requests a second for each user."""

    requests_per_s: float | None = None
    concurrent_requests: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The form that parse_limits reads."""
        return asdict(self)


def parse_limits(value: object) -> Limits:
    """Read {"requests_per_s"?, "concurrent_requests"?}. Raises LimitsError."""
    if not isinstance(value, Mapping):
        raise LimitsError("limits are an object with requests_per_s and concurrent_requests")
    for field, given in value.items():
        if field not in {"requests_per_s", "concurrent_requests"}:
            raise LimitsError(f"unknown field {field!r}")
        if given is not None and (
            isinstance(given, bool) or not isinstance(given, int | float) or given <= 0
        ):
            raise LimitsError(f"{field}: a number above 0, or null for none, not {given!r}")
    most = value.get("concurrent_requests")
    return Limits(
        requests_per_s=value.get("requests_per_s"), concurrent_requests=None if most is None else int(most)
    )


class Gate:
    """Lets requests of one stand-in through within the limits, counting one second's burst."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._inside = 0
        self.set(limits)

    def set(self, limits: Limits) -> None:
        """Change the limits; the burst begins full."""
        self.limits = limits
        self._allowance = limits.requests_per_s or 0.0
        self._counted_at = self._clock.now()

    def enter(self) -> bool:
        """Whether one more request may pass now. One that passed must leave()."""
        most, rate = self.limits.concurrent_requests, self.limits.requests_per_s
        if most is not None and self._inside >= most:
            return False
        if rate is not None:
            now = self._clock.now()
            self._allowance = min(max(rate, 1.0), self._allowance + (now - self._counted_at) * rate)
            self._counted_at = now
            if self._allowance < 1:
                return False
            self._allowance -= 1
        self._inside += 1
        return True

    def leave(self) -> None:
        """A request that entered is answered."""
        self._inside -= 1
