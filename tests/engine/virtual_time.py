"""A loop whose time is virtual: when nothing is ready, it jumps to the next timer at once."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from propwash.core.model import Instant

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: what it should have waited is added to the loop's time."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            return super().select(1.0)
        if not ready and any(thread.name.startswith("import ") for thread in threading.enumerate()):
            # A plugin is being imported, in a thread that knows nothing of virtual time: its deadline must not jump by.
            return super().select(0.01)
        if not ready and timeout is not None and timeout > 0:
            self.skipped_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which a day of timers takes a moment."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.skipped_s


class LoopClock:
    """ports.Clock on the running loop's time."""

    def now(self) -> Instant:
        return 1_000_000.0 + asyncio.get_running_loop().time()

    async def sleep_until(self, at: Instant) -> None:
        while (left_s := at - self.now()) > 0:  # noqa: ASYNC110  time itself is waited for
            # Less than the loop's resolution would not move its time, and this would never end.
            await asyncio.sleep(max(left_s, 1e-6))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
