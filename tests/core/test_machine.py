"""Scenarios of the machine, as tables: what happens when, and where that leads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from propwash.core import machine
from propwash.core.effects import Create, Delete, Effect, Find, Observe
from propwash.core.events import (
    AbortRequested,
    Deletion,
    Event,
    Found,
    FoundNothing,
    Granted,
    Missed,
    Observed,
    Resumed,
    Ticked,
    Unsent,
    Verb,
)
from propwash.core.model import (
    Execution,
    FaultKind,
    Policy,
)
from tests.core.samples import (
    BROKEN_ONCE,
    PENDING,
    SUCCEEDED,
    after,
    created,
    deleted,
    faulted,
    launched,
    queued,
    summary,
)

LOST = faulted(Verb.CREATE, FaultKind.UNAVAILABLE)
THROTTLED = faulted(Verb.CREATE, FaultKind.THROTTLED, retry_after_s=7.0)
REFUSED = faulted(Verb.CREATE, FaultKind.PERMANENT)
GONE, ABSENT, ACCEPTED = Deletion.GONE, Deletion.ABSENT, Deletion.PENDING


def nothing(asked_at: float) -> FoundNothing:
    """A look-up found no job."""
    return FoundNothing(attempt=1, asked_at=asked_at)


def found() -> Found:
    """A look-up found the job."""
    return Found(attempt=1, meta=b"m", observation=PENDING, asked_at=0.0)


Step = tuple[float, Event, str, tuple[Effect, ...]]
CREATE, FIND, DELETE = Create(attempt=1), Find(attempt=1), Delete(attempt=1, meta=None)
DELETE_META, OBSERVE = Delete(attempt=1, meta=b"m"), Observe(attempt=1, meta=b"m")
ABORT = AbortRequested(message="stop")

SCENARIOS: dict[str, tuple[Execution, tuple[Step, ...]]] = {
    "the plain way": (
        queued(),
        (
            (0.0, Ticked(), "Waiting", ()),
            (0.0, Granted(attempt=1), "Launching SENT", (CREATE,)),
            (1.0, created(), "Running", ()),
            (2.5, Ticked(), "Running", (OBSERVE,)),
            (3.0, Observed(attempt=1, observation=SUCCEEDED, asked_at=2.5), "Done SUCCEEDED", ()),
        ),
    ),
    "a delete overtakes a create whose answer is lost": (
        launched(queued()),
        (
            (5.0, ABORT, "Cleaning SENT", ()),
            (10.0, LOST, "Cleaning DOUBTFUL", ()),
            (12.0, Ticked(), "Cleaning DOUBTFUL", (DELETE,)),
            (12.1, deleted(ABSENT, 12.0), "Cleaning DOUBTFUL", ()),
            (70.0, Ticked(), "Cleaning DOUBTFUL", (DELETE,)),
            (70.5, deleted(ABSENT, 69.9), "Cleaning DOUBTFUL", ()),
            (72.0, deleted(ABSENT, 71.5), "Done ABORTED ABORTED", ()),
        ),
    ),
    "a delete finds what the lost create made": (
        launched(queued()),
        (
            (5.0, ABORT, "Cleaning SENT", ()),
            (10.0, LOST, "Cleaning DOUBTFUL", ()),
            (12.1, deleted(ACCEPTED, 12.0), "Cleaning DOUBTFUL", ()),
            (13.1, deleted(GONE, 13.0), "Done ABORTED ABORTED", ()),
        ),
    ),
    "where names are not unique, one that is gone may have a twin under way": (
        launched(queued(has_unique_names=False)),
        (
            (5.0, ABORT, "Cleaning SENT", ()),
            (10.0, LOST, "Cleaning DOUBTFUL", ()),
            (13.1, deleted(GONE, 13.0), "Cleaning DOUBTFUL", ()),
            (70.5, deleted(GONE, 70.1), "Done ABORTED ABORTED", ()),
        ),
    ),
    "where deleted names are remembered, absence is believed": (
        launched(queued(remembers_deleted_names=True)),
        (
            (5.0, ABORT, "Cleaning SENT", ()),
            (10.0, LOST, "Cleaning DOUBTFUL", ()),
            (12.1, deleted(ABSENT, 12.0), "Done ABORTED ABORTED", ()),
        ),
    ),
    "a lost answer is made good by adopting the job": (
        launched(queued()),
        (
            (10.0, LOST, "Launching DOUBTFUL", ()),
            (12.0, Ticked(), "Launching DOUBTFUL", (FIND,)),
            (12.1, found(), "Running", ()),
        ),
    ),
    "a lost request is sent again after a look-up": (
        launched(queued()),
        (
            (10.0, LOST, "Launching DOUBTFUL", ()),
            (12.1, nothing(12.0), "Launching SENT", (CREATE,)),
        ),
    ),
    "in doubt where names are not unique": (
        launched(queued(has_unique_names=False)),
        (
            (10.0, LOST, "Launching DOUBTFUL", ()),
            (12.0, Ticked(), "Launching DOUBTFUL", ()),
            (12.1, nothing(11.0), "Launching DOUBTFUL", ()),
            (70.0, Ticked(), "Launching DOUBTFUL", (FIND,)),
            (70.1, nothing(70.0), "Launching SENT", (CREATE,)),
        ),
    ),
    "a restart doubts a create in flight and looks it up at once": (
        launched(queued()),
        ((1.0, Resumed(), "Launching DOUBTFUL", (FIND,)), (1.1, found(), "Running", ())),
    ),
    "a throttled create goes again, without a look-up and in the same attempt": (
        launched(queued()),
        (
            (1.0, THROTTLED, "Launching UNSENT", ()),
            (7.9, Ticked(), "Launching UNSENT", ()),
            (8.0, Ticked(), "Launching SENT", (CREATE,)),
        ),
    ),
    "a permanent refusal ends": (launched(queued()), ((1.0, REFUSED, "Done FAILED PERMANENT", ()),)),
    "a permanent refusal with an earlier doubt has to be cleaned up": (
        launched(queued()),
        (
            (10.0, LOST, "Launching DOUBTFUL", ()),
            (12.1, nothing(12.0), "Launching SENT", (CREATE,)),
            (13.0, REFUSED, "Cleaning DOUBTFUL", (DELETE,)),
            (13.1, deleted(ABSENT, 13.0), "Cleaning DOUBTFUL", ()),
            (70.1, deleted(ABSENT, 70.0), "Done FAILED PERMANENT", ()),
        ),
    ),
    "a run deadline ends the attempt, and another follows when the job is gone": (
        after(launched(queued(Policy(max_attempts=2, run_deadline_s=20.0))), (1.0, created())),
        (
            (19.9, Ticked(), "Running", (OBSERVE,)),
            (20.0, Ticked(), "Cleaning CONFIRMED", (DELETE_META,)),
            (20.1, deleted(ACCEPTED, 20.0), "Cleaning CONFIRMED", ()),
            (21.1, deleted(GONE, 21.0), "Queued", ()),
            (30.0, Ticked(), "Waiting", ()),
        ),
    ),
    "a run deadline of the last attempt ends all": (
        after(launched(queued(Policy(run_deadline_s=20.0))), (1.0, created())),
        (
            (20.0, Ticked(), "Cleaning CONFIRMED", (DELETE_META,)),
            (21.1, deleted(GONE, 21.0), "Done TIMED_OUT RUN_DEADLINE_EXCEEDED", ()),
        ),
    ),
    "a wait deadline ends without a call": (
        after(queued(Policy(wait_deadline_s=5.0)), (0.0, Ticked())),
        ((4.9, Ticked(), "Waiting", ()), (5.0, Ticked(), "Done TIMED_OUT WAIT_DEADLINE_EXCEEDED", ())),
    ),
    "an abort changes what follows a failed attempt": (
        after(
            launched(queued(Policy(max_attempts=2, run_deadline_s=20.0))), (1.0, created()), (20.0, Ticked())
        ),
        (
            (20.5, ABORT, "Cleaning CONFIRMED", (DELETE_META,)),
            (21.1, deleted(GONE, 21.0), "Done ABORTED ABORTED", ()),
        ),
    ),
    "a job that breaks once gets another attempt at once, since it is gone": (
        after(launched(queued(Policy(max_attempts=2))), (1.0, created())),
        ((3.0, Observed(attempt=1, observation=BROKEN_ONCE, asked_at=2.5), "Queued", ()),),
    ),
    "a job is lost when it is missed three times after the settle time": (
        after(launched(queued()), (1.0, created())),
        (
            (3.0, Missed(attempt=1, asked_at=2.0), "Running", ()),
            (61.5, Missed(attempt=1, asked_at=61.0), "Running", ()),
            (63.5, Missed(attempt=1, asked_at=63.0), "Running", ()),
            (65.5, Missed(attempt=1, asked_at=65.0), "Cleaning CONFIRMED", (DELETE_META,)),
            (66.5, deleted(ABSENT, 66.0), "Done FAILED RESOURCE_LOST", ()),
        ),
    ),
    "a create that never went needs no cleaning": (
        launched(queued()),
        ((1.0, ABORT, "Cleaning SENT", ()), (1.0, Unsent(attempt=1), "Done ABORTED ABORTED", ())),
    ),
    "an answer of an earlier attempt is not believed": (
        launched(queued()),
        ((1.0, created(attempt=2), "Launching SENT", (CREATE,)),),
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario(name: str) -> None:
    execution, steps = SCENARIOS[name]
    for now, event, expected, effects in steps:
        execution, due = machine.step(execution, event, now)
        assert (summary(execution), due) == (expected, effects), f"at {now}: {event}"


def in_doubt() -> Execution:
    """Launching, its create in doubt."""
    return after(launched(queued()), (10.0, LOST))


ABORTS: dict[str, tuple[Callable[[], Execution], str]] = {
    "Queued": (queued, "Done ABORTED ABORTED"),
    "Waiting": (lambda: after(queued(), (0.0, Ticked())), "Done ABORTED ABORTED"),
    "Launching, sent": (lambda: launched(queued()), "Cleaning SENT"),
    "Launching, in doubt": (in_doubt, "Cleaning DOUBTFUL"),
    "Launching, throttled": (lambda: after(launched(queued()), (1.0, THROTTLED)), "Done ABORTED ABORTED"),
    "Running": (lambda: after(launched(queued()), (1.0, created())), "Cleaning CONFIRMED"),
    "Cleaning": (lambda: after(launched(queued()), (1.0, created()), (2.0, ABORT)), "Cleaning CONFIRMED"),
    "Done": (lambda: after(launched(queued()), (1.0, created(SUCCEEDED))), "Done SUCCEEDED"),
}


@pytest.mark.parametrize("state", ABORTS)
def test_an_abort_in_each_state(state: str) -> None:
    before, expected = ABORTS[state]
    assert summary(after(before(), (20.0, ABORT))) == expected
