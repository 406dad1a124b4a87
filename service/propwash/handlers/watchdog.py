"""Watches the loop: how late it is, and which handler's line holds it up.

A coroutine that blocks stops everything on the loop, so the one who says so must be a thread.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from weakref import WeakKeyDictionary

from propwash.handlers.faults import short
from propwash.ports import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to a handler, as the watchdog names it."""

    plugin: str
    task_type: str
    method: str
    root: Path | None
    """The folder of the plugin's files."""


class Watchdog:
    """Reports to the instrument: lagged at every beat from the loop, trouble from a thread, once for each
    block.
    """

    def __init__(
        self,
        *,
        instrument: Instrument,
        blocked_s: float,
        beat_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._instrument = instrument
        self._blocked_s = blocked_s
        self._beat_s = beat_s
        self._monotonic = monotonic
        self._plugins: dict[str, Path] = {}
        self._tasks: WeakKeyDictionary[asyncio.Task[object], Call] = WeakKeyDictionary()
        self._inline: Call | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._timer: asyncio.TimerHandle | None = None
        self._beat_at = 0.0
        self._beats = 0
        self._reported = -1
        self._stopped = threading.Event()

    def know(self, plugin: str, root: Path | None) -> None:
        """Remember whose files these are, to tell blocks in tasks that a handler starts by itself."""
        if root is not None:
            self._plugins[plugin] = root

    def start(self) -> None:
        """Begin to watch the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._beat_at = self._monotonic()
        self._timer = self._loop.call_later(self._beat_s, self._beat)
        threading.Thread(target=self._watch, name="loop watchdog", daemon=True).start()

    def stop(self) -> None:
        """End watching; may be called twice."""
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()

    def follow(self, task: asyncio.Task[object], call: Call) -> None:
        """Name a task's blocks after a call."""
        self._tasks[task] = call

    @contextmanager
    def inline(self, call: Call) -> Iterator[None]:
        """Name the blocks of code that is called directly, such as claims."""
        self._inline = call
        try:
            yield
        finally:
            self._inline = None

    def check(self) -> None:
        """Report a block that has lasted too long and is not reported yet; called by the watching thread."""
        beats = self._beats
        blocked_s = self._monotonic() - self._beat_at - self._beat_s
        if blocked_s < self._blocked_s or beats == self._reported:
            return
        frames = list(_frames(sys._current_frames().get(self._loop_thread)))
        call = self._current()
        plugin, root = (call.plugin, call.root) if call is not None else self._owner(frames)
        if not plugin:
            return
        self._reported = beats
        where = _line(next((one for one in frames if _is_within(one, root)), frames[0] if frames else None))
        named = f"{call.task_type} {call.method}" if call is not None else "a task of its own"
        self._instrument.trouble(
            "handlers",
            f"plugin {plugin} blocks the event loop in {named} at {where}",
            plugin=plugin,
            task_type=call.task_type if call is not None else "",
            method=call.method if call is not None else "",
            line=where,
        )

    def _beat(self) -> None:
        assert self._loop is not None
        now = self._monotonic()
        lag_s = now - self._beat_at - self._beat_s
        self._beat_at = now
        self._beats += 1
        self._timer = self._loop.call_later(self._beat_s, self._beat)
        self._instrument.lagged(max(lag_s, 0.0))

    def _watch(self) -> None:
        while not self._stopped.wait(self._beat_s):
            self.check()

    def _current(self) -> Call | None:
        if self._inline is not None:
            return self._inline
        task = asyncio.current_task(self._loop) if self._loop is not None else None
        return None if task is None else self._tasks.get(task)

    def _owner(self, frames: Sequence[FrameType]) -> tuple[str, Path | None]:
        for frame in frames:
            for plugin, root in self._plugins.items():
                if _is_within(frame, root):
                    return plugin, root
        return "", None


def _frames(innermost: FrameType | None) -> Iterator[FrameType]:
    while innermost is not None:
        yield innermost
        innermost = innermost.f_back


def _is_within(frame: FrameType, root: Path | None) -> bool:
    if root is None:
        return False
    path = Path(frame.f_code.co_filename)
    return path == root or root in path.parents


def _line(frame: FrameType | None) -> str:
    if frame is None:
        return "an unknown line"
    path = Path(frame.f_code.co_filename)
    return short(f"{path.parent.name}/{path.name}:{frame.f_lineno} in {frame.f_code.co_name}")
