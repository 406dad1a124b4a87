"""Completion hints of a simulated world: true and false, early and late, of attempts that were and that never were, one
and twenty at a time; and what must hold of them.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

from propwash.core import machine
from propwash.core.effects import Effect
from propwash.core.events import Hinted, Verb
from propwash.core.hints import SHORTEST_S
from propwash.core.model import ExecutionUid, FaultKind, Running
from propwash.engine.table import Entry

if TYPE_CHECKING:
    from tests.sim.world import World

FLOOD = 20
FLOOD_S = 0.05
MOST_A_SECOND = 6
"""Calls of one kind for one execution in any second: one at its instant, a few by backoff, one because of hints."""


class Hinting:
    """Draws of a generator of its own, so that a world without hints is what it would be anyway."""

    def __init__(self, world: World, seed: int, *, is_on: bool) -> None:
        self._world = world
        self._rng = Random(f"{seed}: hints")
        self._is_on = self._rng.random() < 0.45 and is_on
        self._hinted_at: dict[tuple[ExecutionUid, int], float] = {}
        """When a running attempt was last hinted at, by this process and to some effect."""
        self._sent: dict[tuple[ExecutionUid, Verb], list[float]] = {}

    def begin(self) -> None:
        """Plan the hints of all executions."""
        if not self._is_on:
            return
        for execution in self._world.executions:
            for _ in range(self._rng.randint(1, 6)):
                when = self._world.now() + self._rng.choice((1.0, 20.0, 150.0)) * self._rng.random()
                count = self._rng.choice((1, 1, 1, FLOOD))
                for number in range(count):
                    hint = partial(self._hint, execution.uid, self._rng.choice((None, 0, 0, -1, 1)))
                    self._world.at(when + FLOOD_S * number, hint, "hint", outlives=True)

    def sent(self, entry: Entry, effect: Effect) -> None:
        """At each call: a flood of hints does not make a flood of calls."""
        if not self._is_on:
            return
        now = self._world.now()
        sent = self._sent.setdefault((entry.execution.uid, effect.verb), [])
        sent.append(now)
        recent = sum(at > now - 1.0 for at in sent[-2 * MOST_A_SECOND :])
        if recent > MOST_A_SECOND:
            self._world.invariants.fail("hints do not hammer", f"{recent} {effect} within a second")

    def answered(self, entry: Entry, asked_at: float) -> None:
        """At each answer: one that was asked for before a hint does not make it forgotten."""
        hinted_at = self._hinted_at.get((entry.execution.uid, entry.execution.attempt))
        if hinted_at is not None and asked_at < hinted_at:
            self._expect_due(entry, "an answer asked for before it")

    def _hint(self, uid: ExecutionUid, offset: int | None) -> None:
        world, entry = self._world, self._world.table.by_uid(uid)
        if entry is None or not entry.is_stored:
            return
        before = entry.execution
        attempt = None if offset is None else before.attempt + offset
        world.reconciler.apply(entry, Hinted(attempt=attempt))
        after = entry.execution
        if machine.is_durable_change(before, after):
            world.invariants.fail("a hint is only a hint", f"{type(before.state)} to {type(after.state)}")
        if offset:
            if after is not before:
                world.invariants.fail("a hint is only a hint", f"one of attempt {attempt} was heard")
        elif isinstance(after.state, Running):
            self._hinted_at[uid, after.attempt] = world.now()
            self._expect_due(entry, "nothing")

    def _expect_due(self, entry: Entry, despite: str) -> None:
        state, now = entry.execution.state, self._world.now()
        if not isinstance(state, Running):
            return
        if state.trouble is not None and state.trouble.fault.kind is FaultKind.THROTTLED:
            return
        pace_s = max(self._world.traits.poll_floor_s, SHORTEST_S)
        if state.poll_at > now + pace_s:
            late_s = state.poll_at - now
            self._world.invariants.fail("a hint is heard", f"due only in {late_s:.1f} s after {despite}")
