"""Budgets: how fast one connection of a handler may be called, by class of method, shared by all who call it.

Who wants to call asks for a turn and says how urgent that is. Nobody takes a turn ahead of time: which of those who
wait goes is decided when the turn has come, by urgency, and among equals by who has waited longer. So that the less
urgent are not starved, one turn in EVERY goes to whoever of them has waited longest.
"""

from __future__ import annotations

import asyncio
import enum
import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from propwash.core.breaker import OURS
from propwash.core.events import Verb
from propwash.core.model import Fault, FaultKind, Instant
from propwash.core.names import account_of
from propwash.core.throttle import Throttle
from propwash.engine.options import EngineOptions, RateLimit
from propwash.engine.supervision import Supervisor
from propwash.ports import Clock, Handlers

EVERY: Final = 20
"""How many turns it takes until a less urgent one goes though a more urgent one waits."""
NOTHING_OF_THE_SYSTEM: Final = OURS - {"HANDLER_BUSY"}
"""Pleas to wait that say nothing of how fast the remote system may be called."""


class Urgency(enum.IntEnum):
    """Which of two waiting calls goes first."""

    ABORT = 0
    """Somebody waits for the end of a job that costs money."""
    NEW = 1
    """Somebody waits for the start."""
    OBSERVE = 2
    """Jobs are asked how they are."""
    CATCH_UP = 3
    """Work taken up after a restart: all that is new overtakes it."""
    SWEEP = 4
    """The search for orphans."""


class CallClass(enum.Enum):
    """The classes that remote systems limit apart."""

    READ = "read"
    """Observations, look-ups and the sweep's lists."""
    WRITE = "write"
    """Creates and dry runs."""
    DELETE = "delete"
    """Deletes, the sweep's too."""


CLASSES: Final = {
    Verb.CREATE: CallClass.WRITE,
    Verb.FIND: CallClass.READ,
    Verb.OBSERVE: CallClass.READ,
    Verb.DELETE: CallClass.DELETE,
}


