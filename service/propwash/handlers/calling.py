"""Calls one plugin's methods so that whatever they do stays with that plugin.

A slot is held from the start of a call until it has really ended: a call that hangs past its deadline, or
swallows its cancellation, is given up by the caller but still counts against its plugin. So a plugin that
leaks calls starves itself, with a fault that says so, and nothing else.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable

from propwash.core.model import Fault, FaultKind
from propwash.handlers.options import HostOptions
from propwash.handlers.outcome import Answered, Outcome, Raised
from propwash.handlers.threads import Threads
from propwash.handlers.watchdog import Call, Watchdog
from propwash.ports import Instrument


class Caller:
    """All calls to one plugin."""

    def __init__(
        self, plugin: str, *, options: HostOptions, watchdog: Watchdog, instrument: Instrument
    ) -> None:
        self.plugin = plugin
        self.abandoned = 0
        """Calls given up that have not ended yet."""
        self._options = options
        self._watchdog = watchdog
        self._instrument = instrument
        self._threads = Threads(plugin, size=options.threads)
        self._thread_slots = asyncio.Semaphore(options.threads)
        self._task_slots = asyncio.Semaphore(options.calls)
        self._given_up: set[asyncio.Future[Answered | Raised]] = set()

    async def call(self, call: Call, method: Callable[..., object], *arguments: object) -> Outcome:
        """Call a method of either kind behind its deadline. Raises only CancelledError, for the caller's
        own.
        """
        bound = functools.partial(method, *arguments)
        deadline_s = self._options.deadline_s(call.method)
        if inspect.iscoroutinefunction(method):
            return await self._in_task(call, bound, deadline_s=deadline_s)
        loop = asyncio.get_running_loop()
        end_at = loop.time() + deadline_s
        outcome = await self._in_thread(call, bound, deadline_s=deadline_s)
        if isinstance(outcome, Answered) and inspect.isawaitable(outcome.value):
            awaitable = outcome.value
            left_s = max(end_at - loop.time(), 0.0)
            return await self._in_task(call, lambda: awaitable, deadline_s=left_s)
        return outcome

    def close(self) -> None:
        """Let idle threads end, and cancel once more what was given up."""
        self._threads.close()
        for future in self._given_up:
            future.cancel()

    async def _in_task(self, call: Call, begin: Callable[[], object], *, deadline_s: float) -> Outcome:
        if not await self._take(self._task_slots):
            return self._busy(self._options.calls)
        task = asyncio.get_running_loop().create_task(
            _contained(begin), name=f"handler {call.plugin} {call.task_type} {call.method}"
        )
        self._watchdog.follow(task, call)
        task.add_done_callback(lambda _: self._task_slots.release())
        try:
            done, _ = await asyncio.wait([task], timeout=deadline_s)
            if done:
                return _outcome_of(task)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=self._options.grace_s)
        except asyncio.CancelledError:
            # The caller's own cancellation, at shutdown: it is passed on and not waited for.
            task.cancel()
            self._give_up(call, task, is_trouble=False)
            raise
        if not done:
            self._give_up(call, task, is_trouble=True)
        return _late(call, deadline_s)

    async def _in_thread(self, call: Call, begin: Callable[[], object], *, deadline_s: float) -> Outcome:
        if not await self._take(self._thread_slots):
            return self._busy(self._options.threads)
        future = self._threads.submit(begin)
        future.add_done_callback(lambda _: self._thread_slots.release())
        try:
            done, _ = await asyncio.wait([future], timeout=deadline_s)
        except asyncio.CancelledError:
            self._give_up(call, future, is_trouble=False)
            raise
        if done:
            return future.result()
        self._give_up(call, future, is_trouble=True)
        return _late(call, deadline_s)

    async def _take(self, slots: asyncio.Semaphore) -> bool:
        if not slots.locked():
            await slots.acquire()
            return True
        try:
            async with asyncio.timeout(self._options.slot_deadline_s):
                await slots.acquire()
        except TimeoutError:
            return False
        return True

    def _busy(self, slots: int) -> Fault:
        # Throttled, as this says that the call did nothing and that going slower helps; both are so.
        return Fault(
            kind=FaultKind.THROTTLED,
            reason="HANDLER_BUSY",
            message=f"all {slots} slots of plugin {self.plugin} are taken, {self.abandoned} by hung calls",
        )

    def _give_up(self, call: Call, future: asyncio.Future[Answered | Raised], *, is_trouble: bool) -> None:
        if future.done():
            return
        self.abandoned += 1
        self._given_up.add(future)
        future.add_done_callback(self._ended_late)
        if is_trouble:
            self._instrument.trouble(
                "handlers",
                f"plugin {self.plugin}: a call of {call.method} outlived its deadline and was abandoned",
                plugin=self.plugin,
                task_type=call.task_type,
                method=call.method,
                abandoned=str(self.abandoned),
            )

    def _ended_late(self, future: asyncio.Future[Answered | Raised]) -> None:
        self.abandoned -= 1
        self._given_up.discard(future)
        outcome = None if future.cancelled() else future.result()
        if isinstance(outcome, Answered) and inspect.iscoroutine(outcome.value):
            outcome.value.close()


async def _contained(begin: Callable[[], object]) -> Answered | Raised:
    """Await what begin gives. A SystemExit that left a task would take the loop along, so nothing leaves."""
    try:
        awaitable = begin()
        return Answered(await awaitable if isinstance(awaitable, Awaitable) else awaitable)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001  that is the purpose
        return Raised(error)


def _outcome_of(task: asyncio.Task[Answered | Raised]) -> Outcome:
    if task.cancelled():
        return Raised(asyncio.CancelledError("the handler cancelled itself"))
    return task.result()


def _late(call: Call, deadline_s: float) -> Fault:
    return Fault(
        kind=FaultKind.UNAVAILABLE,
        reason="DEADLINE_EXCEEDED",
        message=f"{call.method} of plugin {call.plugin} gave no answer within {deadline_s:g} s",
    )
