"""From submission to end: one entry in the schedule for each statement, SQL in worker threads, cancel and timeout."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

from propwash.sandbox import Fault, FaultKind, LedgerState, World
from propwash_snowflake.sandbox.engine import Engine
from propwash_snowflake.sandbox.errors import SnowflakeError, canceled, timed_out, told
from propwash_snowflake.sandbox.execution import Execution, Outcome
from propwash_snowflake.sandbox.history import History
from propwash_snowflake.sandbox.purposes import Purpose, cancelled_handle, purpose_of, waited_s
from propwash_snowflake.sandbox.registry import Registry
from propwash_snowflake.sandbox.requests import Submission
from propwash_snowflake.sandbox.session import Account, open_session
from propwash_snowflake.sandbox.statements import Statement
from propwash_snowflake.sandbox.tags import FAIL_ATTEMPTS_LABEL, FAIL_REASON_LABEL, STUCK_LABEL
from propwash_snowflake.sandbox.trivial import is_trivial, status_rows, trivial_rows

SYSTEM: Final = "snowflake"
_INTERRUPT_AGAIN_S = 0.05


class Statements:
    """Makes statements and brings them to their end. Not thread-safe: it lives on the loop's thread."""

    def __init__(self, world: World, engine: Engine, registry: Registry, account: Account) -> None:
        self._world = world
        self._engine = engine
        self._registry = registry
        self._account = account
        self._history = History(registry, account, world.clock)
        self._numbers = itertools.count(1)
        self._era = int(world.clock.now()) & 0xFFFFFFFF

    def now(self) -> float:
        """The present instant."""
        return self._world.clock.now()

    def submit(self, submission: Submission, *, user: str, fault: Fault | None = None) -> Statement:
        """Enter a checked submission. Raises SnowflakeError where the session cannot be had."""
        session = open_session(self._account, submission, user)
        purpose = purpose_of(submission.statement, session.tag.text)
        now = self.now()
        statement = self._made(
            submission.statement,
            submission=submission,
            session=session,
            created_at=now,
            start_at=now if purpose is not Purpose.JOB else now + self._world.speed.speed.pending_ms / 1000,
            is_service=purpose is not Purpose.JOB,
        )
        if purpose is Purpose.JOB:
            self._enter(statement, at=now)
            kind = None if fault is None else fault.kind
            if fault is not None and kind is FaultKind.VANISHING:
                statement.hidden_until = now + fault.duration_s
            statement.is_stuck = STUCK_LABEL in session.tag.labels or kind is FaultKind.STUCK
        elif fault is not None and purpose is Purpose.HISTORY:
            self._show_badly(statement, fault)
        self._registry.add(statement)
        if purpose is Purpose.CANCEL:
            self._cancel_by_sql(statement, fault)
        else:
            self._schedule(statement)
        return statement

    def cancel(self, statement: Statement, *, fault: Fault | None = None) -> None:
        """Ask a statement to stop; it ends a little later. One that has ended stays as it is."""
        statement = statement.parent or statement
        if statement.ended_at is not None or statement.stop is not None:
            return
        ignored = fault is not None and fault.kind is FaultKind.CANCEL_IGNORED
        if ignored and not statement.was_cancel_ignored:
            statement.was_cancel_ignored = True
            return
        due_at = self.now() + self._world.speed.speed.cancel_ms / 1000
        self._world.schedule.at(due_at, partial(self._stop, statement, canceled()))

    async def done(self, statement: Statement, *, timeout_s: float) -> bool:
        """Wait for the statement's end, at most so long, and say whether it came."""
        if statement.ended_at is not None:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        statement.waiters.append(waiter)
        self._world.schedule.at(self.now() + timeout_s, partial(_let_go, waiter))
        await waiter
        return statement.ended_at is not None

    def clear(self) -> None:
        """End all statements at once; the registry forgets them."""
        for statement in self._registry.all:
            if statement.ended_at is None:
                self._interrupt(statement)
                self._finish(statement, Outcome(error=canceled()))
        # No handle of before may name a statement of after.
        self._era = (self._era + 1) & 0xFFFFFFFF
        self._numbers = itertools.count(1)

    def let_go(self) -> None:
        """Answer whoever waits for a statement, and interrupt what runs."""
        for statement in self._registry.all:
            if statement.ended_at is None:
                self._interrupt(statement)
                for waiter in statement.waiters:
                    _let_go(waiter)

    def _made(self, text: str, **members: Any) -> Statement:
        number = next(self._numbers)
        handle = f"{self._era:08x}-0000-0000-{number >> 32:04x}-{number & 0xFFFFFFFFFFFF:012x}"
        return Statement(handle=handle, number=number, text=text, ledger=None, **members)

    def _enter(self, statement: Statement, *, at: float) -> None:
        tag, parent = statement.session.tag, statement.parent
        name = tag.name if tag.name is not None and parent is None else statement.handle
        statement.ledger = self._world.ledger.created(
            system=SYSTEM,
            account=self._account.name,
            name=name,
            labels=dict(tag.labels),
            at=at,
            parent=None if parent is None or parent.ledger is None else parent.ledger.name,
        )
        self._world.ledger.started(statement.ledger, at=statement.start_at)

    def _show_badly(self, statement: Statement, fault: Fault) -> None:
        now = self.now()
        if fault.kind is FaultKind.LIST_MISSES_NEWEST:
            statement.known_before = now - fault.duration_s
        elif fault.kind is FaultKind.UNKNOWN_STATE:
            jobs = (one for one in reversed(self._registry.all) if not one.is_service)
            newest = next(jobs, None)
            if newest is not None:
                newest.unknown_until = now + fault.duration_s

    def _cancel_by_sql(self, statement: Statement, fault: Fault | None) -> None:
        handle = cancelled_handle(statement.text) or ""
        found = self._registry.find(handle, self.now())
        if found is None or found.ended_at is not None:
            message = "Identified SQL statement is not currently executing."
        else:
            self.cancel(found, fault=fault)
            message = f"query [{handle}] terminated."
        rows = status_rows(message, name=f"SYSTEM$CANCEL_QUERY('{handle.upper()}')")
        self._finish(statement, Outcome(rows=rows, query_type="SELECT"))

    def _schedule(self, statement: Statement) -> None:
        duration_s = 0.0
        if not statement.is_service:
            waited = waited_s(statement.text)
            labels = statement.session.tag.labels
            duration_s = self._world.speed.duration_s(labels) if waited is None else waited
        if not statement.is_stuck:
            self._world.schedule.at(statement.start_at + duration_s, partial(self._run, statement))
        timeout_s = self._timeout_s(statement)
        if timeout_s is None:
            return
        if statement.is_stuck or timeout_s <= duration_s or not is_trivial(statement.text):
            due_at = statement.start_at + timeout_s
            self._world.schedule.at(due_at, partial(self._stop, statement, timed_out(timeout_s)))

    def _timeout_s(self, statement: Statement) -> float | None:
        if statement.submission.timeout_s is not None:
            return statement.submission.timeout_s
        given = statement.session.parameters.get("STATEMENT_TIMEOUT_IN_SECONDS", "")
        return int(given) if given.isdecimal() and int(given) else None

    def _run(self, statement: Statement) -> None:
        if statement.ended_at is not None or statement.stop is not None:
            return
        reason = statement.session.tag.labels.get(FAIL_REASON_LABEL)
        if reason is not None and self._is_to_fail(statement):
            self._finish(statement, Outcome(error=told(reason)))
            return
        waited = waited_s(statement.text)
        if waited is not None:
            rows = status_rows(f"waited {waited:g} seconds", name="SYSTEM$WAIT")
            self._finish(statement, Outcome(rows=rows, query_type="SELECT"))
            return
        found = trivial_rows(statement.text)
        if found is not None and statement.submission.statement_count in {0, 1}:
            self._finish(statement, Outcome(rows=found, query_type="SELECT"))
            return
        loop = asyncio.get_running_loop()
        future = self._world.workers.submit(self._work, statement, loop)
        future.add_done_callback(partial(_hand_over, loop, partial(self._worked, statement)))

    def _is_to_fail(self, statement: Statement) -> bool:
        only = statement.session.tag.labels.get(FAIL_ATTEMPTS_LABEL, "")
        attempt = "1" if statement.ledger is None else statement.ledger.attempt or "1"
        return not (only.isdecimal() and attempt.isdecimal()) or int(attempt) <= int(only)

    def _work(self, statement: Statement, loop: asyncio.AbstractEventLoop) -> Outcome:
        run = self._engine.begin()
        statement.run = run
        if statement.stop is not None:
            return Outcome(error=statement.stop)

        def on_child(text: str, outcome: Outcome) -> None:
            loop.call_soon_threadsafe(self._child, statement, text, outcome, self.now())

        execution = Execution(
            engine=self._engine,
            account=self._account,
            history=self._history,
            run=run,
            statement=statement,
            now=self.now(),
        )
        return execution.execute(on_child)

    def _worked(self, statement: Statement, future: Future[Outcome]) -> None:
        statement.run = None
        if future.cancelled():
            return
        failure = future.exception()
        if failure is not None:
            # A fault of the stand-in itself is shown as one, never as the caller's.
            message = f"SQL execution internal error: {failure!r}"
            self._finish(statement, Outcome(error=SnowflakeError("000603", message, state="XX000")))
            return
        outcome = future.result()
        if outcome.error is not None and statement.stop is not None:
            outcome.error = statement.stop
        self._finish(statement, outcome)

    def _child(self, parent: Statement, text: str, outcome: Outcome, now: float) -> None:
        if parent.ended_at is not None:
            return
        started_at = parent.children[-1].ended_at if parent.children else parent.start_at
        child = self._made(
            text,
            submission=parent.submission,
            session=outcome.session or parent.session,
            created_at=now,
            start_at=started_at or now,
            parent=parent,
        )
        parent.is_multi = True
        parent.children.append(child)
        if parent.ledger is not None:
            self._enter(child, at=now)
        self._registry.add(child)
        self._finish(child, outcome)

    def _interrupt(self, statement: Statement) -> None:
        statement.stop = statement.stop or canceled()
        if statement.run is not None:
            statement.run.interrupt()

    def _stop(self, statement: Statement, why: SnowflakeError) -> None:
        if statement.ended_at is not None:
            return
        statement.stop = statement.stop or why
        run = statement.run
        if run is None:
            self._finish(statement, Outcome(error=statement.stop))
            return
        run.interrupt()
        # An interrupt that comes between two statements is lost on the engine, so it is repeated until the end.
        again: Callable[[], None] = partial(self._stop, statement, why)
        self._world.schedule.at(self.now() + _INTERRUPT_AGAIN_S, again)

    def _finish(self, statement: Statement, outcome: Outcome) -> None:
        if statement.ended_at is not None:
            return
        now = self.now()
        statement.ended_at = now
        statement.start_at = min(statement.start_at, now)
        statement.rows, statement.error = outcome.rows, outcome.error
        statement.query_type = outcome.query_type
        statement.is_multi = statement.is_multi or outcome.is_multi
        if statement.ledger is not None:
            state = LedgerState.FINISHED
            if outcome.error is not None:
                state = LedgerState.CANCELLED if statement.was_canceled else LedgerState.FAILED
            self._world.ledger.ended(statement.ledger, state=state, at=now)
        for waiter in statement.waiters:
            _let_go(waiter)
        statement.waiters.clear()


def _let_go(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _hand_over(loop: asyncio.AbstractEventLoop, call: Any, future: Future[Outcome]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, future)
