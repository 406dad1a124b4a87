"""What an execution waits for: answered at once, from memory, for the one who asks."""

from __future__ import annotations

from typing import assert_never

from propwash.core.events import Verb
from propwash.core.ledger import Ledger
from propwash.core.model import (
    Cleaning,
    CreateStatus,
    Done,
    Execution,
    FaultKind,
    Instant,
    Launching,
    Queued,
    Running,
    Waiting,
)
from propwash.core.pool import Block, Place, merged
from propwash.engine.budgets import CLASSES, Budgets
from propwash.engine.circuits import Circuits
from propwash.engine.dispatch import Dispatcher
from propwash.engine.snapshot import Snapshot
from propwash.engine.table import Entry, Table
from propwash.ports import Behind, Clock, Hold, Paused, Record, Silent, Wait

SHORT_S = 1.0
"""A wait for the rate that nobody needs to be told of."""


class Waits:
    """Looks at what the parts of the engine hold. Positions may be a second old; who came later is behind all."""

    def __init__(
        self,
        *,
        clock: Clock,
        table: Table,
        ledger: Ledger,
        budgets: Budgets,
        circuits: Circuits,
        dispatcher: Dispatcher,
    ) -> None:
        self._clock = clock
        self._table = table
        self._ledger = ledger
        self._budgets = budgets
        self._circuits = circuits
        self._dispatcher = dispatcher
        self._positions = Snapshot(clock, ledger.positions)

    def of(self, record: Record) -> Wait | None:
        """See ports.Executions."""
        entry = self._table.by_uid(record.execution.uid)
        if entry is None:
            return None
        execution, read = entry.execution, record.execution
        if execution.attempt != read.attempt or type(execution.state) is not type(read.state):
            # It has moved on since it was read: what it waits for now does not go with what it was.
            return None
        match execution.state:
            case Queued() | Done():
                return None
            case Waiting():
                return Wait(pools=self._places(execution))
            case Launching(create=create, not_before=not_before):
                verb = Verb.FIND if create is CreateStatus.DOUBTFUL else Verb.CREATE
                return self._wait(entry, verb, not_before)
            case Running(poll_at=poll_at, trouble=trouble):
                return self._wait(entry, Verb.OBSERVE, poll_at if trouble is not None else 0.0)
            case Cleaning(not_before=not_before):
                return self._wait(entry, Verb.DELETE, not_before)
            case _:
                assert_never(execution.state)

    def _places(self, execution: Execution) -> tuple[Place, ...]:
        positions, places = self._positions.value(), []
        for claim in merged(execution.plan.claims):
            view = self._ledger.view(claim.pool)
            position = positions.get(claim.pool, {}).get(execution.uid, view.waiting)
            places.append(
                Place(
                    pool=claim.pool,
                    units=claim.units,
                    position=min(position, view.waiting),
                    waiting=view.waiting,
                    occupied=view.occupied,
                    capacity=view.capacity,
                    block=Block.CAPACITY if position == 1 else Block.TURN,
                )
            )
        return tuple(places)

    def _wait(self, entry: Entry, verb: Verb, not_before: Instant) -> Wait:
        deleted = entry.deleted
        is_told = deleted is not None and deleted.attempt == entry.execution.attempt
        return Wait(
            hold=self._hold(entry, verb),
            retry_at=not_before if not_before > self._clock.now() else None,
            deletion=deleted.deletion if deleted is not None and is_told else None,
        )

    def _hold(self, entry: Entry, verb: Verb) -> Hold | None:
        plan, now = entry.execution.plan, self._clock.now()
        ahead = self._dispatcher.ahead(entry, verb)
        if ahead is None and verb in entry.in_flight:
            return None
        circuit = self._circuits.of(plan.task_type, plan.connection)
        if (opened := circuit.opened) is not None:
            return Silent(since=opened.since, next_try_at=circuit.next_try_at, fault=opened.fault)
        budget = self._budgets.of(plan.task_type, plan.connection, CLASSES[verb])
        if budget.closed_until > now and (ahead is not None or _is_throttled(entry.execution)):
            return Paused(until=budget.closed_until)
        if ahead is not None and (ahead or budget.wait_s() > SHORT_S):
            return Behind(ahead=ahead, per_s=budget.rate)
        return None


def _is_throttled(execution: Execution) -> bool:
    match execution.state:
        case Launching(trouble=trouble) | Running(trouble=trouble) | Cleaning(trouble=trouble):
            return trouble is not None and trouble.fault.kind is FaultKind.THROTTLED
        case _:
            return False
