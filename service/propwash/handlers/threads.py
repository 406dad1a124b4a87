"""A bounded pool of daemon threads for one plugin's plain def methods.

The standard executor joins its threads when the interpreter ends, so that one hung call would keep the
process alive.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

from propwash.handlers.outcome import Answered, Raised

_Work: TypeAlias = Callable[[], None]


class Threads:
    """At most size threads, started as they are needed. Not for use by several loops."""

    def __init__(self, name: str, *, size: int) -> None:
        self._name = name
        self._size = size
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._started = 0
        self._busy = 0

    @property
    def busy(self) -> int:
        """How many calls are queued or in a thread."""
        return self._busy

    def submit(self, function: Callable[[], object]) -> asyncio.Future[Answered | Raised]:
        """Call in a thread. The future gets what came of it, whatever that is, and is never cancelled from
        here.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answered | Raised] = loop.create_future()
        context = contextvars.copy_context()

        def settle(outcome: Answered | Raised) -> None:
            self._busy -= 1
            if not future.done():
                future.set_result(outcome)

        def work() -> None:
            outcome: Answered | Raised
            try:
                outcome = Answered(context.run(function))
            except BaseException as error:  # noqa: BLE001  a SystemExit here must end neither thread nor process
                outcome = Raised(error)
            try:
                loop.call_soon_threadsafe(settle, outcome)
            except RuntimeError:
                return  # The loop is closed: nobody waits any more.

        self._busy += 1
        if self._started < min(self._busy, self._size):
            self._started += 1
            name = f"handlers {self._name} {self._started}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        self._queue.put(work)
        return future

    def close(self) -> None:
        """Let each thread end after what it does now."""
        for _ in range(self._started):
            self._queue.put(None)
        self._started = 0

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            work()
