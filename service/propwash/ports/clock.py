"""Time as the engine has it."""

from __future__ import annotations

from typing import Protocol

from propwash.core.model import (
    Instant,
)


class Clock(Protocol):
    """Time as the engine has it."""

    def now(self) -> Instant:
        """UTC seconds: the wall clock at start, moved on monotonically, so that a wall jump changes nothing."""

    async def sleep_until(self, at: Instant) -> None:
        """Return when now() >= at."""
