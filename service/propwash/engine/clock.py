"""The real clock."""

from __future__ import annotations

import asyncio
import time

from propwash.core.model import Instant


class SystemClock:
    """UTC seconds: the wall clock at start, moved on by the monotonic clock, so that a wall jump moves no deadline."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> Instant:
        """UTC seconds since the epoch; never runs backwards."""
        return self._offset + time.monotonic()

    async def sleep_until(self, at: Instant) -> None:
        """Return when now() >= at."""
        while (left_s := at - self.now()) > 0:  # noqa: ASYNC110  time itself is waited for
            await asyncio.sleep(left_s)
