"""Scenarios of the machine where nothing tells of a job by its name: a create in doubt, and what is given up."""

from __future__ import annotations

import pytest

from propwash.core import machine
from propwash.core.endings import LOST as LOST_JOB
from propwash.core.events import Event, Resumed, Ticked
from propwash.core.model import Done, Execution, Policy
from tests.core.samples import after, created, deleted, launched, queued, summary
from tests.core.test_machine import ABORT, CREATE, DELETE_META, GONE, LOST, REFUSED, THROTTLED, Step

SEEN_BY_META_ALONE = {"can_look_up": False, "has_unique_names": False}

SCENARIOS: dict[str, tuple[Execution, tuple[Step, ...]]] = {
    "without a look-up a create in doubt ends its attempt": (
        launched(queued(Policy(), **SEEN_BY_META_ALONE)),
        ((10.0, LOST, "Done FAILED CREATE_IN_DOUBT", ()),),
    ),
    "without a look-up the user's attempts decide what follows a doubt": (
        launched(queued(Policy(max_attempts=2), **SEEN_BY_META_ALONE)),
        ((10.0, LOST, "Queued", ()), (20.0, Ticked(), "Waiting", ())),
    ),
    "without a look-up a restart ends the attempt whose create was in flight": (
        launched(queued(Policy(), **SEEN_BY_META_ALONE)),
        ((1.0, Resumed(), "Done FAILED CREATE_IN_DOUBT", ()),),
    ),
    "without a look-up, but with unique names, a create in doubt is sent again": (
        launched(queued(can_look_up=False)),
        (
            (10.0, LOST, "Launching DOUBTFUL", ()),
            (10.1, Ticked(), "Launching DOUBTFUL", ()),
            (12.0, Ticked(), "Launching SENT", (CREATE,)),
            (13.0, Resumed(), "Launching DOUBTFUL", ()),
            (13.0, Ticked(), "Launching SENT", (CREATE,)),
            (14.0, created(), "Running", ()),
        ),
    ),
    "without a look-up nothing is deleted by name, and an answer under way is awaited": (
        launched(queued(Policy(), **SEEN_BY_META_ALONE)),
        (
            (5.0, ABORT, "Cleaning SENT", ()),
            (8.0, Ticked(), "Cleaning SENT", ()),
            (9.0, created(), "Cleaning CONFIRMED", (DELETE_META,)),
            (9.5, deleted(GONE, 9.1), "Done ABORTED ABORTED", ()),
        ),
    ),
    "without a look-up an abort whose create is in doubt cannot be cleaned up": (
        launched(queued(Policy(), **SEEN_BY_META_ALONE)),
        ((5.0, ABORT, "Cleaning SENT", ()), (10.0, LOST, "Done ABORTED ABORTED", ())),
    ),
    "an abort of a create that is sent again and again is not cleaned up either": (
        launched(queued(can_look_up=False)),
        (
            (10.0, LOST, "Launching DOUBTFUL", ()),
            (12.0, Ticked(), "Launching SENT", (CREATE,)),
            (13.0, THROTTLED, "Launching UNSENT", ()),
            (14.0, ABORT, "Done ABORTED ABORTED", ()),
        ),
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario(name: str) -> None:
    execution, steps = SCENARIOS[name]
    for now, event, expected, effects in steps:
        execution, due = machine.step(execution, event, now)
        assert (summary(execution), due) == (expected, effects), f"at {now}: {event}"


@pytest.mark.parametrize(
    ("traits", "happened"),
    [
        (SEEN_BY_META_ALONE, [(10.0, LOST)]),
        (SEEN_BY_META_ALONE, [(1.0, Resumed())]),
        (SEEN_BY_META_ALONE, [(5.0, ABORT), (10.0, LOST)]),
        ({"can_look_up": False}, [(10.0, LOST), (11.0, ABORT)]),
        ({"can_look_up": False}, [(10.0, LOST), (12.0, Ticked()), (13.0, REFUSED)]),
    ],
)
def test_an_end_says_where_a_job_may_run_on_unseen(
    traits: dict[str, bool], happened: list[tuple[float, Event]]
) -> None:
    ended = after(launched(queued(Policy(), **traits)), *happened)
    assert isinstance(ended.state, Done)
    assert ended.state.outcome.message.endswith(LOST_JOB)


def test_a_doubt_says_what_went_wrong_and_that_another_attempt_may_mend_it() -> None:
    ended = after(launched(queued(Policy(), **SEEN_BY_META_ALONE)), (10.0, LOST))
    assert isinstance(ended.state, Done)
    assert ended.state.outcome.is_retryable
    assert ended.state.outcome.message.startswith("UNAVAILABLE: ")
