"""Lanes: one queue of remote calls for each handler, connection and verb, behind budget and breaker.

A lane decides synchronously which call goes next and starts it as a task; what waits is an entry in a queue, no task.
It waits for one turn of the budget for each urgency that it has calls of, and knows the call when the turn has come.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from propwash.core.model import Fault, Instant
from propwash.engine.budgets import Budget, Turn, Urgency
from propwash.engine.circuits import Circuit, Permit, Source
from propwash.engine.snapshot import Snapshot
from propwash.engine.supervision import Supervisor
from propwash.ports import Clock, Instrument

Work: TypeAlias = Callable[[Permit], Coroutine[object, object, None]]
"""Makes the call when its task has begun: a task that is cancelled before leaves no coroutine behind."""


SLACK = 1000
"""Withdrawn calls that may stay in a lane, besides as many as wait: while its breaker is open, none has its turn."""


@dataclass(slots=True, eq=False)
class Call:
    """A call in a lane."""

    number: int
    queued_at: Instant
    start: Callable[[], Work | None]
    is_waiting: bool = True


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
        self._turns: dict[Urgency, Turn] = {}
        """The turns that are waited for."""
        self._concurrency = concurrency
        self._queues: dict[Urgency, deque[Call]] = {urgency: deque() for urgency in Urgency}
        self._withdrawn = 0
        self._count = 0
        self._positions = Snapshot(clock, self._count_waiting)
        self._running = 0
        self._is_stopped = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    def put(self, start: Callable[[], Work | None], *, urgency: Urgency) -> Call:
        """Queue a call. start is asked when its turn has come: it gives the call, or None where none is wanted."""
        self._count += 1
        call = Call(self._count, self._clock.now(), start)
        self._queues[urgency].append(call)
        self._pump()
        return call

    def withdraw(self, call: Call) -> None:
        """Take a waiting call back. Its place is freed with others', or when its turn comes."""
        call.start = _nothing
        self._withdrawn += 1
        if self._withdrawn > SLACK and 2 * self._withdrawn > self._depth():
            for urgency, queue in self._queues.items():
                self._queues[urgency] = deque(one for one in queue if one.start is not _nothing)
            self._withdrawn = 0

    def heed(self, permit: Permit, fault: Fault | None, *, execution: str) -> None:
        """Learn from how a call ended: slow down where the remote system asked for it, stop where it is silent."""
        self._budget.heed(fault, sent_at=permit.sent_at)
        self._circuit.end(permit, fault, executions=(execution,))

    def ahead(self, call: Call) -> int:
        """How many calls go before one that waits."""
        behind_all = max(self._depth() - 1, 0)
        return min(self._positions.value().get(call.number, behind_all), behind_all)

    def waiting(self) -> Mapping[Urgency, int]:
        """How many calls wait that are still wanted, by urgency."""
        return {
            urgency: sum(call.start is not _nothing for call in queue)
            for urgency, queue in self._queues.items()
        }

    def oldest_since(self) -> Instant | None:
        """Since when the call waits that has waited longest; None where none does."""
        firsts = (
            next((call.queued_at for call in queue if call.start is not _nothing), None)
            for queue in self._queues.values()
        )
        return min((first for first in firsts if first is not None), default=None)

    def stop(self) -> None:
        """Start no more calls; what is queued stays where it is, in the store's states."""
        self._is_stopped = True

    async def quiet(self) -> None:
        """Return when no call is in flight."""
        await self._quiet.wait()

    def _depth(self) -> int:
        return sum(map(len, self._queues.values()))

    def _count_waiting(self) -> Mapping[int, int]:
        wanted = (call for queue in self._queues.values() for call in queue if call.start is not _nothing)
        return {call.number: position for position, call in enumerate(wanted)}

    def _pump(self) -> None:
        """Have a turn asked for, for each urgency that waits."""
        if self._running < self._concurrency and not self._is_stopped:
            for urgency, queue in self._queues.items():
                if queue and urgency not in self._turns:
                    self._turns[urgency] = self._budget.ask(urgency, partial(self._go, urgency))
            self._budget.serve()
        self._instrument.queued(lane=self.name, depth=self._depth())

    def _go(self, urgency: Urgency) -> bool:
        """A turn has come: start the next call that is still wanted, and say whether there was one."""
        del self._turns[urgency]
        if self._is_stopped or self._running >= self._concurrency:
            return False
        if not self._circuit.admits(self._source, self._pump):
            return False
        queue = self._queues[urgency]
        while queue:
            call = queue.popleft()
            call.is_waiting = False
            self._withdrawn -= call.start is _nothing
            work = call.start()
            if work is not None:
                self._instrument.dequeued(lane=self.name, seconds=self._clock.now() - call.queued_at)
                self._running += 1
                self._quiet.clear()
                permit = self._circuit.begin(self._source)
                self._supervisor.spawn(self._run(work, permit), f"lane {self.name} call {call.number}")
                self._pump()
                return True
        self._instrument.queued(lane=self.name, depth=self._depth())
        return False

    async def _run(self, work: Work, permit: Permit) -> None:
        try:
            with self._budget.calling():
                await work(permit)
        finally:
            self._running -= 1
            if not self._running:
                self._quiet.set()
            self._pump()


def _nothing() -> None:
    return None
