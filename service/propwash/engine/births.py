"""States that a new execution may have besides Queued."""

from __future__ import annotations

from dataclasses import replace

from propwash.core.model import Done, Instant, Observation, Outcome, OutcomeKind, RemotePhase, Running
from propwash.ports import AdoptedJob, Record


def stillborn(record: Record, message: str) -> Record:
    """Aborted before it came."""
    outcome = Outcome(kind=OutcomeKind.ABORTED, reason="ABORTED", message=message)
    state = Done(outcome=outcome, ended_at=record.execution.created_at)
    return replace(record, execution=record.execution.with_state(state))


def running(job: AdoptedJob, now: Instant) -> Running:
    """An adopted job is presumed to run until it is observed, which is due at once."""
    return Running(
        granted_at=now,
        meta=job.meta,
        observation=Observation(phase=RemotePhase.RUNNING, links=job.links),
        observed_at=now,
        poll_at=now,
        settled_at=now,
    )
