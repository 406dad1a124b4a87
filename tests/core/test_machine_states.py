"""What states and ends of executions tell: phases, failures, links, and what nobody could clean up."""

from __future__ import annotations

import pytest

from propwash.core.events import AbortRequested, Deletion, Ticked, Verb
from propwash.core.model import (
    Cleaning,
    Done,
    Execution,
    FaultKind,
    Launching,
    OutcomeKind,
    Phase,
    Policy,
    Queued,
    Running,
    Waiting,
)
from tests.core.samples import (
    BROKEN_ONCE,
    RUNNING,
    after,
    created,
    deleted,
    faulted,
    launched,
    queued,
)

ABORT = AbortRequested(message="stop")
LOST = faulted(Verb.CREATE, FaultKind.UNAVAILABLE)
REFUSED = faulted(Verb.CREATE, FaultKind.PERMANENT)
SEEN_BY_META_ALONE = {"can_look_up": False, "has_unique_names": False}
GONE = Deletion.GONE


@pytest.mark.parametrize(
    ("execution", "state", "phase"),
    [
        (queued(), Queued, Phase.QUEUED),
        (after(queued(), (0.0, Ticked())), Waiting, Phase.WAITING_FOR_RESOURCES),
        (launched(queued()), Launching, Phase.INITIALIZING),
        (after(launched(queued()), (1.0, created())), Running, Phase.INITIALIZING),
        (after(launched(queued()), (1.0, created(RUNNING))), Running, Phase.RUNNING),
        (after(launched(queued()), (1.0, ABORT)), Cleaning, Phase.CLEANING_UP),
        (after(queued(), (0.0, ABORT)), Done, Phase.ABORTED),
    ],
)
def test_the_phase_follows_from_the_state(execution: Execution, state: type[object], phase: Phase) -> None:
    assert isinstance(execution.state, state)
    assert execution.phase is phase


def test_a_failed_attempt_is_remembered_and_holds_no_tokens_meanwhile() -> None:
    begun = after(launched(queued(Policy(max_attempts=2))), (1.0, created(BROKEN_ONCE)))
    assert [(failure.attempt, failure.reason) for failure in begun.failures] == [(1, "BROKEN_ONCE")]
    assert (begun.attempt, begun.holds_tokens) == (2, False)


def test_links_and_meta_of_the_last_job_stay() -> None:
    done = after(launched(queued()), (1.0, created()), (2.0, ABORT), (3.0, deleted(GONE, 2.5)))
    assert isinstance(done.state, Done)
    assert (done.state.meta, done.state.outcome.kind) == (b"m", OutcomeKind.ABORTED)
