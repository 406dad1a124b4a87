"""One tree of named tasks: none is lost, none dies unseen, and all have ended when the tree is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class TaskDied(Exception):
    """A task of the tree raised, or one that should never end did."""


class Supervisor:
    """Owns every task of the engine.

    A task that raises makes the whole tree fail: a half-working engine is worse than one that is restarted, since a
    restart loses nothing.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._eternal: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_closing = False

    def spawn(self, work: Coroutine[object, object, None], name: str, *, is_eternal: bool = False) -> None:
        """Start a task; an eternal one counts as dead also when it merely returns. A closed tree starts none."""
        if self._is_closing:
            work.close()
            return
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        if is_eternal:
            self._eternal.add(task)
        task.add_done_callback(self._ended)

    async def failed(self) -> None:
        """Wait until a task dies; raises TaskDied with its name, from its exception."""
        await asyncio.shield(self._failure)

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended; may be called twice."""
        self._is_closing = True
        for task in list(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        if not self._failure.done():
            self._failure.cancel()
        elif not self._failure.cancelled():
            self._failure.exception()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        is_eternal = task in self._eternal
        self._eternal.discard(task)
        if task.cancelled() or self._is_closing:
            return
        error = task.exception()
        if (error is not None or is_eternal) and not self._failure.done():
            died = TaskDied(f"task {task.get_name()} {'ended' if error is None else 'raised'}")
            died.__cause__ = error
            self._failure.set_exception(died)
