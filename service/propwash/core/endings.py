"""How attempts and executions end: what follows, and whether the remote side has to be cleaned first."""

from __future__ import annotations

from dataclasses import replace

from propwash.core import timing
from propwash.core.model import (
    AttemptFailure,
    Cleaning,
    CreateStatus,
    Done,
    Execution,
    Instant,
    Launching,
    Link,
    Observation,
    Outcome,
    OutcomeKind,
    Queued,
    RemotePhase,
    Retry,
    Running,
    Waiting,
)

OVERTAKEN_CREATE_S = 2.0
"""How long an abort waits for the answer to a create in flight before it deletes by name."""
FAILURES_KEPT = 10
LOST = "the answer to a create was lost, and its job, if there is one, runs on unseen"


def conclude(execution: Execution, state: Running, observation: Observation, now: Instant) -> Execution:
    ended = execution.with_state(replace(state, observation=observation, observed_at=now))
    is_good = observation.phase is RemotePhase.SUCCEEDED
    kind = OutcomeKind.SUCCEEDED if is_good else OutcomeKind.FAILED
    outcome = Outcome(
        kind=kind,
        reason=observation.reason,
        message=observation.message,
        outputs=observation.outputs,
        links=observation.links,
        is_retryable=observation.is_retryable,
    )
    is_alone = execution.plan.traits.has_unique_names or not state.has_doubted
    then = _retry_of(ended, outcome) if observation.is_retryable else None
    if is_alone:
        return finish(ended, then or outcome, now, links=observation.links)
    return _clean(ended, then or outcome, now)


def end(execution: Execution, outcome: Outcome, now: Instant) -> Execution:
    """Decide that the execution ends so, whatever its attempt does."""
    state = execution.state
    if isinstance(state, Cleaning):
        if isinstance(state.then, Outcome):
            return execution
        return execution.with_state(replace(state, then=outcome))
    return _clean(execution, outcome, now)


def end_attempt(
    execution: Execution, outcome: Outcome, now: Instant, *, retry_after_s: float | None = None
) -> Execution:
    """Decide that the attempt is over; the outcome holds where no other attempt is left."""
    then = _retry_of(execution, outcome, retry_after_s) or replace(outcome, is_retryable=True)
    return _clean(execution, then, now)


def _retry_of(execution: Execution, outcome: Outcome, retry_after_s: float | None = None) -> Retry | None:
    if outcome.kind is OutcomeKind.SUCCEEDED or execution.attempt >= execution.plan.policy.max_attempts:
        return None
    return Retry(reason=outcome.reason, message=outcome.message, retry_after_s=retry_after_s)


def _clean(execution: Execution, then: Outcome | Retry, now: Instant) -> Execution:
    """Leave the attempt for what follows: through Cleaning where anything of it may be at the remote side."""
    match execution.state:
        case Launching(create=CreateStatus.UNSENT, has_doubted=False) | Queued() | Waiting():
            return finish(execution, then, now, links=())
        case Launching(create=CreateStatus.UNSENT | CreateStatus.DOUBTFUL) if (
            not execution.plan.traits.can_look_up
        ):
            return finish(execution, then, now, links=())
        case Launching(create=create) as state:
            is_in_flight = create is CreateStatus.SENT
            return execution.with_state(
                Cleaning(
                    granted_at=state.granted_at,
                    then=then,
                    since=now,
                    create=CreateStatus.SENT if is_in_flight else CreateStatus.DOUBTFUL,
                    meta=None,
                    not_before=now + OVERTAKEN_CREATE_S if is_in_flight else now,
                    settled_at=state.settled_at,
                    has_doubted=state.has_doubted,
                )
            )
        case Running() as state:
            return execution.with_state(
                Cleaning(
                    granted_at=state.granted_at,
                    then=then,
                    since=now,
                    create=CreateStatus.CONFIRMED,
                    meta=state.meta,
                    not_before=now,
                    settled_at=state.settled_at,
                    has_doubted=state.has_doubted,
                    links=state.observation.links,
                )
            )
        case _:
            return execution


def finish(
    execution: Execution, then: Outcome | Retry, now: Instant, *, links: tuple[Link, ...]
) -> Execution:
    """The remote side is confirmed gone, or cannot be reached: end, or begin the next attempt."""
    if _is_lost(execution):
        then = replace(then, message=f"{then.message}; {LOST}" if then.message else LOST)
    if isinstance(then, Outcome):
        outcome = then if then.links else replace(then, links=links)
        meta = execution.state.meta if isinstance(execution.state, Running | Cleaning) else None
        return execution.with_state(Done(outcome=outcome, ended_at=now, meta=meta))
    failure = AttemptFailure(attempt=execution.attempt, reason=then.reason, message=then.message, at=now)
    delay_s = timing.wait_s(execution, "attempt", execution.attempt, timing.ATTEMPT_BACKOFF)
    return replace(
        execution,
        state=Queued(not_before=now + max(delay_s, then.retry_after_s or 0.0)),
        attempt=execution.attempt + 1,
        failures=(*execution.failures, failure)[-FAILURES_KEPT:],
    )


def _is_lost(execution: Execution) -> bool:
    """Whether a job of the attempt may exist of which only a lost answer told."""
    match execution.state:
        case Launching(has_doubted=True) | Cleaning(has_doubted=True, meta=None):
            return not execution.plan.traits.can_look_up
        case _:
            return False


def timed_out(reason: str, deadline_s: float | None) -> Outcome:
    what = reason.removesuffix("_DEADLINE_EXCEEDED").lower()
    message = f"the {what} deadline of {deadline_s or 0:g} s is over"
    return Outcome(kind=OutcomeKind.TIMED_OUT, reason=reason, message=message)
