"""Circuits: the breaker of each connection of a handler, shared by all who call it; who is held back, and who may try.

Who wants to call asks for leave. Where it is refused, the one who asks is remembered under its source and woken when it
may ask again: all of them when the breaker closes, deletes first; one after the other, until one of them has sent the
probe, when it is time for that. The sources take turns with the probe, so that one job whose every call fails for a
reason of its own does not hold the whole connection back: another source asks about other jobs, and the sweep's list
about none.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from propwash.core.breaker import Breaker, BreakerLimits, BreakerState, Open, Sign, sign_of
from propwash.core.model import Fault, Instant
from propwash.core.names import account_of
from propwash.engine.budgets import Asked, Budget, Urgency
from propwash.engine.options import EngineOptions
from propwash.engine.supervision import Supervisor
from propwash.ports import Clock, Handlers, Instrument


class Source(enum.IntEnum):
    """Who calls, in the order in which they are woken."""

    DELETE = 0
    FIND = 1
    CREATE = 2
    OBSERVE = 3
    SWEEP = 4


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call, given back with what came of it."""

    probe: int
    """The probe's number; 0 where the breaker is closed."""
    sent_at: Instant

    @property
    def is_probe(self) -> bool:
        """Whether everybody else waits for this call."""
        return self.probe > 0


class Circuit:
    """One breaker. at does something at an instant; all else is synchronous, so that the simulator drives it too."""

    def __init__(
        self,
        *,
        handler: str,
        connection: str,
        limits: BreakerLimits,
        clock: Clock,
        instrument: Instrument,
        at: Callable[[Instant, Callable[[], None]], None],
    ) -> None:
        self._handler = handler
        self._connection = connection
        self._clock = clock
        self._instrument = instrument
        self._at = at
        self._breaker = Breaker(key=f"{handler}/{connection}", limits=limits)
        self._held: dict[Source, dict[Callable[[], None], None]] = {}
        """Who is to be woken, in the order of asking."""
        self._tried: dict[Source, int] = {}
        """The number of each source's last probe."""
        self._leaves: dict[asyncio.Future[Permit | None], tuple[Budget, Source, Asked]] = {}
        self.openings = 0
        """How often it has opened."""
        self.answered_at: Instant | None = None
        """When a call was last answered."""
        self._is_stopped = False
        instrument.breaker(handler=handler, connection=connection, is_open=False)

    @property
    def opened(self) -> Open | None:
        """Since when and why calls are held back, and when the next is tried; None where they are not."""
        return self._breaker.opened

    @property
    def state(self) -> BreakerState:
        """The breaker's own."""
        return self._breaker.state

    def asked(self, budget: Budget) -> Sequence[tuple[Source, Asked]]:
        """Who waits in turn() with this budget."""
        return tuple(
            (source, asked)
            for leave, (wanted, source, asked) in self._leaves.items()
            if wanted is budget and not leave.done()
        )

    @property
    def next_try_at(self) -> Instant | None:
        """When the next call may go; None where a probe is under way, or nothing is held back."""
        state = self._breaker.state
        return state.until if isinstance(state, Open) else None

    def admits(self, source: Source, wake: Callable[[], None]) -> bool:
        """Whether a call may go now; where not, wake is called once, when it is worth asking again."""
        if self._breaker.may_send(self._clock.now()):
            return True
        self._held.setdefault(source, {})[wake] = None
        return False

    def begin(self, source: Source) -> Permit:
        """Leave for one call, in the same turn of the loop in which admits gave it."""
        self._breaker, probe = self._breaker.sent()
        if probe:
            self._tried[source] = probe
        return Permit(probe, self._clock.now())

    def end(self, permit: Permit, fault: Fault | None, *, executions: Iterable[str] = ()) -> None:
        """A call ended, with a fault or an answer; executions are those that it was made for."""
        sign = sign_of(fault)
        if sign is Sign.ANSWERED:
            self.answered_at = self._clock.now()
        self._hear(sign, fault, permit, executions)

    def unused(self, permit: Permit) -> None:
        """Nothing was called."""
        self._hear(Sign.UNSENT, None, permit, ())

    async def turn(self, budget: Budget, source: Source, urgency: Urgency) -> Permit | None:
        """Wait for a turn of the budget and for the breaker; None where the engine has stopped meanwhile."""
        leave: asyncio.Future[Permit | None] = asyncio.get_running_loop().create_future()

        def ask() -> None:
            if not leave.done():
                budget.ask(urgency, go)
                budget.serve()

        def go() -> bool:
            if leave.done() or not self.admits(source, ask):
                return False
            leave.set_result(self.begin(source))
            return True

        if self._is_stopped:
            return None
        self._leaves[leave] = budget, source, Asked(urgency, self._clock.now())
        try:
            ask()
            return await leave
        finally:
            del self._leaves[leave]

    def stop(self) -> None:
        """Let those go who wait in turn; nothing more is tried."""
        self._is_stopped = True
        for leave in self._leaves:
            if not leave.done():
                leave.set_result(None)
        self._wake_all()

    def _hear(self, sign: Sign, fault: Fault | None, permit: Permit, executions: Iterable[str]) -> None:
        now, before = self._clock.now(), self._breaker
        self._breaker = before.heard(sign, fault, probe=permit.probe, executions=executions, now=now)
        was, opened = before.opened, self._breaker.opened
        if self._breaker is before or (opened is None and was is None):
            return
        if opened is None:
            assert was is not None
            self._tried.clear()
            self._tell(is_open=False, seconds=now - was.since)
            self._wake_all()
            return
        if was is None:
            self.openings += 1
            self._tell(is_open=True, fault=opened.fault)
        self._at(max(opened.until, now), self._offer)

    def _offer(self) -> None:
        """Wake one who waits for the probe, and the next if that one does not send it."""
        if self._is_stopped or self.opened is None or not self._breaker.may_send(self._clock.now()):
            return
        if not self._held:
            return
        source = min(self._held, key=lambda one: (self._tried.get(one, 0), one))
        waiting = self._held[source]
        wake = next(iter(waiting))
        del waiting[wake]
        if not waiting:
            del self._held[source]
        wake()
        if self._held:
            self._at(self._clock.now(), self._offer)

    def _wake_all(self) -> None:
        held, self._held = self._held, {}
        for source in sorted(held):
            for wake in held[source]:
                wake()

    def _tell(self, *, is_open: bool, fault: Fault | None = None, seconds: float = 0.0) -> None:
        self._instrument.breaker(
            handler=self._handler, connection=self._connection, is_open=is_open, fault=fault, seconds=seconds
        )


