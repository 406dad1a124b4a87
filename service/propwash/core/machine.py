"""The execution machine: what an event makes of an execution, and what the execution then wants.

Theory of operation
===================

``step(execution, event, now)`` is ``advance`` (what is now true) followed by ``due`` (what that wants). The engine
commits the new execution before it performs any effect, and every reply comes back as an event that names its attempt.

An execution goes through attempts. An attempt goes through::

    Queued -> Waiting -> Launching -> Running -> Cleaning -> Done, or Queued for the next attempt

*Queued* waits for its time, *Waiting* for its pools. The grant of the pools and the intent to create are one commit
(``Granted`` leads to ``Launching`` with a create that counts as sent), so that no create is ever sent before its intent
is durable. *Launching* ends when the remote system has told of the job. *Running* observes. *Cleaning* has decided what
follows (an outcome, or another attempt) and deletes until the remote side is confirmed gone. *Done* wants nothing.
Tokens are held exactly in Launching, Running and Cleaning.

**What is known of the create** is the heart of it (``CreateStatus``). A create that is refused or throttled did
nothing: UNSENT. A create without an answer is DOUBTFUL: it may be applied at any time until ``settled_at``. Doubt is
resolved by a look-up under the deterministic name. Where the system refuses a second job of one name, an unsuccessful
look-up may be followed by another create at once, since both cannot win; elsewhere only a look-up asked after
``settled_at`` counts.
``has_doubted`` remembers that an earlier create may still arrive, so that a later refusal proves nothing about it.
Where nothing can be looked up by name (``can_look_up``), a create in doubt is sent again if names are unique. If they
are not, a second create could make a second job: the attempt ends with CREATE_IN_DOUBT, and the user's attempts decide.
What is ended in doubt there cannot be cleaned up; its outcome says so.

**Loading a row is a fact too.** Who loads it has lost the memory of what was in flight; ``Resumed`` turns a create in
flight into a create in doubt, and leaves everything else as it is. Recovery is then ``due`` as ever.

**Delete can overtake create.** An answer that nothing of that name exists confirms nothing while a create may still be
applied: it counts only when asked after ``settled_at``, or where the system remembers deleted names. The same instant
guards an existing job against a system that does not show it yet.

**Who may end an execution.** Only an answer of the remote system, or a recorded policy (a deadline, an abort, a doubt
that nothing can resolve). Every other fault becomes ``Trouble``, which is shown and retried with capped backoff,
without limit and without using up an attempt.

**A hint** (``Hinted``) is nobody's answer: it ends nothing and changes nothing that is stored. It makes the question
that the state asks anyhow due now: the observation, the look-up in doubt, the confirmation of the end. A question that
was under way when it came is asked once more, since its answer may be older than what the hint is about. The pause that
a throttling system has asked for stands, and hints make at most one call due a poll floor (a second where that is
shorter).

**Volatile fields** (when to poll next, how often a call has failed, when a hint came) may be lost in a crash without
harm; a change of nothing else is not committed. ``is_durable_change`` tells.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from propwash.core import endings, hints, replies, timing, transitions
from propwash.core.effects import Create, Delete, Effect, Find, Observe
from propwash.core.events import (
    AbortRequested,
    Created,
    Deleted,
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
)
from propwash.core.model import (
    Cleaning,
    CreateStatus,
    Done,
    Execution,
    Instant,
    Launching,
    Outcome,
    OutcomeKind,
    Queued,
    Running,
    Trouble,
    Waiting,
)


def step(execution: Execution, event: Event, now: Instant) -> tuple[Execution, tuple[Effect, ...]]:
    """One transition and what the new state wants now.

    Raises transitions.InvalidTransition where advance made a change that the table of transitions does not have.
    """
    after = advance(execution, event, now)
    transitions.check(execution, event, after)
    return after, due(after, now)


def advance(execution: Execution, event: Event, now: Instant) -> Execution:
    """What is true after the event. Total: a stale, duplicate or out-of-order event changes nothing."""
    now = max(now, execution.updated_at)
    state = execution.state
    if isinstance(state, Done):
        return execution
    if event == Hinted():
        event = Hinted(attempt=execution.attempt)
    if not isinstance(event, Ticked | Resumed | AbortRequested) and event.attempt != execution.attempt:
        return execution
    after = _advance(execution, state, event, now)
    return execution if after is execution else replace(after, updated_at=now)


def _advance(
    execution: Execution, state: Queued | Waiting | Launching | Running | Cleaning, event: Event, now: Instant
) -> Execution:
    match event:
        case Ticked():
            return _tick(execution, state, now)
        case Resumed():
            return _resume(execution, state, now)
        case AbortRequested(message=message):
            return endings.end(
                execution, Outcome(kind=OutcomeKind.ABORTED, reason="ABORTED", message=message), now
            )
        case Hinted():
            return hints.hint(execution, state, now)
        case Granted():
            if not isinstance(state, Waiting):
                return execution
            return execution.with_state(Launching(granted_at=now, create=CreateStatus.SENT, not_before=now))
        case Created() | Found():
            return replies.confirm(execution, state, event.meta, event.observation, event.asked_at, now)
        case Unsent():
            return replies.create_did_nothing(execution, state, now, trouble=None, delay_s=0.0)
        case FoundNothing(asked_at=asked_at):
            return replies.find_nothing(execution, state, asked_at, now)
        case Observed(observation=observation, asked_at=asked_at):
            return replies.observe(execution, state, observation, asked_at, now)
        case Missed(asked_at=asked_at):
            return replies.miss(execution, state, asked_at, now)
        case Deleted(deletion=deletion, asked_at=asked_at):
            return replies.delete(execution, state, deletion, asked_at, now)
        case Faulted(verb=verb, fault=fault, asked_at=asked_at):
            return replies.fail(execution, state, verb, fault, asked_at, now)
        case _:
            assert_never(event)


def due(execution: Execution, now: Instant) -> tuple[Effect, ...]:
    """What the state wants now. Depends on nothing else, so that restart is ``due`` of what was loaded."""
    attempt, can_look_up = execution.attempt, execution.plan.traits.can_look_up
    match execution.state:
        case Queued() | Waiting() | Done():
            return ()
        case Launching(create=CreateStatus.SENT):
            return (Create(attempt=attempt),)
        case Launching(create=CreateStatus.DOUBTFUL, not_before=not_before):
            return (Find(attempt=attempt),) if now >= not_before and can_look_up else ()
        case Launching():
            return ()
        case Running(poll_at=poll_at, meta=meta):
            return (Observe(attempt=attempt, meta=meta),) if now >= poll_at else ()
        case Cleaning(not_before=not_before, meta=meta):
            is_reached = meta is not None or can_look_up
            return (Delete(attempt=attempt, meta=meta),) if now >= not_before and is_reached else ()
        case _:
            assert_never(execution.state)


def is_durable_change(before: Execution, after: Execution) -> bool:
    """Whether anything but volatile fields differs, so that after has to be committed before it is acted upon."""
    if before is after:
        return False
    old, new = before.state, after.state
    match old, new:
        case Launching(), Launching():
            return (old.create, old.settled_at, old.has_doubted) != (
                new.create,
                new.settled_at,
                new.has_doubted,
            ) or _trouble_shown(old.trouble) != _trouble_shown(new.trouble)
        case Running(), Running():
            return (
                old.observation != new.observation
                or old.missing != new.missing
                or _trouble_shown(old.trouble) != _trouble_shown(new.trouble)
            )
        case Cleaning(), Cleaning():
            return (
                (old.then, old.create, old.meta) != (new.then, new.create, new.meta)
                or (old.settled_at, old.has_doubted) != (new.settled_at, new.has_doubted)
                or _trouble_shown(old.trouble) != _trouble_shown(new.trouble)
            )
        case _:
            return old != new or before.attempt != after.attempt


def _trouble_shown(trouble: Trouble | None) -> tuple[str, str] | None:
    return None if trouble is None else (trouble.fault.kind.name, trouble.fault.reason)


def _tick(
    execution: Execution, state: Queued | Waiting | Launching | Running | Cleaning, now: Instant
) -> Execution:
    policy = execution.plan.policy
    if timing.is_over(execution.created_at, policy.total_deadline_s, now):
        return endings.end(
            execution, endings.timed_out("TOTAL_DEADLINE_EXCEEDED", policy.total_deadline_s), now
        )
    match state:
        case Queued(not_before=not_before) if now >= not_before:
            return execution.with_state(Waiting(since=now))
        case Waiting(since=since) if timing.is_over(since, policy.wait_deadline_s, now):
            return endings.end(
                execution, endings.timed_out("WAIT_DEADLINE_EXCEEDED", policy.wait_deadline_s), now
            )
        case Launching(granted_at=granted_at) | Running(granted_at=granted_at) if timing.is_over(
            granted_at, policy.run_deadline_s, now
        ):
            return endings.end_attempt(
                execution, endings.timed_out("RUN_DEADLINE_EXCEEDED", policy.run_deadline_s), now
            )
        case Launching(create=CreateStatus.UNSENT, not_before=not_before) if now >= not_before:
            return execution.with_state(replace(state, create=CreateStatus.SENT))
        case Launching(create=CreateStatus.DOUBTFUL, not_before=not_before) if (
            now >= not_before and not execution.plan.traits.can_look_up
        ):
            return execution.with_state(replace(state, create=CreateStatus.SENT))
        case _:
            return execution


def _resume(
    execution: Execution, state: Queued | Waiting | Launching | Running | Cleaning, now: Instant
) -> Execution:
    if not isinstance(state, Launching | Cleaning) or state.create is not CreateStatus.SENT:
        return execution
    return replies.doubt(execution, state, now, not_before=now, why="the server was restarted")
