"""Lanes: one queue of remote calls for each handler, connection and verb, behind budget and breaker.

A lane decides synchronously which call goes next and starts it as a task; what waits is an entry in a heap, not a task.
"""

from __future__ import annotations

import asyncio
import enum
import heapq
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from propwash.core.model import Fault, Instant
from propwash.engine.budgets import Budget
from propwash.engine.circuits import Circuit, Permit, Source
from propwash.engine.snapshot import Snapshot
from propwash.engine.supervision import Supervisor
from propwash.ports import Clock, Instrument

Work: TypeAlias = Callable[[Permit], Coroutine[object, object, None]]
"""Makes the call when its task has begun: a task that is cancelled before leaves no coroutine behind."""


SLACK = 1000
"""Withdrawn calls that may stay in a lane, besides as many as wait: while its breaker is open, none has its turn."""


class Urgency(enum.IntEnum):
    """Which of two waiting calls goes first."""

    ABORT = 0
    """Somebody waits for the end of a job that costs money."""
    NEW = 1
    """Somebody waits for the start."""
    CATCH_UP = 2
    """Work taken up after a restart: new work and aborts overtake it."""


@dataclass(order=True, slots=True)
class Call:
    """A call in a lane."""

    urgency: Urgency
    number: int
    queued_at: Instant = field(compare=False)
    start: Callable[[], Work | None] = field(compare=False)
    is_waiting: bool = field(default=True, compare=False)


class Lane:
    """Calls of one verb to one connection, at most so many at once and as many a second as the budget lets pass."""

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        supervisor: Supervisor,
        instrument: Instrument,
        budget: Budget,
        circuit: Circuit,
        source: Source,
        concurrency: int,
    ) -> None:
        self.name = name
        self._clock = clock
        self._supervisor = supervisor
        self._instrument = instrument
        self._budget = budget
        self._circuit = circuit
        self._source = source
        self._turn_at: Instant | None = None
        """The turn that the next call has; taken before it is known which call that is."""
        self._concurrency = concurrency
        self._queue: list[Call] = []
        self._withdrawn = 0
        self._count = 0
        self._positions = Snapshot(clock, self._count_waiting)
        self._running = 0
        self._is_timing = False
        self._is_stopped = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    def put(self, start: Callable[[], Work | None], *, urgency: Urgency) -> Call:
        """Queue a call. start is asked when its turn has come: it gives the call, or None where none is wanted."""
        self._count += 1
        call = Call(urgency, self._count, self._clock.now(), start)
        heapq.heappush(self._queue, call)
        self._pump()
        return call

    def withdraw(self, call: Call) -> None:
        """Take a waiting call back. Its place is freed with others', or when its turn comes."""
        call.start = _nothing
        self._withdrawn += 1
        if self._withdrawn > SLACK and 2 * self._withdrawn > len(self._queue):
            self._queue = [one for one in self._queue if one.start is not _nothing]
            heapq.heapify(self._queue)
            self._withdrawn = 0

    def heed(self, permit: Permit, fault: Fault | None, *, execution: str) -> None:
        """Learn from how a call ended: slow down where the remote system asked for it, stop where it is silent."""
        if fault is not None:
            self._budget.heed(fault)
        self._circuit.end(permit, fault, executions=(execution,))

    def ahead(self, call: Call) -> int:
        """How many calls go before one that waits."""
        behind_all = max(len(self._queue) - 1, 0)
        return min(self._positions.value().get(call.number, behind_all), behind_all)

    def stop(self) -> None:
        """Start no more calls; what is queued stays where it is, in the store's states."""
        self._is_stopped = True

    async def quiet(self) -> None:
        """Return when no call is in flight."""
        await self._quiet.wait()

    def _count_waiting(self) -> Mapping[int, int]:
        wanted = sorted(call for call in self._queue if call.start is not _nothing)
        return {call.number: position for position, call in enumerate(wanted)}

    def _pump(self) -> None:
        while (
            self._queue and self._running < self._concurrency and not self._is_stopped and not self._is_timing
        ):
            now = self._clock.now()
            if self._turn_at is None:
                self._turn_at = self._budget.reserve()
            turn_at = max(self._turn_at, self._budget.closed_until)
            if turn_at > now:
                self._is_timing = True
                self._supervisor.spawn(self._pump_at(turn_at), f"lane {self.name} waits for its budget")
                break
            if not self._circuit.admits(self._source, self._pump):
                break
            call = heapq.heappop(self._queue)
            call.is_waiting = False
            self._withdrawn -= call.start is _nothing
            work = call.start()
            if work is None:
                continue
            self._turn_at = None
            self._instrument.dequeued(lane=self.name, seconds=now - call.queued_at)
            self._running += 1
            self._quiet.clear()
            permit = self._circuit.begin(self._source)
            self._supervisor.spawn(self._run(work, permit), f"lane {self.name} call {call.number}")
        self._instrument.queued(lane=self.name, depth=len(self._queue))

    async def _pump_at(self, at: Instant) -> None:
        await self._clock.sleep_until(at)
        self._is_timing = False
        self._pump()

    async def _run(self, work: Work, permit: Permit) -> None:
        try:
            await work(permit)
        finally:
            self._running -= 1
            if not self._running:
                self._quiet.set()
            self._pump()


def _nothing() -> None:
    return None
