"""A completion hint makes the next question due at once, at a bounded pace, and does nothing else."""

from __future__ import annotations

from itertools import pairwise

from propwash.core import machine
from propwash.core.effects import Delete, Find, Observe
from propwash.core.events import (
    AbortRequested,
    Deleted,
    Deletion,
    Event,
    Faulted,
    Hinted,
    Missed,
    Observed,
    Verb,
)
from propwash.core.model import Execution, Fault, FaultKind, Launching, Policy, Running
from tests.core.samples import PENDING, RUNNING, after, created, faulted, launched, queued

PACE_S = 1.0
"""Traits() has a poll floor of so much."""
LONG_AGO = 5.0
NOW = 1000.0


def running() -> Execution:
    """Asked at 1000 s, so that it is to be asked again at 1030 s."""
    told = Observed(attempt=1, observation=RUNNING, asked_at=NOW - 0.2)
    return after(launched(queued()), (LONG_AGO, created(RUNNING)), (NOW, told))


def poll_at(execution: Execution) -> float:
    assert isinstance(execution.state, Running)
    return execution.state.poll_at


def fault(verb: Verb, kind: FaultKind, asked_at: float) -> Faulted:
    return Faulted(attempt=1, verb=verb, fault=Fault(kind=kind, reason="R", message=""), asked_at=asked_at)


def test_a_job_that_was_hinted_at_is_asked_for_at_once_and_nothing_is_stored() -> None:
    before = running()
    hinted, effects = machine.step(before, Hinted(), NOW + 3)
    assert effects == (Observe(attempt=1, meta=b"m"),)
    assert not machine.is_durable_change(before, hinted)
    assert hinted.phase is before.phase


def test_a_hint_of_another_attempt_is_not_heard() -> None:
    for attempt in (0, 2):
        assert machine.advance(running(), Hinted(attempt=attempt), NOW + 3) == running()
    assert poll_at(machine.advance(running(), Hinted(attempt=1), NOW + 3)) == NOW + 3


def test_an_answer_asked_for_before_the_hint_is_followed_by_another_question() -> None:
    answers: tuple[Event, ...] = (
        Observed(attempt=1, observation=RUNNING, asked_at=NOW + 30),
        Missed(attempt=1, asked_at=NOW + 30),
        fault(Verb.OBSERVE, FaultKind.UNAVAILABLE, NOW + 30),
    )
    for answer in answers:
        asked_again = after(running(), (NOW + 31, Hinted()), (NOW + 32, answer))
        assert poll_at(asked_again) == NOW + 32
        once = after(running(), (NOW + 29, Hinted()), (NOW + 32, answer))
        assert poll_at(once) > NOW + 32


def test_hints_make_at_most_one_question_due_in_the_poll_floor() -> None:
    execution, due = running(), []
    for number in range(100):
        now = NOW + 3 + number / 20
        execution, effects = machine.step(execution, Hinted(), now)
        if effects:
            due.append(now)
            told = Observed(attempt=1, observation=RUNNING, asked_at=now)
            execution = machine.advance(execution, told, now)
    assert len(due) == 5
    assert all(later - earlier >= PACE_S - 1e-9 for earlier, later in pairwise(due))


def test_the_pause_that_a_system_asked_for_stands_and_the_hint_is_remembered() -> None:
    slowed = after(running(), (NOW + 30, fault(Verb.OBSERVE, FaultKind.THROTTLED, NOW + 30)))
    hinted = machine.advance(slowed, Hinted(), NOW + 30.1)
    assert poll_at(hinted) == poll_at(slowed)
    told = Observed(attempt=1, observation=RUNNING, asked_at=NOW + 30.05)
    assert poll_at(machine.advance(hinted, told, NOW + 33)) == NOW + 33


def test_a_create_in_doubt_is_looked_up_at_once() -> None:
    doubtful = after(
        launched(queued(has_unique_names=False)), (1.0, faulted(Verb.CREATE, FaultKind.UNAVAILABLE))
    )
    assert isinstance(doubtful.state, Launching)
    assert not machine.due(doubtful, 5.0)
    hinted, effects = machine.step(doubtful, Hinted(), 5.0)
    assert effects == (Find(attempt=1),)
    assert not machine.is_durable_change(doubtful, hinted)


def test_a_create_that_cannot_be_looked_up_is_not_sent_sooner() -> None:
    doubtful = after(launched(queued(can_look_up=False)), (1.0, faulted(Verb.CREATE, FaultKind.UNAVAILABLE)))
    assert machine.advance(doubtful, Hinted(), 1.1) is doubtful


def test_a_create_in_flight_or_held_back_is_not_touched() -> None:
    sent = launched(queued())
    assert machine.advance(sent, Hinted(), 5.0) is sent
    held = after(sent, (1.0, faulted(Verb.CREATE, FaultKind.THROTTLED)))
    assert machine.advance(held, Hinted(), 1.1) is held


def test_the_confirmation_of_an_end_is_asked_for_at_once() -> None:
    ending = after(running(), (NOW + 1, AbortRequested()))
    pending = Deleted(attempt=1, deletion=Deletion.PENDING, asked_at=NOW + 1)
    for _ in range(8):
        ending = machine.advance(ending, pending, NOW + 2)
    assert not machine.due(ending, NOW + 5)
    hinted, effects = machine.step(ending, Hinted(), NOW + 5)
    assert effects == (Delete(attempt=1, meta=b"m"),)
    assert not machine.is_durable_change(ending, hinted)


def test_who_has_no_remote_job_hears_no_hint() -> None:
    new = queued(Policy())
    assert machine.advance(new, Hinted(), 5.0) is new
    told = after(launched(new), (LONG_AGO, created(PENDING)))
    assert machine.advance(told, Hinted(), 6.0) is not told
