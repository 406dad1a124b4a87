"""The throttle against models of what remote systems limit, in virtual time: a loop that always has work.

Calls take their time, so many are in flight at once, and the limiter decides when they arrive.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Protocol

from propwash.core.throttle import Throttle

FAR_TOO_FAST = 1000.0


class Limiter(Protocol):
    """What refuses."""

    def admits(self, now: float) -> bool:
        """Whether a call that arrives now is served."""

    def raise_by(self, factor: float) -> None:
        """Bear more from now on."""


class RequestLimiter:
    """So many requests a second, with one second's burst."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._level = max(per_s, 1.0)
        self._at = 0.0

    def admits(self, now: float) -> bool:
        level = min(max(self._per_s, 1.0), self._level + (now - self._at) * self._per_s)
        self._at = now
        self._level = level - 1.0 if level >= 1.0 else level
        return level >= 1.0

    def raise_by(self, factor: float) -> None:
        self._per_s *= factor


class JobLimiter:
    """So many jobs at once, each of about the same duration."""

    def __init__(self, most: int, *, lasts_s: float, spread: float, rng: Random) -> None:
        self._most = most
        self._lasts_s = lasts_s
        self._spread = spread
        self._rng = rng
        self._end_at: list[float] = []

    def admits(self, now: float) -> bool:
        while self._end_at and self._end_at[0] <= now:
            heapq.heappop(self._end_at)
        if len(self._end_at) >= self._most:
            return False
        lasts_s = self._lasts_s * self._rng.uniform(1.0 - self._spread, 1.0 + self._spread)
        heapq.heappush(self._end_at, now + lasts_s)
        return True

    def raise_by(self, factor: float) -> None:
        self._most = int(self._most * factor)


class Loop:
    """One connection. latency_s are the shortest and the longest, there and back."""

    def __init__(
        self,
        limiter: Limiter,
        throttle: Throttle,
        *,
        latency_s: tuple[float, float],
        in_flight: int,
        rng: Random,
        is_adaptive: bool = True,
    ) -> None:
        self._is_adaptive = is_adaptive
        self.limiter = limiter
        self.throttle = throttle
        self._latency_s = latency_s
        self._in_flight = in_flight
        self._rng = rng
        self._now = 0.0
        self._answers: list[tuple[float, bool]] = []
        """When each call was sent, and whether it was served."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = self._flying = 0
        self._is_timing = False

    def run(self, until: float) -> None:
        """Go on until the instant."""
        self._pump()
        while self._events and self._events[0][0] <= until:
            self._now, _, do = heapq.heappop(self._events)
            do()

    def figures(self, begin: float, end: float) -> tuple[float, float]:
        """Of the calls sent between the instants: served calls a second, and the share that was refused."""
        served = [is_served for at, is_served in self._answers if begin <= at < end]
        return sum(served) / (end - begin), 1.0 - sum(served) / max(len(served), 1)

    def _at(self, at: float, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, do))

    def _pump(self) -> None:
        while self._flying < self._in_flight and not self._is_timing:
            if wait_s := self.throttle.wait_s(self._now):
                self._is_timing = True
                self._at(self._now + wait_s, self._timed)
                return
            self.throttle = self.throttle.taken(self._now)
            self._flying += 1
            self._send(self._now, self._rng.uniform(*self._latency_s))

    def _timed(self) -> None:
        self._is_timing = False
        self._pump()

    def _send(self, sent_at: float, takes_s: float) -> None:
        def arrive() -> None:
            is_served = self.limiter.admits(self._now)
            self._at(sent_at + takes_s, lambda: self._answer(sent_at, is_served))

        self._at(sent_at + takes_s / 2.0, arrive)

    def _answer(self, sent_at: float, is_served: bool) -> None:
        self._flying -= 1
        self._answers.append((sent_at, is_served))
        if not self._is_adaptive:
            pass
        elif is_served:
            self.throttle = self.throttle.answered(self._now)
        else:
            self.throttle = self.throttle.slowed(self._now, sent_at=sent_at)
        self._pump()


def adaptive() -> Throttle:
    """Configured for far more than any system here bears."""
    return Throttle.full(rate=FAR_TOO_FAST, burst=FAR_TOO_FAST, now=0.0)