class Circuits:
    """The circuits of all connections, each made when it is first wanted."""

    def __init__(
        self,
        *,
        clock: Clock,
        handlers: Handlers,
        instrument: Instrument,
        supervisor: Supervisor,
        options: EngineOptions,
    ) -> None:
        self._clock = clock
        self._handlers = handlers
        self._instrument = instrument
        self._supervisor = supervisor
        self._limits = options.breaker_limits
        self._circuits: dict[tuple[str, str], Circuit] = {}

    def of(self, task_type: str, connection: str) -> Circuit:
        """The circuit of one connection of the handler that serves the task type, and of what is derived from it."""
        connection = account_of(connection)
        key = (self._handlers.handler_key(task_type), connection)
        if key not in self._circuits:
            self._circuits[key] = Circuit(
                handler=key[0],
                connection=connection,
                limits=self._limits,
                clock=self._clock,
                instrument=self._instrument,
                at=lambda at, do: self._supervisor.spawn(
                    self._wait(at, do), f"breaker {key[0]}/{connection} waits"
                ),
            )
        return self._circuits[key]

    def stop(self) -> None:
        """Try nothing more, and let those go who wait."""
        for circuit in self._circuits.values():
            circuit.stop()

    async def _wait(self, at: Instant, do: Callable[[], None]) -> None:
        await self._clock.sleep_until(at)
        do()
