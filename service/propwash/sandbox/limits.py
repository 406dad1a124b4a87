"""Limits on requests and jobs, answered as the remote system itself answers: too many a second, or too many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from propwash.sandbox.clock import Clock
from propwash.sandbox.faults import MethodClass


class LimitsError(ValueError):
    """Limits that cannot be kept; the message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Per stand-in; None is no limit. Real BigQuery, for example, allows 100 requests a second for each user.

    requests_per_s counts all requests together, or those of each class that a mapping names by themselves.
    concurrent_jobs are those live at once: a create above it is refused.
    """

    requests_per_s: float | Mapping[MethodClass, float] | None = None
    concurrent_requests: int | None = None
    concurrent_jobs: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The form that parse_limits reads."""
        rates = self.requests_per_s
        return {
            "requests_per_s": {one.value: rate for one, rate in rates.items()}
            if isinstance(rates, Mapping)
            else rates,
            "concurrent_requests": self.concurrent_requests,
            "concurrent_jobs": self.concurrent_jobs,
        }


_FIELDS = ("requests_per_s", "concurrent_requests", "concurrent_jobs")


def parse_limits(value: object) -> Limits:
    """Read {"requests_per_s"?, "concurrent_requests"?, "concurrent_jobs"?}. Raises LimitsError."""
    if not isinstance(value, Mapping):
        raise LimitsError(f"limits are an object with {', '.join(_FIELDS)}")
    if unknown := [field for field in value if field not in _FIELDS]:
        raise LimitsError(f"unknown field {unknown[0]!r}")
    rates = value.get("requests_per_s")
    return Limits(
        requests_per_s=_by_class(rates) if isinstance(rates, Mapping) else _number(rates, "requests_per_s"),
        concurrent_requests=_whole(value, "concurrent_requests"),
        concurrent_jobs=_whole(value, "concurrent_jobs"),
    )


def _by_class(rates: Mapping[object, object]) -> dict[MethodClass, float]:
    parsed: dict[MethodClass, float] = {}
    for name, given in rates.items():
        field = f"requests_per_s.{name}"
        if name not in set(MethodClass):
            raise LimitsError(f"{field}: none of the classes {', '.join(MethodClass)}")
        rate = _number(given, field)
        if rate is not None:
            parsed[MethodClass(str(name))] = rate
    return parsed


def _whole(value: Mapping[str, object], field: str) -> int | None:
    most = _number(value.get(field), field)
    return None if most is None else max(int(most), 1)


def _number(given: object, field: str) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or given <= 0:
        raise LimitsError(f"{field}: a number above 0, or null for none, not {given!r}")
    return given


class Gate:
    """Lets requests of one stand-in through within the limits, counting one second's burst."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._inside = 0
        self.refused: Counter[str] = Counter()
        """How many requests each limit has refused."""
        self.set(limits)

    def set(self, limits: Limits) -> None:
        """Change the limits; the bursts begin full."""
        self.limits = limits
        now, rates = self._clock.now(), limits.requests_per_s
        self._allowances: dict[MethodClass | None, _Allowance] = {}
        if isinstance(rates, Mapping):
            self._allowances.update((one, _Allowance(rate, at=now)) for one, rate in rates.items())
        elif rates is not None:
            self._allowances[None] = _Allowance(rates, at=now)

    def enter(self, method: MethodClass, *, live_jobs: int) -> str | None:
        """The limit that refuses one more request now, or None where it may pass: it must leave() then."""
        limit = self._refuses(method, live_jobs)
        if limit is None:
            self._inside += 1
        else:
            self.refused[limit] += 1
        return limit

    def leave(self) -> None:
        """A request that entered is answered."""
        self._inside -= 1

    def _refuses(self, method: MethodClass, live_jobs: int) -> str | None:
        limits = self.limits
        if limits.concurrent_requests is not None and self._inside >= limits.concurrent_requests:
            return "concurrent_requests"
        allowance = self._allowances.get(method) or self._allowances.get(None)
        if allowance is not None and not allowance.take(self._clock.now()):
            return "requests_per_s"
        is_create = method is MethodClass.CREATE
        if is_create and limits.concurrent_jobs is not None and live_jobs >= limits.concurrent_jobs:
            return "concurrent_jobs"
        return None


class _Allowance:
    """A token bucket of one second's requests."""

    def __init__(self, rate: float, *, at: float) -> None:
        self._rate = rate
        self._level = max(rate, 1.0)
        self._at = at

    def take(self, now: float) -> bool:
        self._level = min(max(self._rate, 1.0), self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
