"""How long jobs last: by a label on the job, or else drawn from the distribution that the admin endpoint sets."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

DURATION_LABEL = "sandbox-duration-ms"


class Distribution(StrEnum):
    """How durations without a label are drawn."""

    FIXED = "fixed"  # always min_ms
    UNIFORM = "uniform"  # evenly from min_ms to max_ms
    EXPONENTIAL = "exponential"  # mean min_ms, cut at max_ms


class SpeedError(ValueError):
    """A speed that cannot be followed; the message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Milliseconds throughout. pending_ms is spent waiting before running, cancel_ms from a cancel to its effect."""

    distribution: Distribution = Distribution.FIXED
    min_ms: float = 0.0
    max_ms: float = 0.0
    pending_ms: float = 0.0
    cancel_ms: float = 20.0

    def as_json(self) -> dict[str, Any]:
        """The form that parse_speed reads."""
        return asdict(self)


def parse_speed(value: object) -> Speed:
    """Read {"distribution"?, "min_ms"?, "max_ms"?, "pending_ms"?, "cancel_ms"?}. Raises SpeedError."""
    if not isinstance(value, Mapping):
        raise SpeedError("a speed is an object with distribution, min_ms, max_ms, pending_ms and cancel_ms")
    numbers: dict[str, float] = {}
    distribution = Distribution.FIXED
    for field, given in value.items():
        if field == "distribution":
            try:
                distribution = Distribution(given)
            except ValueError:
                raise SpeedError(f"distribution: {given!r} is none of: {', '.join(Distribution)}") from None
        elif field not in {"min_ms", "max_ms", "pending_ms", "cancel_ms"}:
            raise SpeedError(f"unknown field {field!r}")
        elif isinstance(given, bool) or not isinstance(given, int | float) or given < 0:
            raise SpeedError(f"{field}: milliseconds of at least 0, not {given!r}")
        else:
            numbers[field] = float(given)
    speed = Speed(distribution=distribution, **numbers)
    if speed.distribution is not Distribution.FIXED and speed.max_ms < speed.min_ms:
        raise SpeedError("max_ms: at least min_ms")
    return speed


class SpeedControl:
    """The speed in force and its seeded draw."""

    def __init__(self, speed: Speed | None = None, *, seed: int = 0) -> None:
        self.speed = speed or Speed()
        self._random = random.Random(seed)

    def duration_s(self, labels: Mapping[str, str]) -> float:
        """Seconds that a job with these labels is to run. A label that is no number is as good as none."""
        told = labels.get(DURATION_LABEL, "")
        if told.isdecimal():
            return int(told) / 1000
        speed = self.speed
        match speed.distribution:
            case Distribution.FIXED:
                return speed.min_ms / 1000
            case Distribution.UNIFORM:
                return self._random.uniform(speed.min_ms, speed.max_ms) / 1000
            case Distribution.EXPONENTIAL:
                mean_ms = max(speed.min_ms, 1e-9)
                return min(self._random.expovariate(1 / mean_ms), speed.max_ms) / 1000
