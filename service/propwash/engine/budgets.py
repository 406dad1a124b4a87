"""Budgets: how fast one connection of a handler may be called, by class of method, shared by all who call it."""

from __future__ import annotations

import enum
from typing import Final

from propwash.core.events import Verb
from propwash.core.model import Fault, FaultKind, Instant
from propwash.core.names import account_of
from propwash.core.throttle import Throttle
from propwash.engine.options import EngineOptions, RateLimit
from propwash.ports import Clock, Handlers


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


class Budget:
    """One throttle. Who takes a turn goes at the instant given, or later where the system has asked for a pause."""

    def __init__(self, clock: Clock, limit: RateLimit) -> None:
        self.limit = limit
        self._clock = clock
        self._throttle = Throttle.full(rate=limit.rate, burst=limit.burst, now=clock.now())

    @property
    def closed_until(self) -> Instant:
        """The end of the last pause that the remote system asked for."""
        return self._throttle.closed_until

    @property
    def rate(self) -> float:
        """Calls a second that may go at the moment; less than the limit where the remote system was slow to bear it."""
        return self._throttle.at_time(self._clock.now()).rate

    def wait_s(self) -> float:
        """How long a turn taken now would have to wait."""
        return self._throttle.wait_s(self._clock.now())

    def reserve(self, calls: int = 1) -> Instant:
        """Take so many turns, and say when the calls may go, in the order in which they are taken."""
        self._throttle, at = self._throttle.reserve(self._clock.now(), calls)
        return at

    async def turn(self) -> None:
        """Take a turn and wait for it."""
        at = self.reserve()
        while (at := max(at, self.closed_until)) > self._clock.now():
            await self._clock.sleep_until(at)

    def heed(self, fault: Fault) -> None:
        """Slow down where the remote system asked for it."""
        if fault.kind is FaultKind.THROTTLED:
            self._throttle = self._throttle.slowed(self._clock.now(), retry_after_s=fault.retry_after_s)


class Budgets:
    """The budgets of all connections, each made when it is first wanted.

    The limit is that of the connection or the handler, where either gives one, else that of the engine's options.
    """

    def __init__(self, *, clock: Clock, handlers: Handlers, options: EngineOptions) -> None:
        self._clock = clock
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
            self._budgets[key] = Budget(self._clock, limit)
        return self._budgets[key]
