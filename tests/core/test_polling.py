"""When a job is observed again: between floor and ceiling, and together where one call observes many."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from propwash.core import machine
from propwash.core.events import Observed
from propwash.core.model import Execution, Plan, Running, Traits
from propwash.core.timing import next_poll_at
from tests.core.samples import RUNNING, after, created, launched, queued

FLOOR_S, CEILING_S = 3.0, 30.0
TRAITS = Traits(poll_floor_s=FLOOR_S, poll_ceiling_s=CEILING_S)


def polled(*, is_together: bool, traits: Traits = TRAITS) -> Execution:
    """A new execution with these traits."""
    return replace(queued(), plan=Plan(task_type="t", traits=traits, is_polled_together=is_together))


def test_a_job_of_its_own_is_polled_after_a_tenth_of_its_age() -> None:
    alone = polled(is_together=False)
    assert next_poll_at(alone, 1000.0, 1001.0) == 1001.0 + FLOOR_S
    assert next_poll_at(alone, 1000.0, 1100.0) == 1110.0
    assert next_poll_at(alone, 1000.0, 9000.0) == 9000.0 + CEILING_S


@given(
    granted_at=st.floats(1.6e9, 2.0e9),
    age_s=st.floats(0.0, 1e6),
    floor_s=st.floats(0.01, 30.0),
    more=st.floats(0, 60),
)
def test_jobs_polled_together_are_never_polled_later_than_alone(
    granted_at: float, age_s: float, floor_s: float, more: float
) -> None:
    traits = Traits(poll_floor_s=floor_s, poll_ceiling_s=floor_s + more)
    now = granted_at + age_s
    at = next_poll_at(polled(is_together=True, traits=traits), granted_at, now)
    alone = next_poll_at(polled(is_together=False, traits=traits), granted_at, now)
    # Instants of this size are exact to less than a microsecond.
    assert now <= at <= alone + 1e-6


@given(granted_at=st.floats(1.6e9, 1.7e9), late_s=st.floats(0.0, CEILING_S * 0.99))
def test_old_jobs_meet_at_the_multiples_of_the_ceiling(granted_at: float, late_s: float) -> None:
    now = math.ceil((granted_at + 1000.0) / CEILING_S) * CEILING_S
    at = next_poll_at(polled(is_together=True), granted_at, now + late_s)
    assert at == now + CEILING_S


@given(age_s=st.floats(0.0, 1e4), now=st.floats(1.6e9, 2.0e9))
def test_the_instants_of_old_jobs_are_instants_of_young_ones_too(age_s: float, now: float) -> None:
    at = next_poll_at(polled(is_together=True), now - age_s, now)
    shortest_s = 1.875
    assert at / shortest_s == math.floor(at / shortest_s)


def test_a_job_is_asked_again_when_its_system_says_that_it_is_worth_it() -> None:
    alone = polled(is_together=False)
    assert next_poll_at(alone, 1000.0, 9000.0, 4.0) == 9004.0
    assert next_poll_at(alone, 1000.0, 1001.0, 20.0) == 1021.0
    assert next_poll_at(alone, 1000.0, 9000.0, 0.0) == 9000.0 + FLOOR_S
    assert next_poll_at(alone, 1000.0, 9000.0, 600.0) == 9000.0 + CEILING_S


@given(now=st.floats(1.6e9, 2.0e9), age_s=st.floats(0.0, 1e6), ask_again_s=st.floats(0.0, 100.0))
def test_jobs_polled_together_are_not_asked_before_it_is_worth_it(
    now: float, age_s: float, ask_again_s: float
) -> None:
    at = next_poll_at(polled(is_together=True), now - age_s, now, ask_again_s)
    wanted_s = min(CEILING_S, max(FLOOR_S, ask_again_s))
    assert now + wanted_s - 1e-6 <= at <= now + min(CEILING_S, 1.0625 * wanted_s) + 1e-6


def test_jobs_of_one_estimate_share_few_instants() -> None:
    instants = {next_poll_at(polled(is_together=True), 0.0, 1.6e9 + n / 100, 20.0) for n in range(100)}
    assert len(instants) <= 3


def test_an_estimate_alone_is_no_change() -> None:
    before = after(launched(queued()), (1.0, created(RUNNING)))
    told = Observed(attempt=1, observation=replace(RUNNING, ask_again_s=7.0), asked_at=2.5)
    polled_again = after(before, (3.0, told))
    assert not machine.is_durable_change(before, polled_again)
    assert isinstance(polled_again.state, Running)
    assert polled_again.state.poll_at == 10.0
