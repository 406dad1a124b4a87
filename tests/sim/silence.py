"""The invariants of the breaker: it opens on silence alone, lets one probe go at a time, and closes by an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from propwash.core.effects import Effect
from propwash.core.model import ExecutionUid, Fault, FaultKind, Instant
from propwash.engine.table import Entry

if TYPE_CHECKING:
    from tests.sim.world import World


class Silence:
    """Follows the calls of one world; fail is told of every breach."""

    def __init__(self, world: World, fail: Callable[[str, str], None]) -> None:
        self._world = world
        self._fail = fail
        self._opened_at: Instant | None = None
        self._paused_at: Instant = 0.0
        """When the breaker opened, or its last probe failed."""
        self._probes: set[tuple[ExecutionUid, Effect]] = set()
        self._silent: list[tuple[Instant, ExecutionUid]] = []
        """The calls since the last answer."""

    def probed(self, entry: Entry, effect: Effect) -> None:
        """A call is about to be sent."""
        if self._opened_at is None:
            return
        uid, now = entry.execution.uid, self._world.now()
        if self._probes:
            self._fail("one probe at a time", f"{effect} of {uid[-1]} goes while {self._probes} is under way")
        if now - self._paused_at < self._world.calls.limits.first_s / 2:
            self._fail("an open breaker holds back", f"{effect} of {uid[-1]} after {now - self._paused_at} s")
        self._probes.add((uid, effect))

    def breaker(self, *, is_open: bool, **_: object) -> None:
        """The breaker was made, opened or closed. Part of ports.Instrument."""
        self._probes = set()
        now, self._opened_at = self._world.now(), None
        if not is_open:
            self._silent = []
            return
        self._opened_at = self._paused_at = now
        limits, run = self._world.calls.limits, self._silent
        is_right = (
            len(run) >= limits.failures
            and now - run[0][0] >= limits.after_s
            and len({uid for _, uid in run}) >= limits.executions
        )
        if not is_right:
            self._fail("a breaker opens on silence alone", f"it opened after {run}")

    def answered(self, entry: Entry, effect: Effect, fault: Fault | None) -> None:
        """A call is about to be taken for ended."""
        uid, now = entry.execution.uid, self._world.now()
        if (uid, effect) in self._probes:
            self._probes.discard((uid, effect))
            self._paused_at = now
        match fault:
            case None | Fault(kind=FaultKind.PERMANENT | FaultKind.RETRYABLE | FaultKind.THROTTLED):
                self._silent = []
            case Fault(kind=FaultKind.UNAVAILABLE):
                self._silent.append((now, uid))
            case Fault():
                pass

    def heard(self) -> None:
        """The breaker has taken the end of a call into account."""
        if not self._silent and self._opened_at is not None:
            self._fail("an answer closes the breaker", f"open since {self._opened_at}")
