"""The invariants of sparing the remote system: few calls for each that is of use, and none before it wants to be asked.

A call is of use where the remote system answered it, be it with a refusal. That it is slow, silent or broken is of
none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from propwash.core.effects import Effect
from propwash.core.events import Verb
from propwash.core.model import ExecutionUid, Fault, FaultKind, Instant
from propwash.engine.table import Entry

if TYPE_CHECKING:
    from tests.sim.world import World

FACTOR: Final = 4
"""Calls for each of use, at most, in a world of which each kind of call may go wrong with a chance of four in ten."""
FREE: Final = 80
"""So many more, whatever comes of them: a world of a few executions may be over before anything is answered."""
_USELESS: Final = (FaultKind.THROTTLED, FaultKind.UNAVAILABLE, FaultKind.INTERNAL)


class Thrift:
    """Follows the calls of one world; fail is told of every breach."""

    def __init__(self, world: World, fail: Callable[[str, str], None]) -> None:
        self._world = world
        self._fail = fail
        self._sent = self._useful = 0
        self._not_before: dict[tuple[ExecutionUid, int, Verb], Instant] = {}

    def sent(self, entry: Entry, effect: Effect) -> None:
        """A call is about to be sent."""
        uid, now = entry.execution.uid, self._world.now()
        self._sent += 1
        if self._sent > FACTOR * self._useful + FREE:
            self._fail("few calls for each of use", f"{self._sent} were sent and {self._useful} of use")
        not_before = self._not_before.get((uid, effect.attempt, effect.verb), 0.0)
        if now < not_before:
            self._fail("Retry-After is obeyed", f"{effect} of {uid[-1]} goes {not_before - now:.1f} s early")

    def forget(self) -> None:
        """The process has crashed: it is not written down at every failed call until when to wait."""
        self._not_before = {}

    def answered(self, entry: Entry, effect: Effect, fault: Fault | None) -> None:
        """A call has ended."""
        if fault is None or fault.kind not in _USELESS:
            self._useful += 1
        elif fault.kind is FaultKind.THROTTLED and fault.retry_after_s is not None and self._is_plain(effect):
            key = (entry.execution.uid, effect.attempt, effect.verb)
            self._not_before[key] = self._world.now() + fault.retry_after_s

    def _is_plain(self, effect: Effect) -> bool:
        """Whether nothing that is learnt meanwhile makes the same call due before: an older answer that comes again, or
        for a delete what became of the create. The engine's budget holds these back.
        """
        return effect.verb is not Verb.DELETE and "duplicate" not in self._world.faults
