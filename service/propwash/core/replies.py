"""What the answers of the remote system make of an execution. An answer that does not fit the state changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from propwash.core import endings, hints, timing
from propwash.core.events import Deletion, Verb
from propwash.core.model import (
    Cleaning,
    CreateStatus,
    Execution,
    Fault,
    FaultKind,
    Instant,
    Launching,
    Observation,
    Outcome,
    OutcomeKind,
    RemotePhase,
    Running,
    State,
    Trouble,
)

MISSING_LIMIT = 3
"""Consecutive answers that a job which must exist does not, before it counts as lost."""
CREATE_IN_DOUBT = "CREATE_IN_DOUBT"
"""The reason of an attempt that ends because nobody can say whether its job exists, and a second must not."""


def confirm(
    execution: Execution,
    state: State,
    meta: bytes,
    observation: Observation,
    asked_at: Instant,
    now: Instant,
) -> Execution:
    settled_at = now + execution.plan.traits.settle_s
    match state:
        case Launching(granted_at=granted_at, has_doubted=has_doubted):
            poll_at = timing.next_poll_at(execution, granted_at, now, observation.ask_again_s)
            running = Running(
                granted_at=granted_at,
                meta=meta,
                observation=observation,
                observed_at=now,
                poll_at=hints.no_later(execution, poll_at, asked_at, now),
                settled_at=max(settled_at, state.settled_at),
                has_doubted=has_doubted,
            )
            after = execution.with_state(running)
            return endings.conclude(after, running, observation, now) if observation.phase.is_final else after
        case Cleaning(meta=None):
            return execution.with_state(
                replace(
                    state,
                    create=CreateStatus.CONFIRMED,
                    meta=meta,
                    not_before=now,
                    settled_at=max(settled_at, state.settled_at),
                    links=observation.links,
                )
            )
        case _:
            return execution


def find_nothing(execution: Execution, state: State, asked_at: Instant, now: Instant) -> Execution:
    if not isinstance(state, Launching) or state.create is not CreateStatus.DOUBTFUL:
        return execution
    if not execution.plan.traits.has_unique_names and asked_at < state.settled_at:
        not_before = hints.no_later(execution, state.settled_at, asked_at, now)
        return execution.with_state(replace(state, not_before=not_before, trouble=None))
    return execution.with_state(replace(state, create=CreateStatus.SENT))


def observe(
    execution: Execution, state: State, observation: Observation, asked_at: Instant, now: Instant
) -> Execution:
    if not isinstance(state, Running):
        return execution
    if observation.phase.is_final:
        return endings.conclude(execution, state, observation, now)
    if asked_at < state.observed_at:
        return execution
    poll_at = timing.next_poll_at(execution, state.granted_at, now, observation.ask_again_s)
    if state.observation.phase is RemotePhase.RUNNING:
        observation = replace(observation, phase=RemotePhase.RUNNING)
    if observation == state.observation:
        observation = state.observation
    return execution.with_state(
        replace(
            state,
            observation=observation,
            observed_at=now,
            poll_at=hints.no_later(execution, poll_at, asked_at, now),
            missing=0,
            trouble=None,
        )
    )


def miss(execution: Execution, state: State, asked_at: Instant, now: Instant) -> Execution:
    if not isinstance(state, Running):
        return execution
    poll_at = timing.next_poll_at(execution, state.granted_at, now)
    poll_at = hints.no_later(execution, poll_at, asked_at, now)
    if asked_at < state.settled_at:
        return execution.with_state(replace(state, poll_at=poll_at))
    missing = state.missing + 1
    if missing >= MISSING_LIMIT:
        message = "the remote system no longer knows the job"
        return endings.end_attempt(
            execution, Outcome(kind=OutcomeKind.FAILED, reason="RESOURCE_LOST", message=message), now
        )
    return execution.with_state(replace(state, missing=missing, poll_at=poll_at))


def delete(
    execution: Execution, state: State, deletion: Deletion, asked_at: Instant, now: Instant
) -> Execution:
    if not isinstance(state, Cleaning):
        return execution
    if _is_confirmed_gone(execution, state, deletion, asked_at):
        return endings.finish(execution, state.then, now, links=state.links)
    deletes = state.deletes + 1
    not_before = now + timing.wait_s(execution, "delete", deletes, timing.DELETE_BACKOFF)
    if deletion is not Deletion.PENDING and state.create is not CreateStatus.SENT:
        not_before = max(not_before, state.settled_at)
    not_before = hints.no_later(execution, not_before, asked_at, now)
    return execution.with_state(replace(state, deletes=deletes, not_before=not_before, trouble=None))


def _is_confirmed_gone(execution: Execution, state: Cleaning, deletion: Deletion, asked_at: Instant) -> bool:
    if state.create is CreateStatus.SENT:
        # Its answer comes before long, and until then the create counts against the pools.
        return False
    traits = execution.plan.traits
    is_settled = asked_at >= state.settled_at
    match deletion:
        case Deletion.PENDING:
            return False
        case Deletion.ABSENT:
            return is_settled or traits.remembers_deleted_names
        case Deletion.GONE:
            is_only_job = state.create is CreateStatus.CONFIRMED and not state.has_doubted
            return is_settled or traits.has_unique_names or is_only_job
        case _:
            assert_never(deletion)


def fail(
    execution: Execution, state: State, verb: Verb, fault: Fault, asked_at: Instant, now: Instant
) -> Execution:
    match verb, state:
        case Verb.CREATE, (Launching(create=CreateStatus.SENT) | Cleaning(create=CreateStatus.SENT)):
            return _fault_of_create(execution, state, fault, now)
        case Verb.FIND, Launching(create=CreateStatus.DOUBTFUL):
            trouble = timing.worsened(state.trouble, fault, now)
            delay_s = timing.wait_s(execution, "find", trouble.count, timing.CREATE_BACKOFF, fault)
            not_before = hints.no_later(execution, now + delay_s, asked_at, now, fault)
            return execution.with_state(replace(state, trouble=trouble, not_before=not_before))
        case Verb.OBSERVE, Running():
            trouble = timing.worsened(state.trouble, fault, now)
            delay_s = timing.wait_s(execution, "observe", trouble.count, timing.OBSERVE_BACKOFF, fault)
            poll_at = hints.no_later(execution, now + delay_s, asked_at, now, fault)
            return execution.with_state(replace(state, trouble=trouble, poll_at=poll_at))
        case Verb.DELETE, Cleaning():
            trouble = timing.worsened(state.trouble, fault, now)
            delay_s = timing.wait_s(execution, "delete", trouble.count, timing.DELETE_BACKOFF, fault)
            not_before = hints.no_later(execution, now + delay_s, asked_at, now, fault)
            return execution.with_state(replace(state, trouble=trouble, not_before=not_before))
        case _:
            return execution


def _fault_of_create(
    execution: Execution, state: Launching | Cleaning, fault: Fault, now: Instant
) -> Execution:
    trouble = timing.worsened(state.trouble, fault, now)
    delay_s = timing.wait_s(execution, "create", trouble.count, timing.CREATE_BACKOFF, fault)
    match fault.kind:
        case FaultKind.UNAVAILABLE | FaultKind.INTERNAL:
            why = f"{fault.reason}: {fault.message}"
            return doubt(execution, replace(state, trouble=trouble), now, not_before=now + delay_s, why=why)
        case FaultKind.THROTTLED:
            return create_did_nothing(execution, state, now, trouble=trouble, delay_s=delay_s)
        case FaultKind.PERMANENT | FaultKind.RETRYABLE:
            if isinstance(state, Cleaning):
                return create_did_nothing(execution, state, now, trouble=None, delay_s=0.0)
            refused = execution.with_state(replace(state, create=CreateStatus.UNSENT))
            outcome = Outcome(kind=OutcomeKind.FAILED, reason=fault.reason, message=fault.message)
            if fault.kind is FaultKind.PERMANENT:
                return endings.end(refused, outcome, now)
            return endings.end_attempt(refused, outcome, now, retry_after_s=fault.retry_after_s)
        case _:
            assert_never(fault.kind)


def create_did_nothing(
    execution: Execution, state: State, now: Instant, *, trouble: Trouble | None, delay_s: float
) -> Execution:
    match state:
        case Launching(create=CreateStatus.SENT):
            return execution.with_state(
                replace(state, create=CreateStatus.UNSENT, not_before=now + delay_s, trouble=trouble)
            )
        case Cleaning(create=CreateStatus.SENT, has_doubted=True) if execution.plan.traits.can_look_up:
            return execution.with_state(replace(state, create=CreateStatus.DOUBTFUL))
        case Cleaning(create=CreateStatus.SENT):
            return endings.finish(execution, state.then, now, links=state.links)
        case _:
            return execution


def doubt(
    execution: Execution, state: Launching | Cleaning, now: Instant, *, not_before: Instant, why: str
) -> Execution:
    """The answer to a create is lost; why is for who has to live with it."""
    traits = execution.plan.traits
    settled_at = now + traits.settle_s
    if isinstance(state, Launching) and not traits.has_unique_names:
        not_before = max(not_before, settled_at)
    doubtful = replace(
        state, create=CreateStatus.DOUBTFUL, settled_at=settled_at, has_doubted=True, not_before=not_before
    )
    after = execution.with_state(doubtful)
    match doubtful:
        case Cleaning() if not traits.can_look_up:
            return endings.finish(after, doubtful.then, now, links=doubtful.links)
        case Launching() if not traits.can_look_up and not traits.has_unique_names:
            outcome = Outcome(kind=OutcomeKind.FAILED, reason=CREATE_IN_DOUBT, message=why)
            return endings.end_attempt(after, outcome, now)
        case _:
            return after
