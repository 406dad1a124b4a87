"""What stands in for the engine's instrument and timers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from propwash.core.model import ExecutionUid, Instant
from tests.sim.violation import Violation

if TYPE_CHECKING:
    from tests.sim.world import World


class Quiet:
    """An instrument that says nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class Instants:
    """Stands in for engine.timers.Timers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._at: dict[ExecutionUid, Instant] = {}

    def set(self, uid: ExecutionUid, at: Instant | None) -> None:
        """Wake uid at the instant, or never."""
        if at is None:
            self._at.pop(uid, None)
        elif self._at.get(uid) != at:
            if at <= self._world.now():
                raise Violation(f"the instant to wake at is not in the future: {at}")
            self._at[uid] = at
            self._world.at(at, lambda: self._due(uid, at), "wake", uid[-1])

    def _due(self, uid: ExecutionUid, at: Instant) -> None:
        if self._at.get(uid) == at:
            del self._at[uid]
            self._world.reconciler.wake(uid)
