"""The engine put together: what is started in which order, how it drains, and how it stops."""

from __future__ import annotations

import asyncio

from propwash.core import standing
from propwash.core.effects import Effect
from propwash.core.ledger import Ledger
from propwash.core.model import Execution, Instant, Waiting
from propwash.engine.admission import Admission
from propwash.engine.budgets import Budgets
from propwash.engine.circuits import Circuits
from propwash.engine.decisions import Decisions
from propwash.engine.dispatch import Dispatcher
from propwash.engine.hints import Hints
from propwash.engine.intake import Intake
from propwash.engine.journal import Journal
from propwash.engine.observation import Observer
from propwash.engine.options import EngineOptions
from propwash.engine.pools import PoolCatalogue
from propwash.engine.reconciler import Reconciler
from propwash.engine.retention import purge_for_ever
from propwash.engine.statuses import Statuses
from propwash.engine.supervision import Supervisor
from propwash.engine.sweep import Sweeper
from propwash.engine.table import Entry, Table
from propwash.engine.waits import Waits
from propwash.ports import Clock, Handlers, Instrument, NotAccepting, Store

LOADED_AT_ONCE = 500
"""Rows that the ledger takes up before the loop is given a turn."""
REPORT_EVERY_S = 1.0
"""How often pools and connections are reported."""


class Engine:
    """Drives every execution of an open store. Start, drain and stop are each called once, in this order."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        handlers: Handlers,
        instrument: Instrument,
        options: EngineOptions,
    ) -> None:
        self._clock = clock
        self._store = store
        self._instrument = instrument
        self._options = options
        self._supervisor = Supervisor()
        self._table = Table()
        self._ledger = Ledger()
        self._journal = Journal(
            store, clock, instrument, gather_s=options.gather_s, retry_s=options.commit_retry_s
        )
        self._reconciler = Reconciler(
            clock=clock,
            journal=self._journal,
            ledger=self._ledger,
            instrument=instrument,
            table=self._table,
            perform=self._perform,
            withdraw_create=self._withdraw_create,
        )
        budgets = self._budgets = Budgets(
            clock=clock, handlers=handlers, supervisor=self._supervisor, options=options
        )
        self._circuits = circuits = Circuits(
            clock=clock,
            handlers=handlers,
            instrument=instrument,
            supervisor=self._supervisor,
            options=options,
        )
        self._observer = Observer(
            clock=clock,
            handlers=handlers,
            instrument=instrument,
            supervisor=self._supervisor,
            options=options,
            budgets=budgets,
            circuits=circuits,
            reply=self._reconciler.reply,
        )
        self._dispatcher = Dispatcher(
            clock=clock,
            store=store,
            handlers=handlers,
            instrument=instrument,
            supervisor=self._supervisor,
            options=options,
            budgets=budgets,
            circuits=circuits,
            observer=self._observer,
            reply=self._reconciler.reply,
        )
        self._sweeper = Sweeper(
            clock=clock,
            store=store,
            handlers=handlers,
            instrument=instrument,
            table=self._table,
            options=options,
            budgets=budgets,
            circuits=circuits,
        )
        self.connections = Statuses(
            clock=clock,
            handlers=handlers,
            budgets=budgets,
            circuits=circuits,
            dispatcher=self._dispatcher,
            observer=self._observer,
        )
        self._decisions = Decisions()
        self.pools = PoolCatalogue(
            clock=clock,
            store=store,
            journal=self._journal,
            decisions=self._decisions,
            ledger=self._ledger,
            reconciler=self._reconciler,
            table=self._table,
            configured=options.pool_specs(),
        )
        self._intake = Intake(
            clock=clock, journal=self._journal, table=self._table, instrument=instrument, options=options
        )
        self.executions = Admission(
            clock=clock,
            store=store,
            handlers=handlers,
            budgets=budgets,
            circuits=circuits,
            journal=self._journal,
            decisions=self._decisions,
            reconciler=self._reconciler,
            ledger=self._ledger,
            table=self._table,
            intake=self._intake,
            waits=Waits(
                clock=clock,
                table=self._table,
                ledger=self._ledger,
                budgets=budgets,
                circuits=circuits,
                dispatcher=self._dispatcher,
            ),
            hints=Hints(
                store=store,
                table=self._table,
                reconciler=self._reconciler,
                observer=self._observer,
                instrument=instrument,
            ),
        )

    async def start(self) -> None:
        """Load what is not terminal, go on with it, and take new work. Returns when ready."""
        async for records in self._store.load_active():
            for record in records:
                self._table.add(
                    Entry(record.name, record.execution, record.version, None, is_catching_up=True)
                )
                self._instrument.stepped(record.name, None, None, record.execution, ())
        await self.pools.load()
        rows = sorted((entry.execution for entry in self._table), key=_waiting_since)
        for first in range(0, len(rows), LOADED_AT_ONCE):
            self._ledger.take_up(rows[first : first + LOADED_AT_ONCE], self._clock.now())
            await asyncio.sleep(0)
        self._ledger.settle()
        self._journal.last_seq = await self._store.last_seq()
        self._supervisor.spawn(self._journal.run(), "journal", is_eternal=True)
        self._supervisor.spawn(self._reconciler.timers.run(), "timers", is_eternal=True)
        for _ in self._reconciler.resume():
            await asyncio.sleep(0)
        self._supervisor.spawn(self._sweeper.run(), "sweeper", is_eternal=True)
        self._supervisor.spawn(
            purge_for_ever(
                clock=self._clock, store=self._store, instrument=self._instrument, options=self._options
            ),
            "retention",
            is_eternal=True,
        )
        self._supervisor.spawn(self._report(), "report", is_eternal=True)
        self._supervisor.spawn(self._intake.run(), "intake", is_eternal=True)
        self.executions.open()
        self.pools.open()

    async def failed(self) -> None:
        """Wait until the engine can no longer work; raises supervision.TaskDied."""
        await self._supervisor.failed()

    async def drain(self, *, deadline_s: float) -> bool:
        """Take nothing new, start no more remote calls, and wait for those in flight; whether all ended in time.

        Nothing remote is killed: what runs goes on, and the next start takes it up.
        """
        self.executions.close()
        self.pools.close()
        self._dispatcher.stop()
        self._reconciler.stop()
        self._observer.stop()
        self._sweeper.stop()
        self._circuits.stop()
        self._budgets.stop()
        try:
            async with asyncio.timeout(deadline_s):
                await self._dispatcher.quiet()
                await self._observer.quiet()
                await self._journal.flushed()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """End every task. What is in flight becomes doubt, which the next start resolves."""
        self.executions.close()
        self.pools.close()
        await self._supervisor.close()
        self._decisions.abandon()
        self._journal.abandon(NotAccepting("the server stopped before the commit was answered"))

    def _perform(self, entry: Entry, effect: Effect) -> None:
        self._dispatcher.perform(entry, effect)

    def _withdraw_create(self, entry: Entry) -> bool:
        return self._dispatcher.withdraw_create(entry)

    async def _report(self) -> None:
        while True:
            views = []
            for name in tuple(self._ledger.pools):
                if (pool := self._ledger.pools.get(name)) is not None:
                    views.append(standing.view(pool))
                    # A pool that many projects use takes its time.
                    await asyncio.sleep(0)
            self._instrument.pools(views)
            self._instrument.connections(self.connections.all())
            await self._clock.sleep_until(self._clock.now() + REPORT_EVERY_S)


def _waiting_since(execution: Execution) -> Instant:
    """The order in which the waiters asked: not that of their creation where one waits with a later attempt."""
    return execution.state.since if isinstance(execution.state, Waiting) else 0.0
