"""The table of transitions is whole, the machine keeps to it, and the simulator goes all its ways."""

from __future__ import annotations

import runpy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import get_args

import pytest

from propwash.core import machine, transitions
from propwash.core.effects import Effect
from propwash.core.events import Event, Ticked
from propwash.core.model import Done, Execution, Policy, State, Waiting
from propwash.core.transitions import TRANSITIONS, InvalidTransition
from tests.core.samples import events, queued
from tests.sim.shrink import attempt

DOCS = Path(__file__).parents[2] / "docs"
SEEDS = 6_000
Way = tuple[str, str, str]
POLICY = Policy(max_attempts=3, wait_deadline_s=50.0, run_deadline_s=200.0, total_deadline_s=900.0)
NEVER_SEEN: frozenset[Way] = frozenset(
    {("Launching", "Unsent", "Launching"), ("Queued", "Ticked", "Done")},
)
"""The reconciler withdraws a create only in Cleaning, and a total deadline hardly ever falls between two attempts.

The random walk goes these ways instead."""


def ways_of_the_table() -> set[Way]:
    """Every (source, event, target)."""
    return {
        (source.__name__, event.__name__, target.__name__)
        for (source, event), targets in TRANSITIONS.items()
        for target in targets
    }


def way(before: Execution, event: Event, after: Execution) -> Way:
    """What was gone."""
    return (type(before.state).__name__, type(event).__name__, type(after.state).__name__)


def walk(seed: int, length: int = 60) -> Iterable[tuple[Execution, Event, Execution]]:
    """Steps of a random walk: whatever event, whenever."""
    rng = Random(seed)
    traits = {
        name: rng.random() < 0.5 for name in ("has_unique_names", "remembers_deleted_names", "can_look_up")
    }
    execution, now = queued(rng.choice((Policy(), POLICY)), **traits), 0.0
    for _ in range(length):
        now += rng.choice((0.0, 0.1, 2.0, 15.0, 80.0))
        stale = rng.random() < 0.1
        asked_at = max(0.0, now - rng.choice((0.0, 1.0, 70.0)))
        event = rng.choice(list(events(execution.attempt + (1 if stale else 0), asked_at)))
        after, _ = machine.step(execution, event, now)
        yield execution, event, after
        execution = after


def test_the_table_names_states_and_events_that_exist() -> None:
    states, kinds = set(get_args(State)), set(get_args(Event))
    assert {source for source, _ in TRANSITIONS} == states - {Done}
    assert {event for _, event in TRANSITIONS} == kinds
    assert {target for targets in TRANSITIONS.values() for target in targets} == states
    assert all(TRANSITIONS.values())


def test_the_machine_never_raises_and_keeps_to_the_table() -> None:
    gone = {way(*step) for seed in range(500) for step in walk(seed) if step[0] is not step[2]}
    assert gone <= ways_of_the_table()
    assert gone >= NEVER_SEEN


def test_an_end_absorbs_every_event() -> None:
    ends = 0
    for seed in range(200):
        execution = queued(POLICY)
        for _, _, execution in walk(seed):
            if isinstance(execution.state, Done):
                ends += 1
                for event in events(execution.attempt, 0.0):
                    assert machine.step(execution, event, 1e6) == (execution, ())
                break
    assert ends > 100


def test_an_event_of_another_attempt_changes_nothing() -> None:
    for seed in range(30):
        for execution, _, _ in walk(seed):
            for event in events(execution.attempt + 1, 0.0):
                if getattr(event, "attempt", None) is not None:
                    assert machine.advance(execution, event, 5.0) is execution


def test_the_simulator_goes_every_way_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set[Way]()
    real = machine.step

    def watched(execution: Execution, event: Event, now: float) -> tuple[Execution, tuple[Effect, ...]]:
        after, effects = real(execution, event, now)
        if after is not execution:
            seen.add(way(execution, event, after))
        return after, effects

    monkeypatch.setattr(machine, "step", watched)
    for seed in range(SEEDS):
        assert attempt(seed) is None
        if ways_of_the_table() <= seen | NEVER_SEEN:
            break
    assert ways_of_the_table() - seen <= NEVER_SEEN


def test_a_change_that_the_table_does_not_have_is_refused() -> None:
    before = queued()
    done = machine.advance(replace(before, state=Waiting(since=0.0)), Ticked(), 0.0)
    with pytest.raises(InvalidTransition, match="Waiting --Ticked--> Queued"):
        transitions.check(done, Ticked(), before)
    waiting = replace(before, state=Waiting(since=0.0), attempt=2)
    with pytest.raises(InvalidTransition, match="attempt 1 to 2"):
        transitions.check(before, Ticked(), waiting)


def test_the_diagram_in_the_documentation_is_fresh() -> None:
    module = runpy.run_path(str(DOCS / "generate.py"))
    assert module["STATE_MACHINE"].read_text() == module["state_machine"](), "run python docs/generate.py"
