"""Does in one go what was asked for while the last go was under way.

EMR throttles by calls, and takes many steps, ids or names in one call; one lane (a cluster, say) has one go at a time,
which also makes this process the only writer of that lane.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


class Gatherer(Generic[ItemT, AnswerT]):
    """Collects items by lane and answers each from the go that it was part of.

    work gets one or more items, at most so many, and answers one value or exception for each, in their order; an
    exception that it raises is every item's. An item whose asker has gone before its go began is left out; one whose
    asker goes later is carried through, as the remote system may have heard of it already.
    """

    def __init__(
        self,
        work: Callable[[Sequence[ItemT]], Awaitable[Sequence[AnswerT | Exception]]],
        *,
        name: str,
        most: int,
    ) -> None:
        self._work = work
        self._name = name
        self._most = most
        self._waiting: dict[Hashable, deque[tuple[ItemT, asyncio.Future[AnswerT]]]] = {}
        self._runners: dict[Hashable, asyncio.Task[None]] = {}

    async def ask(self, lane: Hashable, item: ItemT) -> AnswerT:
        """The item's own answer; raises its exception."""
        answer: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(lane, deque()).append((item, answer))
        if lane not in self._runners:
            self._runners[lane] = asyncio.create_task(self._run(lane), name=f"{self._name}-{lane}")
        return await answer

    async def close(self) -> None:
        """Stop; whoever still waits is cancelled."""
        runners = list(self._runners.values())
        for runner in runners:
            runner.cancel()
        await asyncio.gather(*runners, return_exceptions=True)
        for waiting in self._waiting.values():
            for _, answer in waiting:
                answer.cancel()
        self._waiting.clear()

    async def _run(self, lane: Hashable) -> None:
        waiting = self._waiting[lane]
        try:
            while waiting:
                await self._go(waiting)
        finally:
            # No await between the last look at the queue and this, so nobody is forgotten.
            del self._runners[lane]
            if not waiting:
                self._waiting.pop(lane, None)

    async def _go(self, waiting: deque[tuple[ItemT, asyncio.Future[AnswerT]]]) -> None:
        taken: list[tuple[ItemT, asyncio.Future[AnswerT]]] = []
        while waiting and len(taken) < self._most:
            item, answer = waiting.popleft()
            if not answer.done():
                taken.append((item, answer))
        if not taken:
            return
        answers: Sequence[AnswerT | Exception]
        try:
            answers = await self._work([item for item, _ in taken])
            if len(answers) != len(taken):
                raise RuntimeError(f"{self._name} answered {len(answers)} of {len(taken)} items")
        except Exception as error:  # noqa: BLE001  whatever the work raises is its askers' to know
            answers = [error] * len(taken)
        except BaseException:
            for _, asked in taken:
                asked.cancel()
            raise
        for (_, asked), told in zip(taken, answers, strict=True):
            if asked.done():
                continue
            if isinstance(told, Exception):
                asked.set_exception(told)
            else:
                asked.set_result(told)
