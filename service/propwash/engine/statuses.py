"""How the connections stand: what budgets, circuits, lanes and observation hold, put together for who looks."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, assert_never

from propwash.core.breaker import Closed, HalfOpen, Open
from propwash.core.model import Instant
from propwash.core.names import account_of
from propwash.engine.budgets import CLASSES, Asked, Budget, Budgets, CallClass, Urgency
from propwash.engine.circuits import Circuit, Circuits, Source
from propwash.engine.dispatch import Dispatcher
from propwash.engine.lanes import Lane
from propwash.engine.observation import Observer
from propwash.ports import (
    BreakerState,
    BreakerStatus,
    Clock,
    ConnectionStatus,
    Handlers,
    ThrottleStatus,
    WaitingCalls,
)

_WORDS: Final = {
    Urgency.ABORT: "aborts",
    Urgency.NEW: "new",
    Urgency.OBSERVE: "observations",
    Urgency.CATCH_UP: "catching_up",
    Urgency.SWEEP: "sweeps",
}


class Statuses:
    """Implements ports.ConnectionStatuses; changes nothing but that a connection gets its budgets and its breaker."""

    def __init__(
        self,
        *,
        clock: Clock,
        handlers: Handlers,
        budgets: Budgets,
        circuits: Circuits,
        dispatcher: Dispatcher,
        observer: Observer,
    ) -> None:
        self._clock = clock
        self._handlers = handlers
        self._budgets = budgets
        self._circuits = circuits
        self._dispatcher = dispatcher
        self._observer = observer

    def all(self) -> Sequence[ConnectionStatus]:
        """See ports.ConnectionStatuses."""
        served: dict[str, tuple[str, list[str]]] = {}
        for info in self._handlers.catalogue():
            if info.is_serving:
                key = self._handlers.handler_key(info.task_type)
                served.setdefault(key, (info.plugin, []))[1].append(info.task_type)
        observed = self._observed()
        found = [
            self._status(task_type, connection, served, observed)
            for task_type, connection in self._handlers.connections()
        ]
        return sorted(found, key=lambda one: (one.connection, one.handler))

    def _observed(self) -> Mapping[tuple[str, str], Sequence[tuple[int, Instant]]]:
        """The jobs that wait to be observed, by handler and configured connection."""
        jobs: dict[tuple[str, str], list[tuple[int, Instant]]] = defaultdict(list)
        for handler, connection, count, since in self._observer.waiting():
            jobs[handler, account_of(connection)].append((count, since))
        return jobs

    def _status(
        self,
        task_type: str,
        connection: str,
        served: Mapping[str, tuple[str, Sequence[str]]],
        observed: Mapping[tuple[str, str], Sequence[tuple[int, Instant]]],
    ) -> ConnectionStatus:
        handler = self._handlers.handler_key(task_type)
        plugin, task_types = served.get(handler, ("", ()))
        circuit = self._circuits.of(task_type, connection)
        lanes = self._dispatcher.lanes(handler, connection)
        jobs = observed.get((handler, connection), ())
        throttles = {
            kind: self._throttle(
                self._budgets.of(task_type, connection, kind),
                circuit,
                [lane for verb, lane in lanes if CLASSES[verb] is kind],
                self._calls(task_type, jobs) if kind is CallClass.READ else (),
            )
            for kind in CallClass
        }
        return ConnectionStatus(
            connection=connection,
            handler=handler,
            plugin=plugin,
            task_types=tuple(task_types),
            endpoint=self._handlers.endpoint(task_type, connection),
            breaker=_breaker(circuit),
            reads=throttles[CallClass.READ],
            writes=throttles[CallClass.WRITE],
            deletes=throttles[CallClass.DELETE],
            answered_at=circuit.answered_at,
        )

    def _calls(self, task_type: str, jobs: Iterable[tuple[int, Instant]]) -> Sequence[tuple[int, Instant]]:
        """As many calls as these jobs take."""
        size = self._handlers.batch_size(task_type) if self._handlers.is_batched(task_type) else 1
        return [(math.ceil(count / size), since) for count, since in jobs]

    def _throttle(
        self,
        budget: Budget,
        circuit: Circuit,
        lanes: Sequence[Lane],
        observations: Sequence[tuple[int, Instant]],
    ) -> ThrottleStatus:
        waiting: Counter[Urgency] = Counter()
        since: list[Instant | None] = [lane.oldest_since() for lane in lanes]
        for lane in lanes:
            waiting.update(lane.waiting())
        for count, first in observations:
            waiting[Urgency.OBSERVE] += count
            since.append(first)
        for asked in _in_person(budget, circuit):
            waiting[asked.urgency] += 1
            since.append(asked.since)
        now, throttle = self._clock.now(), budget.throttle
        is_paused = throttle.closed_until > now
        return ThrottleStatus(
            configured_rate=budget.limit.rate,
            configured_burst=budget.limit.burst,
            rate=throttle.rate,
            left=0.0 if is_paused else throttle.level,
            paused_until=throttle.closed_until if is_paused else None,
            slowed_at=throttle.cut_at if math.isfinite(throttle.cut_at) else None,
            throttled=budget.throttled,
            waiting=WaitingCalls(**{_WORDS[urgency]: count for urgency, count in waiting.items()}),
            oldest_since=min((one for one in since if one is not None), default=None),
            in_flight=budget.in_flight,
        )


def _in_person(budget: Budget, circuit: Circuit) -> Sequence[Asked]:
    """Sweeps and dry runs, which no lane holds; who observes is counted by the jobs that wait."""
    return [
        *budget.asked,
        *(asked for source, asked in circuit.asked(budget) if source is not Source.OBSERVE),
    ]


def _breaker(circuit: Circuit) -> BreakerStatus:
    match circuit.state:
        case Closed():
            state = BreakerState.CLOSED
        case Open():
            state = BreakerState.OPEN
        case HalfOpen():
            state = BreakerState.HALF_OPEN
        case _:
            assert_never(circuit.state)
    opened = circuit.opened
    return BreakerStatus(
        state=state,
        since=None if opened is None else opened.since,
        next_try_at=circuit.next_try_at,
        fault=None if opened is None else opened.fault,
        openings=circuit.openings,
    )
