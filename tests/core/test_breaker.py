"""The breaker opens on silence alone, lets one probe go at a time, and closes with the first answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propwash.core.breaker import (
    OURS,
    TRANSITIONS,
    Breaker,
    BreakerLimits,
    Closed,
    HalfOpen,
    Open,
    Sign,
    sign_of,
)
from propwash.core.model import Fault, FaultKind

LIMITS = BreakerLimits(failures=3, after_s=10.0, executions=2, first_s=4.0, longest_s=16.0)
SILENCE = Fault(kind=FaultKind.UNAVAILABLE, reason="NO_ANSWER", message="nothing came")
GAPS = st.sampled_from((0.0, 0.1, 3.0, 5.0, 20.0))
ENDS = st.sampled_from((Sign.ANSWERED, Sign.UNANSWERED, Sign.UNANSWERED, Sign.IRRELEVANT, Sign.UNSENT))


def fresh() -> Breaker:
    return Breaker(key="h/c", limits=LIMITS)


def silent(breaker: Breaker, now: float, *executions: str, probe: int = 0) -> Breaker:
    return breaker.heard(
        Sign.UNANSWERED, SILENCE, probe=probe, executions=executions or (f"e{now}",), now=now
    )


def other(breaker: Breaker, sign: Sign, now: float, *, probe: int = 0) -> Breaker:
    return breaker.heard(sign, None, probe=probe, executions=(), now=now)


def opened(at: float = 10.0) -> Breaker:
    breaker = fresh()
    for now in (at - 10.0, at - 5.0, at):
        breaker = silent(breaker, now)
    assert isinstance(breaker.state, Open)
    return breaker


def test_it_opens_where_all_that_is_asked_is_there() -> None:
    breaker = opened()
    state = breaker.opened
    assert state is not None
    assert (state.since, state.fault, state.tries) == (10.0, SILENCE, 1)
    assert 10.0 + 4.0 / 2 <= state.until <= 10.0 + 4.0
    assert not breaker.may_send(state.until - 0.001)
    assert breaker.may_send(state.until)


@pytest.mark.parametrize(
    "run",
    [
        [(0.0, "a"), (10.0, "b")],
        [(0.0, "a"), (5.0, "b"), (9.9, "c"), (9.99, "d"), (9.999, "e")],
        [(0.0, "a"), (5.0, "a"), (10.0, "a"), (99.0, "a")],
    ],
    ids=["too few", "too soon", "of one execution"],
)
def test_it_stays_closed_where_one_thing_is_missing(run: list[tuple[float, str]]) -> None:
    breaker = fresh()
    for now, execution in run:
        breaker = silent(breaker, now, execution)
    assert breaker.opened is None
    assert breaker.may_send(100.0)


def test_a_round_that_was_made_for_many_counts_once_and_for_all_of_them() -> None:
    breaker = silent(silent(fresh(), 0.0, "a", "b", "c"), 11.0, "a")
    assert breaker.opened is None
    assert silent(breaker, 12.0, "a").opened is not None


def test_an_answer_ends_the_run() -> None:
    breaker = other(silent(silent(fresh(), 0.0), 9.0), Sign.ANSWERED, 10.0)
    assert breaker == fresh()
    assert silent(silent(breaker, 11.0), 12.0).opened is None


@pytest.mark.parametrize("sign", [Sign.IRRELEVANT, Sign.UNSENT])
def test_what_says_nothing_neither_lengthens_nor_ends_the_run(sign: Sign) -> None:
    breaker = silent(silent(fresh(), 0.0), 9.0)
    assert other(breaker, sign, 9.5) is breaker
    assert silent(other(breaker, sign, 9.5), 10.0).opened is not None


def test_one_probe_goes_and_no_other_call() -> None:
    breaker, number = opened().sent()
    assert number == 1
    assert not breaker.may_send(1e9)
    assert isinstance(breaker.state, HalfOpen)
    assert breaker.opened == opened().opened


def test_the_wait_doubles_up_to_the_longest() -> None:
    breaker, waits, now = opened(), list[float](), 10.0
    for _ in range(6):
        assert breaker.opened is not None
        waits.append(breaker.opened.until - now)
        now = breaker.opened.until
        breaker, probe = breaker.sent()
        breaker = silent(breaker, now, probe=probe)
    for waited, most in zip(waits, (4.0, 8.0, 16.0, 16.0, 16.0, 16.0), strict=True):
        assert most / 2 <= waited <= most
    assert breaker.opened is not None
    assert breaker.opened.since == 10.0
    assert breaker.opened.tries == 7


def test_connections_are_not_tried_at_once() -> None:
    untils = set()
    for number in range(50):
        breaker = replace(fresh(), key=f"h/c{number}")
        for now in (0.0, 5.0, 10.0):
            breaker = silent(breaker, now)
        assert breaker.opened is not None
        untils.add(breaker.opened.until)
    assert len(untils) == 50


def test_a_probe_that_says_nothing_is_followed_by_another_after_no_longer_a_wait() -> None:
    breaker, probe = opened().sent()
    breaker = other(breaker, Sign.IRRELEVANT, 20.0, probe=probe)
    assert breaker.opened is not None
    assert breaker.opened.tries == 1
    assert 22.0 <= breaker.opened.until <= 24.0


def test_a_probe_that_was_not_sent_leaves_its_turn_to_the_next() -> None:
    before = opened()
    breaker, probe = before.sent()
    breaker = other(breaker, Sign.UNSENT, 20.0, probe=probe)
    assert breaker.state == before.state
    assert breaker.sent()[1] == 2


def test_an_answer_to_an_older_call_closes_and_a_failure_of_one_adds_nothing() -> None:
    open_ = opened()
    half, _ = open_.sent()
    for breaker in (open_, half):
        assert silent(breaker, 11.0) is breaker
        assert other(breaker, Sign.ANSWERED, 11.0).state == Closed()


def test_a_probe_of_an_earlier_opening_is_not_taken_for_the_present_one() -> None:
    half, late = opened().sent()
    again = other(half, Sign.ANSWERED, 12.0)
    for now in (20.0, 25.0, 30.0):
        again = silent(again, now)
    again, present = again.sent()
    assert present != late
    for sign in (Sign.IRRELEVANT, Sign.UNSENT):
        assert other(again, sign, 40.0, probe=late) is again
    assert silent(again, 40.0, probe=late) is again


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        (FaultKind.PERMANENT, Sign.ANSWERED),
        (FaultKind.RETRYABLE, Sign.ANSWERED),
        (FaultKind.THROTTLED, Sign.ANSWERED),
        (FaultKind.UNAVAILABLE, Sign.UNANSWERED),
        (FaultKind.INTERNAL, Sign.IRRELEVANT),
    ],
)
def test_what_each_end_of_a_call_says_of_the_system(kind: FaultKind, sign: Sign) -> None:
    assert sign_of(Fault(kind=kind, reason="R", message="")) is sign
    for reason in OURS:
        assert sign_of(Fault(kind=kind, reason=reason, message="")) is Sign.IRRELEVANT


def test_no_fault_is_an_answer() -> None:
    assert sign_of(None) is Sign.ANSWERED


@dataclass
class World:
    """Callers of one breaker, who ask for leave and tell how each call ended."""

    breaker: Breaker = field(default_factory=fresh)
    now: float = 0.0
    probes: set[int] = field(default_factory=set)

    def change(self, sign: Sign, after: Breaker) -> None:
        """Take the new value; the table must have what happened."""
        before, self.breaker = self.breaker, after
        if after is not before:
            kinds = TRANSITIONS.get((type(before.state), sign), frozenset())
            assert type(after.state) in kinds, (before.state, sign, after.state)


@given(steps=st.lists(st.tuples(GAPS, ENDS, st.integers(0, 3)), max_size=150))
def test_every_change_is_in_the_table_and_one_probe_is_under_way(
    steps: list[tuple[float, Sign, int]],
) -> None:
    world = World()
    for gap, sign, number in steps:
        world.now += gap
        probe = 0
        if world.breaker.may_send(world.now):
            after, probe = world.breaker.sent()
            world.change(Sign.SENT, after)
            assert not (world.probes and probe)
            world.probes |= {probe} - {0}
            if probe and number > 1:
                continue  # it is answered in a later step
        elif number == 0 and world.probes:
            probe = world.probes.pop()
        fault = SILENCE if sign is Sign.UNANSWERED else None
        was_open = world.breaker.opened
        after = world.breaker.heard(sign, fault, probe=probe, executions=(f"e{number}",), now=world.now)
        world.change(sign, after)
        world.probes.discard(probe)
        if sign is Sign.ANSWERED:
            assert world.breaker.opened is None
            world.probes = set()
        if isinstance(world.breaker.state, Open) and world.breaker.opened != was_open:
            assert world.breaker.state.until > world.now


@given(gaps=st.lists(GAPS, min_size=1, max_size=60))
def test_after_the_outage_the_next_probe_closes_it(gaps: list[float]) -> None:
    breaker, now = opened(), 10.0
    for gap in gaps:
        now += gap
        if breaker.may_send(now):
            breaker, probe = breaker.sent()
            breaker = silent(breaker, now, probe=probe)
    now += LIMITS.longest_s
    assert breaker.may_send(now)
    breaker, probe = breaker.sent()
    assert other(breaker, Sign.ANSWERED, now, probe=probe).state == Closed()
