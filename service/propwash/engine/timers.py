"""One heap of due times for all executions, and one task that wakes for the earliest: no task for an idle execution."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from propwash.core.model import ExecutionUid, Instant
from propwash.ports import Clock

SLACK = 1000
"""Replaced entries that may stay in the heap, besides as many as are live."""


class Timers:
    """Calls wake for each uid at its instant. A uid has one instant; setting another replaces it."""

    def __init__(self, clock: Clock, wake: Callable[[ExecutionUid], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._heap: list[tuple[Instant, ExecutionUid]] = []
        self._due_at: dict[ExecutionUid, Instant] = {}
        self._earlier = asyncio.Event()

    def set(self, uid: ExecutionUid, at: Instant | None) -> None:
        """Wake uid at the instant, or never."""
        if at is None:
            self._due_at.pop(uid, None)
            return
        if self._due_at.get(uid) == at:
            return
        self._due_at[uid] = at
        if not self._heap or at < self._heap[0][0]:
            self._earlier.set()
        heapq.heappush(self._heap, (at, uid))
        if len(self._heap) > 2 * len(self._due_at) + SLACK:
            self._heap = [(due_at, one) for one, due_at in self._due_at.items()]
            heapq.heapify(self._heap)

    @property
    def held(self) -> int:
        """Entries in the heap, with those that were replaced."""
        return len(self._heap)

    def __len__(self) -> int:
        return len(self._due_at)

    async def run(self, *, turn: int = 50) -> None:
        """Wake for ever; gives the loop a turn after so many."""
        while True:
            self._earlier.clear()
            woken = 0
            while self._heap and self._heap[0][0] <= self._clock.now():
                at, uid = heapq.heappop(self._heap)
                if self._due_at.get(uid) != at:
                    continue
                del self._due_at[uid]
                self._wake(uid)
                woken += 1
                if woken % turn == 0:
                    await asyncio.sleep(0)
            await self._idle()

    async def _idle(self) -> None:
        earlier = asyncio.ensure_future(self._earlier.wait())
        if not self._heap:
            await earlier
            return
        due = asyncio.ensure_future(self._clock.sleep_until(self._heap[0][0]))
        try:
            await asyncio.wait((earlier, due), return_when=asyncio.FIRST_COMPLETED)
        finally:
            earlier.cancel()
            due.cancel()
