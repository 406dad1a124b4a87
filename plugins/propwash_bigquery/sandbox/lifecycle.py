"""From insert to DONE: one entry in the schedule for each job, SQL in worker threads, cancel and timeout."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import Future
from functools import partial
from typing import Any

from propwash.sandbox import Fault, FaultKind, LedgerState, World
from propwash_bigquery.sandbox.copying import copy
from propwash_bigquery.sandbox.engine import Engine, Rows, stopped
from propwash_bigquery.sandbox.errors import BigQueryError, reason_of_label
from propwash_bigquery.sandbox.execution import Outcome, execute
from propwash_bigquery.sandbox.extracting import extract
from propwash_bigquery.sandbox.jobs import ANONYMOUS_DATASET, Job
from propwash_bigquery.sandbox.loading import load
from propwash_bigquery.sandbox.objects import ObjectStore
from propwash_bigquery.sandbox.registry import Registry
from propwash_bigquery.sandbox.requests import JOB_ID
from propwash_bigquery.sandbox.sql import Statement, TableName
from propwash_bigquery.sandbox.trivial import trivial_rows

SYSTEM = "bigquery"
FAIL_REASON_LABEL = "sandbox-fail-reason"
FAIL_ATTEMPTS_LABEL = "sandbox-fail-attempts"
STUCK_LABEL = "sandbox-stuck"
_INTERRUPT_AGAIN_S = 0.05


class Jobs:
    """Makes jobs and brings them to their end. Not thread-safe: it lives on the loop's thread."""

    def __init__(self, world: World, engine: Engine, registry: Registry, store: ObjectStore) -> None:
        self._world = world
        self._engine = engine
        self._store = store
        self._registry = registry
        self._generated = itertools.count(1)
        self._by_number: dict[int, Job] = {}

    def now(self) -> float:
        """The present instant."""
        return self._world.clock.now()

    def create(
        self,
        project: str,
        reference: dict[str, Any],
        configuration: dict[str, Any],
        *,
        fault: Fault | None = None,
    ) -> Job:
        """Enter a job with a checked configuration. Raises BigQueryError (duplicate, invalid)."""
        job_id = reference.get("jobId") or f"job_sandbox_{next(self._generated)}"
        if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
            raise BigQueryError("invalid", f'Invalid job ID "{job_id}".')
        location = str(reference.get("location") or "US")
        jobs = self._registry.project(project)
        if jobs.is_taken(job_id, location):
            self._world.ledger.duplicate_request()
            raise BigQueryError("duplicate", f"Already Exists: Job {project}:{location}.{job_id}")
        now = self.now()
        labels: dict[str, str] = configuration.get("labels") or {}
        job = Job(
            project=project,
            job_id=job_id,
            location=location,
            configuration=configuration,
            labels=labels,
            ledger=self._world.ledger.created(
                system=SYSTEM, account=project, name=job_id, labels=labels, at=now
            ),
            created_at=now,
            start_at=now + self._world.speed.speed.pending_ms / 1000,
        )
        if fault is not None and fault.kind is FaultKind.VANISHING:
            job.hidden_until = now + fault.duration_s
        job.is_stuck = STUCK_LABEL in labels or (fault is not None and fault.kind is FaultKind.STUCK)
        jobs.add(job)
        self._by_number[job.ledger.number] = job
        self._world.ledger.started(job.ledger, at=job.start_at)
        self._schedule(job)
        return job

    def cancel(self, job: Job, *, fault: Fault | None = None) -> None:
        """Ask a job to stop; it ends a little later, as in the real service. A job that is DONE stays as it is."""
        if job.ended_at is not None or job.stop is not None:
            return
        if fault is not None and fault.kind is FaultKind.CANCEL_IGNORED and not job.was_cancel_ignored:
            job.was_cancel_ignored = True
            return
        due_at = self.now() + self._world.speed.speed.cancel_ms / 1000
        self._world.schedule.at(due_at, partial(self._stop, job, "User requested cancellation"))

    async def done(self, job: Job, *, timeout_s: float) -> bool:
        """Wait for the job's end, at most so long, and say whether it came."""
        if job.ended_at is not None:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        job.waiters.append(waiter)
        self._world.schedule.at(self.now() + timeout_s, partial(_let_go, waiter))
        await waiter
        return job.ended_at is not None

    def anonymous_rows(self, table: TableName) -> Rows | None:
        """What a query without a destination left in its anonymous table, or None where this is no such table."""
        prefix, _, number = table.table.partition("_")
        if table.dataset != ANONYMOUS_DATASET or prefix != "anon" or not number.isdecimal():
            return None
        job = self._by_number.get(int(number))
        return job.rows if job is not None and job.project == table.project else None

    def clear(self) -> None:
        """End all jobs at once and forget them."""
        for job in self._by_number.values():
            if job.ended_at is None:
                self._interrupt(job)
                self._finish(job, Outcome(error=stopped()), is_script=False)
        self._by_number.clear()

    def let_go(self) -> None:
        """Answer whoever waits for a job, and interrupt what runs."""
        for job in self._by_number.values():
            if job.ended_at is None:
                self._interrupt(job)
                for waiter in job.waiters:
                    _let_go(waiter)

    def _interrupt(self, job: Job) -> None:
        job.stop = job.stop or "The sandbox was stopped"
        if job.run is not None:
            job.run.interrupt()

    def _schedule(self, job: Job) -> None:
        duration_s = self._world.speed.duration_s(job.labels)
        timeout_ms = job.configuration.get("jobTimeoutMs")
        if not job.is_stuck:
            self._world.schedule.at(job.start_at + duration_s, partial(self._run, job))
        if timeout_ms is None:
            return
        timeout_s = int(str(timeout_ms)) / 1000
        if job.is_stuck or timeout_s <= duration_s or _trivial(job) is None:
            why = f"Job timed out after {timeout_s:g}s"
            self._world.schedule.at(job.start_at + timeout_s, partial(self._stop, job, why))

    def _run(self, job: Job) -> None:
        if job.ended_at is not None or job.stop is not None:
            return
        reason = job.labels.get(FAIL_REASON_LABEL)
        if reason is not None and self._is_to_fail(job):
            reason = reason_of_label(reason)
            error = BigQueryError(reason, f"The sandbox was told to fail this job with {reason}")
            self._finish(job, Outcome(error=error), is_script=False)
            return
        found = _trivial(job)
        if found is not None:
            self._finish(job, Outcome(statement=found[0], rows=found[1]), is_script=False)
            return
        loop = asyncio.get_running_loop()
        future = self._world.workers.submit(self._work, job, loop)
        future.add_done_callback(partial(_hand_over, loop, partial(self._worked, job)))

    def _is_to_fail(self, job: Job) -> bool:
        only = job.labels.get(FAIL_ATTEMPTS_LABEL, "")
        attempt = job.ledger.attempt or "1"
        return not (only.isdecimal() and attempt.isdecimal()) or int(attempt) <= int(only)

    def _work(self, job: Job, loop: asyncio.AbstractEventLoop) -> tuple[Outcome, bool]:
        job.run = run = self._engine.begin(job.project)
        if job.stop is not None:
            return Outcome(error=stopped(job.stop)), False

        def on_child(outcome: Outcome) -> None:
            loop.call_soon_threadsafe(self._child, job, outcome, self.now())

        given = job.configuration[job.kind]
        match job.kind:
            case "load":
                return load(self._engine, run, self._store, job.project, given), False
            case "extract":
                return extract(self._engine, run, self._store, job.project, given), False
            case "copy":
                return copy(self._engine, run, job.project, given, now=job.created_at), False
            case _:
                return execute(self._engine, run, job.project, given, on_child=on_child)

    def _worked(self, job: Job, future: Future[tuple[Outcome, bool]]) -> None:
        job.run = None
        if future.cancelled():
            return
        failure = future.exception()
        if failure is not None:
            # A fault of the stand-in itself is shown as one, never as the caller's.
            self._finish(job, Outcome(error=BigQueryError("internalError", repr(failure))), is_script=False)
            return
        outcome, is_script = future.result()
        if outcome.error is not None and outcome.error.reason == "stopped" and job.stop is not None:
            outcome.error = stopped(job.stop)
        self._finish(job, outcome, is_script=is_script)

    def _child(self, parent: Job, outcome: Outcome, now: float) -> None:
        if parent.ended_at is not None:
            return
        job_id = f"script_job_{parent.ledger.number}_{len(parent.children)}"
        started_at = parent.children[-1].ended_at if parent.children else parent.start_at
        query = {"query": outcome.text, "useLegacySql": False, "priority": "INTERACTIVE"}
        child = Job(
            project=parent.project,
            job_id=job_id,
            location=parent.location,
            configuration={"jobType": "QUERY", "query": query, "labels": parent.labels},
            labels=parent.labels,
            ledger=self._world.ledger.created(
                system=SYSTEM,
                account=parent.project,
                name=job_id,
                labels=parent.labels,
                at=now,
                parent=parent.job_id,
            ),
            created_at=now,
            start_at=started_at or now,
            parent=parent,
            text=outcome.text,
        )
        parent.children.append(child)
        parent.fragments.clear()
        self._registry.project(parent.project).add(child)
        self._world.ledger.started(child.ledger, at=child.start_at)
        self._finish(child, outcome, is_script=False)

    def _stop(self, job: Job, why: str) -> None:
        if job.ended_at is not None:
            return
        job.stop = job.stop or why
        run = job.run
        if run is None:
            self._finish(job, Outcome(error=stopped(job.stop)), is_script=False)
            return
        run.interrupt()
        # An interrupt that comes between two statements is lost on the engine, so it is repeated until the end.
        self._world.schedule.at(self.now() + _INTERRUPT_AGAIN_S, partial(self._stop, job, why))

    def _finish(self, job: Job, outcome: Outcome, *, is_script: bool) -> None:
        if job.ended_at is not None:
            return
        now = self.now()
        job.ended_at = now
        job.start_at = min(job.start_at, now)
        job.statement, job.rows, job.error = outcome.statement, outcome.rows, outcome.error
        job.processed_bytes, job.is_script = outcome.processed_bytes, is_script
        job.moved = outcome.moved
        job.fragments.clear()
        state = LedgerState.FINISHED
        if outcome.error is not None:
            state = LedgerState.CANCELLED if outcome.error.reason == "stopped" else LedgerState.FAILED
        self._world.ledger.ended(job.ledger, state=state, at=now)
        for waiter in job.waiters:
            _let_go(waiter)
        job.waiters.clear()


def _trivial(job: Job) -> tuple[Statement, Rows] | None:
    return trivial_rows(job.query) if job.kind == "query" else None


def _let_go(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _hand_over(loop: asyncio.AbstractEventLoop, call: Any, future: Future[tuple[Outcome, bool]]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, future)
