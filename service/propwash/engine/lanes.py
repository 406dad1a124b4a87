"""Lanes: one queue of remote calls for each handler, connection and verb, behind budget and breaker.

A lane decides synchronously which call goes next and starts it as a task; what waits is an entry in a heap, not a task.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from propwash.core.model import Fault, Instant
from propwash.engine.budgets import Budget, Turn, Urgency
from propwash.engine.circuits import Circuit, Permit, Source
from propwash.engine.snapshot import Snapshot
from propwash.engine.supervision import Supervisor
from propwash.ports import Clock, Instrument

Work: TypeAlias = Callable[[Permit], Coroutine[object, object, None]]
"""Makes the call when its task has begun: a task that is cancelled before leaves no coroutine behind."""


@dataclass(order=True, slots=True)
class Call:
    """A call in a lane."""

    urgency: Urgency
    number: int
    queued_at: Instant = field(compare=False)
    start: Callable[[], Work | None] = field(compare=False)
    is_waiting: bool = field(default=True, compare=False)

    def withdraw(self) -> None:
        """Have nothing done when its turn comes."""
        self.start = _nothing


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
        self._turn: Turn | None = None
        """The turn that the next call waits for; which call that is is known when it comes."""
        self._concurrency = concurrency
        self._queue: list[Call] = []
        self._count = 0
        self._positions = Snapshot(clock, self._count_waiting)
        self._running = 0
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

    def heed(self, permit: Permit, fault: Fault | None, *, execution: str) -> None:
        """Learn from how a call ended: slow down where the remote system asked for it, stop where it is silent."""
        self._budget.heed(fault, sent_at=permit.sent_at)
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
        """Have a turn asked for, as urgent as the call that goes next."""
        if self._queue and self._running < self._concurrency and not self._is_stopped:
            urgency = self._queue[0].urgency
            if self._turn is None or urgency < self._turn.urgency:
                if self._turn is not None:
                    self._turn.withdraw()
                self._turn = self._budget.ask(urgency, self._go)
                self._budget.serve()
        self._instrument.queued(lane=self.name, depth=len(self._queue))

    def _go(self) -> bool:
        """A turn has come: start the next call that is still wanted, and say whether there was one."""
        self._turn = None
        if self._is_stopped or not self._circuit.admits(self._source, self._pump):
            return False
        while self._queue:
            call = heapq.heappop(self._queue)
            call.is_waiting = False
            work = call.start()
            if work is not None:
                self._instrument.dequeued(lane=self.name, seconds=self._clock.now() - call.queued_at)
                self._running += 1
                self._quiet.clear()
                permit = self._circuit.begin(self._source)
                self._supervisor.spawn(self._run(work, permit), f"lane {self.name} call {call.number}")
                self._pump()
                return True
        self._instrument.queued(lane=self.name, depth=0)
        return False

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
