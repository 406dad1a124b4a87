"""Limits of executions: who may come in, what is told where not, and a census that agrees with its rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propwash.core.admission import LATEST_S, SOONEST_S, AdmissionLimits, Census, Full, Limit, ProjectLimits
from propwash.core.model import (
    CreateStatus,
    Done,
    Execution,
    ExecutionUid,
    Launching,
    Outcome,
    OutcomeKind,
    Plan,
    Queued,
    State,
    Waiting,
)

QUEUED, WAITING = Queued(not_before=0.0), Waiting(since=0.0)
GRANTED = Launching(granted_at=0.0, create=CreateStatus.SENT, not_before=0.0)
ENDED = Done(outcome=Outcome(kind=OutcomeKind.SUCCEEDED), ended_at=0.0)
LIMITS = AdmissionLimits(
    max_active=5, max_queued_per_project=2, projects={"big": ProjectLimits(max_queued=4)}
)


def row(number: int, state: State = QUEUED, project: str = "p") -> Execution:
    plan = Plan(task_type="t", project=project)
    uid = ExecutionUid(f"{number:026}")
    return Execution(uid=uid, plan=plan, state=state, attempt=1, created_at=0.0, updated_at=0.0)


def census_of(*rows: Execution) -> Census:
    census = Census()
    for one in rows:
        census.note(one, 0.0)
    return census


def full(
    census: Census,
    arriving: dict[str, int],
    *,
    limits: AdmissionLimits = LIMITS,
    key: str = "k",
    now: float = 0.0,
) -> Full | None:
    return census.full(limits, arriving=arriving, active=sum(arriving.values()), key=key, now=now)


def limit_of(found: Full | None) -> tuple[Limit, str, int, int] | None:
    return None if found is None else (found.limit, found.project, found.most, found.count)


def test_a_project_s_queue_takes_so_many_and_no_other_project_minds() -> None:
    census = census_of(row(1), row(2, WAITING), row(3, GRANTED), row(4, ENDED))
    assert (census.active, census.queued, census.queued_of("p")) == (3, 2, 2)
    assert limit_of(full(census, {"p": 1})) == (Limit.PROJECT_QUEUE, "p", 2, 2)
    assert full(census, {"q": 2}) is None


def test_what_comes_together_comes_in_together_or_not_at_all() -> None:
    census = census_of(row(1))
    assert full(census, {"p": 1}) is None
    assert limit_of(full(census, {"p": 2})) == (Limit.PROJECT_QUEUE, "p", 2, 1)
    assert limit_of(full(census, {"q": 1, "p": 2})) == (Limit.PROJECT_QUEUE, "p", 2, 1)


def test_a_project_may_have_a_limit_of_its_own() -> None:
    census = census_of(*(row(number, project="big") for number in range(3)))
    assert full(census, {"big": 1}) is None
    assert limit_of(full(census, {"big": 2})) == (Limit.PROJECT_QUEUE, "big", 4, 3)


def test_all_that_is_not_terminal_counts_against_the_limit_of_all() -> None:
    census = census_of(*(row(number, GRANTED) for number in range(5)))
    found = full(census, {"p": 1})
    assert limit_of(found) == (Limit.ACTIVE, "", 5, 5)
    census.note(row(0, ENDED), 1.0)
    assert full(census, {"p": 1}) is None


@pytest.mark.parametrize(
    "limits",
    [AdmissionLimits(max_active=0), AdmissionLimits(max_queued_per_project=0)],
    ids=["all", "project"],
)
def test_a_limit_of_0_lets_nothing_in_and_advises_no_other_try(limits: AdmissionLimits) -> None:
    found = full(Census(), {"p": 1}, limits=limits)
    assert found is not None
    assert found.retry_after_s is None
    assert full(Census(), {}, limits=limits) is None


def test_more_at_once_than_may_ever_be_in_are_advised_no_other_try() -> None:
    census = census_of(row(1))
    too_many, late = full(census, {"p": 3}), full(census, {"p": 2})
    assert too_many is not None
    assert too_many.retry_after_s is None
    assert late is not None
    assert late.retry_after_s is not None


def test_the_time_to_retry_follows_how_fast_the_queue_empties() -> None:
    def advised(per_s: float, missing: int) -> float:
        limits = AdmissionLimits(max_queued_per_project=1000)
        census = census_of(*(row(number) for number in range(1000)))
        now = 0.0
        for number in range(200):
            now = number / per_s
            census.note(row(number, GRANTED), now)
            census.note(row(1000 + number), now)
        found = full(census, {"p": missing}, limits=limits, now=now)
        assert found is not None
        assert found.retry_after_s is not None
        return found.retry_after_s

    assert advised(2.0, 20) == pytest.approx(10.0 * 1.125, rel=0.2)
    assert advised(20.0, 100) == pytest.approx(5.0 * 1.125, rel=0.2)
    assert SOONEST_S <= advised(20.0, 1) <= 1.25 * SOONEST_S
    assert LATEST_S / 1.25 <= advised(2.0, 900) <= LATEST_S


@pytest.mark.parametrize(("stood_still_s", "soonest_s"), [(0.0, 1.0), (2.0, 1.9), (10.0, 8.5), (600.0, 30.0)])
def test_a_queue_that_stands_still_is_tried_ever_less_often(stood_still_s: float, soonest_s: float) -> None:
    census = census_of(row(1), row(2))
    found = full(census, {"p": 1}, now=stood_still_s)
    assert found is not None
    assert found.retry_after_s is not None
    assert soonest_s <= found.retry_after_s <= 1.25 * soonest_s + 0.2


def test_a_queue_that_was_empty_for_long_begins_anew() -> None:
    census = census_of(row(1), row(2))
    for number in (1, 2):
        census.note(row(number, ENDED), 1.0)
    for number in (3, 4):
        census.note(row(number), 600.0)
    found = full(census, {"p": 1}, now=601.0)
    assert found is not None
    assert found.retry_after_s is not None
    assert found.retry_after_s <= 1.25


def test_those_who_are_turned_away_do_not_come_back_together() -> None:
    census = census_of(row(1), row(2))
    found = [full(census, {"p": 1}, key=str(number)) for number in range(50)]
    assert len({one.retry_after_s for one in found if one is not None}) == 50


def test_the_pace_of_many_projects_is_not_kept_for_ever() -> None:
    census = Census()
    for number in range(5000):
        census.note(row(number, project=f"p{number}"), float(number))
        census.note(row(number, ENDED, project=f"p{number}"), float(number))
    assert len(census._left) == 4096
    assert census._queued == {}
    assert census._active == set()


STATES = st.sampled_from([QUEUED, WAITING, GRANTED, ENDED, None])


@given(st.lists(st.tuples(st.integers(0, 5), STATES), max_size=40))
def test_the_census_agrees_with_the_rows_however_often_it_is_told(
    moves: list[tuple[int, State | None]],
) -> None:
    census, rows = Census(), dict[int, Execution]()
    for number, state in moves:
        one = rows.get(number) or row(number, project=f"p{number % 2}")
        if state is None:
            census.forget(one)
            rows.pop(number, None)
        else:
            rows[number] = replace(one, state=state)
            census.note(rows[number], 0.0)
            census.note(rows[number], 0.0)
        assert census.audit(rows.values()) == ()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(1)], "active"),
        ([row(1), row(2, ENDED)], "active"),
        ([row(1, GRANTED), row(2)], "queued"),
        ([row(1), row(2, project="q")], "queued"),
        ([row(1), row(2), row(3)], "queued in all"),
    ],
)
def test_an_audit_tells_each_difference(rows: list[Execution], said: str) -> None:
    faults = census_of(row(1), row(2)).audit(rows)
    assert any(fault.startswith(f"{said}:") for fault in faults)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AdmissionLimits(max_active=-1),
        lambda: AdmissionLimits(max_queued_per_project=-1),
        lambda: AdmissionLimits(projects={"p": ProjectLimits(max_queued=-1)}),
    ],
)
def test_a_negative_limit_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match="must not be negative, not -1"):
        make()
