"""A value that is dear to make and asked for often: made at most once a second, and only when somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from propwash.core.model import Instant
from propwash.ports import Clock

FRESH_S = 1.0
T = TypeVar("T")


class Snapshot(Generic[T]):
    """What make answers, at most a second old."""

    def __init__(self, clock: Clock, make: Callable[[], T]) -> None:
        self._clock = clock
        self._make = make
        self._kept: tuple[Instant, T] | None = None

    def value(self) -> T:
        """The value, made anew where it is older."""
        now = self._clock.now()
        if self._kept is None or now - self._kept[0] >= FRESH_S:
            self._kept = (now, self._make())
        return self._kept[1]