@dataclass(order=True, slots=True)
class Turn:
    """Somebody who waits for a turn."""

    urgency: Urgency
    number: int
    go: Callable[[], bool] = field(compare=False)

    def withdraw(self) -> None:
        """Have nothing done when the turn comes; it goes to the next."""
        self.go = _declined


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who waits for a turn in a coroutine."""

    urgency: Urgency
    since: Instant


class Budget:
    """One throttle and those who wait for it. at does something at an instant."""

    def __init__(
        self, clock: Clock, limit: RateLimit, *, at: Callable[[Instant, Callable[[], None]], None]
    ) -> None:
        self.limit = limit
        self._clock = clock
        self._at = at
        self._throttle = Throttle.full(rate=limit.rate, burst=limit.burst, now=clock.now())
        self._waiting: list[Turn] = []
        self._count = 0
        self._waiting_by = dict.fromkeys(Urgency, 0)
        self._passed_over = 0
        """How many turns have gone, one after the other, while somebody less urgent waited."""
        self._is_serving = self._is_timing = self._is_stopped = False
        self._leaves: dict[asyncio.Future[bool], Asked] = {}
        self.throttled = 0
        """How many answers asked to slow down."""
        self.in_flight = 0
        """How many calls are under way."""

    @property
    def closed_until(self) -> Instant:
        """The end of the last pause that the remote system asked for."""
        return self._throttle.closed_until

    @property
    def rate(self) -> float:
        """Calls a second that may go at the moment; less than the limit where the remote system was slow to bear it."""
        return self._throttle.at_time(self._clock.now()).rate

    @property
    def throttle(self) -> Throttle:
        """The bucket now."""
        return self._throttle.at_time(self._clock.now())

    @property
    def asked(self) -> Sequence[Asked]:
        """Who waits in turn()."""
        return tuple(asked for leave, asked in self._leaves.items() if not leave.done())

    @contextmanager
    def calling(self, calls: int = 1) -> Iterator[None]:
        """Count calls as under way inside the block."""
        self.in_flight += calls
        try:
            yield
        finally:
            self.in_flight -= calls

    def wait_s(self, urgency: Urgency = Urgency.ABORT) -> float:
        """How long who asks now would wait, as far as those who wait now go first."""
        now = self._clock.now()
        first = sum(turn.urgency <= urgency and turn.go is not _declined for turn in self._waiting)
        return self._throttle.wait_s(now) + first / self._throttle.at_time(now).rate

    def ask(self, urgency: Urgency, go: Callable[[], bool]) -> Turn:
        """Wait for a turn, which serve gives out; go then says whether it has sent a call, and is not asked again."""
        self._count += 1
        turn = Turn(urgency, self._count, go)
        heapq.heappush(self._waiting, turn)
        self._waiting_by[urgency] += 1
        return turn

    def serve(self) -> None:
        """Give out the turns that have come."""
        if self._is_serving:
            return
        self._is_serving = True
        try:
            now = self._clock.now()
            while self._waiting and not self._throttle.wait_s(now):
                turn = self._next()
                more_urgent, less_urgent = self._others(turn.urgency)
                if turn.go():
                    self._throttle = self._throttle.taken(now)
                    self._passed_over = self._passed_over + 1 if less_urgent and not more_urgent else 0
        finally:
            self._is_serving = False
        if self._waiting and not self._is_timing:
            self._is_timing = True
            self._at(now + self._throttle.wait_s(now), self._time_has_come)

    def spare(self) -> bool:
        """Take a turn that has come and that nobody waits for; whether there was one."""
        self.serve()
        now = self._clock.now()
        if self._throttle.wait_s(now):
            return False
        self._throttle = self._throttle.taken(now)
        return True

    async def turn(self, urgency: Urgency) -> bool:
        """Wait for a turn; False where the engine has stopped meanwhile."""
        leave: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def go() -> bool:
            if leave.done():
                return False
            leave.set_result(True)
            return True

        if self._is_stopped:
            return False
        self._leaves[leave] = Asked(urgency, self._clock.now())
        try:
            self.ask(urgency, go)
            self.serve()
            return await leave
        finally:
            del self._leaves[leave]

    def heed(self, fault: Fault | None, *, sent_at: Instant, calls: int = 1) -> None:
        """Learn from how a call ended that was sent then, or so many: slow down where that was asked for."""
        now = self._clock.now()
        match fault:
            case None | Fault(kind=FaultKind.PERMANENT | FaultKind.RETRYABLE):
                self._throttle = self._throttle.answered(now)
            case Fault(kind=FaultKind.THROTTLED) if fault.reason not in NOTHING_OF_THE_SYSTEM:
                self.throttled += calls
                self._throttle = self._throttle.slowed(
                    now, sent_at=sent_at, retry_after_s=fault.retry_after_s
                )
            case Fault():
                pass

    def stop(self) -> None:
        """Let those go who wait in turn()."""
        self._is_stopped = True
        for leave in self._leaves:
            if not leave.done():
                leave.set_result(False)

    def _time_has_come(self) -> None:
        self._is_timing = False
        self.serve()

    def _others(self, urgency: Urgency) -> tuple[int, int]:
        """How many of those who wait are more urgent, and how many less."""
        more = sum(self._waiting_by[one] for one in Urgency if one < urgency)
        return more, len(self._waiting) - more - self._waiting_by[urgency]

    def _next(self) -> Turn:
        """Whose turn it is: the most urgent's, or by their share that of the less urgent who has waited longest."""
        less_urgent: list[Turn] = []
        if self._passed_over >= EVERY - 1:
            first = self._waiting[0].urgency
            less_urgent = [turn for turn in self._waiting if turn.urgency > first]
        if less_urgent:
            turn = min(less_urgent, key=lambda one: one.number)
            self._waiting.remove(turn)
            heapq.heapify(self._waiting)
        else:
            turn = heapq.heappop(self._waiting)
        self._waiting_by[turn.urgency] -= 1
        return turn


def _declined() -> bool:
    return False


class Budgets:
    """The budgets of all connections, each made when it is first wanted.

    The limit is that of the connection or the handler, where either gives one, else that of the engine's options.
    """

    def __init__(
        self, *, clock: Clock, handlers: Handlers, supervisor: Supervisor, options: EngineOptions
    ) -> None:
        self._clock = clock
        self._supervisor = supervisor
        self._handlers = handlers
        self._defaults = {
            CallClass.READ: options.reads,
            CallClass.WRITE: options.writes,
            CallClass.DELETE: options.deletes,
        }
        self._budgets: dict[tuple[str, str, CallClass], Budget] = {}

    def of(self, task_type: str, connection: str, kind: CallClass) -> Budget:
        """The budget of one connection of the handler that serves the task type; what is derived from a connection has
        a share in that one's.
        """
        connection = account_of(connection)
        key = (self._handlers.handler_key(task_type), connection, kind)
        if key not in self._budgets:
            limits = self._handlers.limits(task_type, connection)
            given = {
                CallClass.READ: limits.reads,
                CallClass.WRITE: limits.writes,
                CallClass.DELETE: limits.deletes,
            }[kind]
            limit = self._defaults[kind] if given is None else RateLimit(rate=given.per_s, burst=given.burst)
            name = f"budget {key[0]}/{connection}/{kind.value} waits"
            self._budgets[key] = Budget(
                self._clock, limit, at=lambda at, do: self._supervisor.spawn(self._wait(at, do), name)
            )
        return self._budgets[key]

    def stop(self) -> None:
        """Let those go who wait in turn."""
        for budget in self._budgets.values():
            budget.stop()

    async def _wait(self, at: Instant, do: Callable[[], None]) -> None:
        await self._clock.sleep_until(at)
        do()
