"""The search for orphans: remote jobs with our owner label that no live attempt owns."""

from __future__ import annotations

import asyncio

from propwash.core.events import Deletion
from propwash.core.model import Cleaning, Fault, Instant, Launching, RemoteName, Running
from propwash.core.names import parse_remote_name
from propwash.engine.budgets import Budgets, CallClass, Urgency
from propwash.engine.circuits import Circuits, Source
from propwash.engine.options import EngineOptions
from propwash.engine.table import Table
from propwash.ports import Clock, Handlers, Instrument, Store
from propwash.sdk.handler import ListedJob

TURN = 200
"""Jobs of a list looked at before the loop is given a turn."""
_LISTED = "*"
"""In place of an execution: the list is of all."""


class Sweeper:
    """Lists every connection's live jobs of ours now and then, and deletes what has long been an orphan.

    A job counts as an orphan only when it was one in every sweep for the settle time: a list may be older than the end
    of the attempt that owned the job. A job in doubt is not adopted here: its attempt looks it up by itself.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        handlers: Handlers,
        instrument: Instrument,
        table: Table,
        options: EngineOptions,
        budgets: Budgets,
        circuits: Circuits,
    ) -> None:
        self._clock = clock
        self._store = store
        self._handlers = handlers
        self._instrument = instrument
        self._table = table
        self._options = options
        self._budgets = budgets
        self._circuits = circuits
        self._under_way: set[tuple[str, str]] = set()
        self._suspects: dict[tuple[str, str, RemoteName], Instant] = {}
        self._failing: dict[tuple[str, str], str] = {}
        """Why a connection cannot be searched; told once, and again where the reason changes."""
        self._is_stopped = False

    def stop(self) -> None:
        """Start no more calls."""
        self._is_stopped = True

    def _may_call(self) -> bool:
        return not self._is_stopped

    async def run(self) -> None:
        """Sweep for ever, every connection by itself, so that none waits for another's limits or outage."""
        async with asyncio.TaskGroup() as group:
            while True:
                for key in self._handlers.connections():
                    if key not in self._under_way:
                        self._under_way.add(key)
                        group.create_task(self._sweep_once(*key), name=f"sweep {key[0]}/{key[1]}")
                await self._clock.sleep_until(self._clock.now() + self._options.sweep_every_s)

    async def _sweep_once(self, task_type: str, connection: str) -> None:
        try:
            await self._sweep(task_type, connection)
        finally:
            self._under_way.discard((task_type, connection))

    async def _sweep(self, task_type: str, connection: str) -> None:
        reads = self._budgets.of(task_type, connection, CallClass.READ)
        if not self._may_call() or reads.wait_s(Urgency.SWEEP) > self._options.sweep_every_s:
            return
        circuit = self._circuits.of(task_type, connection)
        permit = await circuit.turn(reads, Source.SWEEP, Urgency.SWEEP)
        if permit is None or not self._may_call():
            return
        with reads.calling():
            listed = await self._handlers.list(task_type, connection, self._store.owner)
        fault = listed if isinstance(listed, Fault) else None
        reads.heed(fault, sent_at=permit.sent_at)
        circuit.end(permit, fault, executions=(_LISTED,))
        if isinstance(listed, Fault):
            if self._failing.get((task_type, connection)) != listed.reason:
                self._instrument.trouble(
                    "sweep", listed.message, task_type=task_type, connection=connection, reason=listed.reason
                )
            self._failing[task_type, connection] = listed.reason
            return
        self._failing.pop((task_type, connection), None)
        now = self._clock.now()
        orphans: dict[RemoteName, ListedJob] = {}
        for number, job in enumerate(listed, start=1):
            if self._is_orphan(job):
                orphans[job.name] = job
            if number % TURN == 0:
                await asyncio.sleep(0)
        mine = {key for key in self._suspects if key[:2] == (task_type, connection)}
        for key in mine:
            if key[2] not in orphans:
                del self._suspects[key]
        for name, job in orphans.items():
            since = self._suspects.setdefault((task_type, connection, name), now)
            if now - since >= self._options.orphan_settle_s and self._may_call():
                await self._delete(task_type, connection, job)
        self._instrument.swept(
            task_type=task_type, connection=connection, listed=len(listed), orphans=len(orphans)
        )

    def _is_orphan(self, job: ListedJob) -> bool:
        parsed = parse_remote_name(job.name)
        if parsed is None or parsed.owner != self._store.owner:
            return False
        entry = self._table.by_uid(parsed.uid)
        if entry is None or entry.execution.attempt != parsed.attempt:
            return True
        return not isinstance(entry.execution.state, Launching | Running | Cleaning)

    async def _delete(self, task_type: str, connection: str, job: ListedJob) -> None:
        deletes = self._budgets.of(task_type, connection, CallClass.DELETE)
        circuit = self._circuits.of(task_type, connection)
        permit = await circuit.turn(deletes, Source.SWEEP, Urgency.SWEEP)
        if permit is None or not self._may_call():
            return
        with deletes.calling():
            deletion = await self._handlers.delete(task_type, connection, job.name, job.meta, b"")
        fault = deletion if isinstance(deletion, Fault) else None
        deletes.heed(fault, sent_at=permit.sent_at)
        circuit.end(permit, fault, executions=(job.name,))
        if isinstance(deletion, Fault):
            self._instrument.trouble(
                "sweep", deletion.message, remote_name=job.name, connection=connection, reason=deletion.reason
            )
        elif deletion is not Deletion.PENDING:
            self._suspects.pop((task_type, connection, job.name), None)
