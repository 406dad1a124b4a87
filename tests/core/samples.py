"""Executions to step, and what happens to them, for the tests of the core."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from propwash.core import machine
from propwash.core.events import (
    AbortRequested,
    Created,
    Deleted,
    Deletion,
    Event,
    Faulted,
    Found,
    FoundNothing,
    Granted,
    Hinted,
    Missed,
    Observed,
    Resumed,
    Ticked,
    Unsent,
    Verb,
)
from propwash.core.model import (
    Cleaning,
    Done,
    Execution,
    ExecutionUid,
    Fault,
    FaultKind,
    Launching,
    Observation,
    Plan,
    Policy,
    Queued,
    RemotePhase,
    Traits,
)

SETTLE_S = 60.0
PENDING = Observation(phase=RemotePhase.PENDING)
RUNNING = Observation(phase=RemotePhase.RUNNING)
SUCCEEDED = Observation(phase=RemotePhase.SUCCEEDED)
BROKEN = Observation(phase=RemotePhase.FAILED, reason="BROKEN")
BROKEN_ONCE = Observation(phase=RemotePhase.FAILED, reason="BROKEN_ONCE", is_retryable=True)


def queued(policy: Policy = Policy(), **traits: bool) -> Execution:  # noqa: B008  # frozen
    """A new execution at instant 0."""
    plan = Plan(task_type="t", policy=policy, traits=Traits(settle_s=SETTLE_S, **traits))
    uid = ExecutionUid("0" * 26)
    return Execution(
        uid=uid, plan=plan, state=Queued(not_before=0.0), attempt=1, created_at=0.0, updated_at=0.0
    )


def after(execution: Execution, *happened: tuple[float, Event]) -> Execution:
    """Step through what happened, each at its instant; the table is checked at each step."""
    for now, event in happened:
        execution, _ = machine.step(execution, event, now)
    return execution


def launched(execution: Execution) -> Execution:
    """Granted at instant 0, its create in flight."""
    return after(execution, (0.0, Ticked()), (0.0, Granted(attempt=1)))


def faulted(verb: Verb, kind: FaultKind, *, attempt: int = 1, retry_after_s: float | None = None) -> Faulted:
    """A call gave no answer."""
    fault = Fault(kind=kind, reason=kind.name, message="", retry_after_s=retry_after_s)
    return Faulted(attempt=attempt, verb=verb, fault=fault, asked_at=0.0)


def created(observation: Observation = PENDING, *, attempt: int = 1) -> Created:
    """The remote system has told of the job."""
    return Created(attempt=attempt, meta=b"m", observation=observation, asked_at=0.0)


def deleted(deletion: Deletion, asked_at: float) -> Deleted:
    """A delete was answered."""
    return Deleted(attempt=1, deletion=deletion, asked_at=asked_at)


def events(attempt: int, asked_at: float) -> Iterator[Event]:
    """Every event, in every shape that the machine distinguishes."""
    yield Ticked()
    yield Resumed()
    yield AbortRequested()
    yield Hinted()
    yield Hinted(attempt=attempt)
    yield Granted(attempt=attempt)
    yield Unsent(attempt=attempt)
    yield FoundNothing(attempt=attempt, asked_at=asked_at)
    yield Missed(attempt=attempt, asked_at=asked_at)
    for observation in (PENDING, RUNNING, SUCCEEDED, BROKEN, BROKEN_ONCE):
        yield Created(attempt=attempt, meta=b"m", observation=observation, asked_at=asked_at)
        yield Found(attempt=attempt, meta=b"m", observation=observation, asked_at=asked_at)
        yield Observed(attempt=attempt, observation=observation, asked_at=asked_at)
    for deletion in Deletion:
        yield Deleted(attempt=attempt, deletion=deletion, asked_at=asked_at)
    for verb in Verb:
        for kind in FaultKind:
            yield replace(faulted(verb, kind, attempt=attempt), asked_at=asked_at)


def summary(execution: Execution) -> str:
    """The state in words, as the tables have it."""
    match execution.state:
        case Launching(create=create) | Cleaning(create=create):
            return f"{type(execution.state).__name__} {create.name}"
        case Done(outcome=outcome):
            return f"Done {outcome.kind.name} {outcome.reason}".strip()
        case state:
            return type(state).__name__
