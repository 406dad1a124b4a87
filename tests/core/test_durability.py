"""Which changes are committed before they are acted upon, and which may be lost in a crash without harm."""

from __future__ import annotations

from propwash.core import machine
from propwash.core.events import FoundNothing, Observed, Verb
from propwash.core.model import FaultKind
from tests.core.samples import RUNNING, after, created, faulted, launched, queued


def test_a_poll_that_tells_nothing_new_is_not_committed() -> None:
    before = after(launched(queued()), (1.0, created(RUNNING)))
    polled = after(before, (3.0, Observed(attempt=1, observation=RUNNING, asked_at=2.5)))
    assert polled is not before
    assert not machine.is_durable_change(before, polled)


def test_a_look_up_that_fails_again_for_the_same_reason_is_volatile() -> None:
    doubtful = after(launched(queued()), (1.0, faulted(Verb.CREATE, FaultKind.UNAVAILABLE)))
    assert machine.is_durable_change(launched(queued()), doubtful)
    again = after(doubtful, (9.0, faulted(Verb.FIND, FaultKind.UNAVAILABLE)))
    assert again.state != doubtful.state
    assert not machine.is_durable_change(doubtful, again)
    other = after(again, (30.0, faulted(Verb.FIND, FaultKind.THROTTLED)))
    assert machine.is_durable_change(again, other)
    sent = after(other, (90.0, FoundNothing(attempt=1, asked_at=90.0)))
    assert machine.is_durable_change(other, sent)
