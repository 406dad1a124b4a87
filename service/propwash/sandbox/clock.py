"""Time in the sandbox: a clock that tests can hold in their hands, and one heap of due times for all jobs."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant in seconds since the Unix epoch; never runs backwards."""

    def now(self) -> float: ...


class SystemClock:
    """The wall clock at start, carried forward by the monotonic clock, so that a wall jump ends no job early."""

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset_s + time.monotonic()


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward by so many seconds."""
        self._now += seconds


class Schedule:
    """Calls back at due times: one heap and one armed timer, however many jobs there are.

    Without start() nothing fires by itself and the owner calls run_due(), as tests with a ManualClock do.
    """

    _TURN = 500

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._armed: asyncio.TimerHandle | None = None
        self._armed_at = float("inf")

    def start(self) -> None:
        """Fire on the running loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._arm()

    def close(self) -> None:
        """Fire nothing any more and forget all that was due."""
        if self._armed is not None:
            self._armed.cancel()
        self._armed, self._armed_at, self._loop = None, float("inf"), None
        self._heap.clear()

    def at(self, due_at: float, call: Callable[[], None]) -> None:
        """Call once at the instant. There is no way to withdraw it: the callee looks whether it still applies."""
        heapq.heappush(self._heap, (due_at, next(self._order), call))
        if self._loop is not None and due_at < self._armed_at:
            self._arm()

    def __len__(self) -> int:
        return len(self._heap)

    def run_due(self, *, at_most: int | None = None) -> int:
        """Call what is due by now, earliest first, and say how many that were."""
        now = self._clock.now()
        ran = 0
        while self._heap and self._heap[0][0] <= now and (at_most is None or ran < at_most):
            _, _, call = heapq.heappop(self._heap)
            ran += 1
            call()
        if ran and self._armed is not None:
            # Armed for what has just been called: the clock was moved by hand.
            self._arm()
        return ran

    def _arm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
        self._armed, self._armed_at = None, float("inf")
        if self._loop is None or not self._heap:
            return
        self._armed_at = self._heap[0][0]
        delay_s = max(0.0, self._armed_at - self._clock.now())
        self._armed = self._loop.call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._armed, self._armed_at = None, float("inf")
        try:
            # Bounded, so that ten thousand jobs that end at one instant leave the loop's other work its turns.
            self.run_due(at_most=self._TURN)
        finally:
            self._arm()
