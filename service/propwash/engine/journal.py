"""The group commit: everything that waits goes into one transaction, in order, before anything is acted upon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter

from propwash.core.model import Instant
from propwash.ports import Clock, CommitResult, Committed, Group, Instrument, Store, StoreUnavailable

LONGEST_RETRY_S = 5.0


class Journal:
    """Hands groups to the store in the order given and calls each group's done with its result, in that order.

    A store that cannot take a commit is asked again, with backoff, for as long as it takes: nothing is acted upon, and
    nothing is lost, in the meantime.
    """

    def __init__(
        self, store: Store, clock: Clock, instrument: Instrument, *, gather_s: float, retry_s: float
    ) -> None:
        self._store = store
        self._clock = clock
        self._instrument = instrument
        self._gather_s = gather_s
        self._retry_s = retry_s
        self._waiting: list[tuple[Group, Callable[[CommitResult], None]]] = []
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._newer: set[asyncio.Future[int]] = set()
        self._appended = self._decided = 0
        self._late: set[asyncio.Future[None]] = set()
        self._waiting_since: Instant | None = None
        self._trying_since: Instant | None = None
        self.backlog = 0
        """Changes that are not decided."""
        self.last_seq = 0
        """The newest committed sequence number."""
        self.is_failing = False
        """Whether the store has not taken the commit that is being tried."""

    def append(self, group: Group, done: Callable[[CommitResult], None]) -> None:
        """Have a group stored; done is called in the loop when it is durable or refused."""
        if not self._waiting:
            self._waiting_since = self._clock.now()
        self._waiting.append((group, done))
        self._appended += 1
        self.backlog += len(group)
        self._arrived.set()
        self._idle.clear()

    async def flushed(self) -> None:
        """Return when nothing waits."""
        await self._idle.wait()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits."""
        return self._idle.is_set()

    @property
    def oldest_at(self) -> Instant | None:
        """Since when the oldest group that is not decided has waited; None where none is."""
        return self._waiting_since if self._trying_since is None else self._trying_since

    async def caught_up(self) -> None:
        """Return when all that was appended before this call is decided.

        Who gives up waiting leaves nothing behind, however long the store takes no commits.
        """
        goal = self._appended
        while self._decided < goal:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._late.add(waiter)
            try:
                await waiter
            finally:
                self._late.discard(waiter)

    def abandon(self, error: Exception) -> None:
        """Raise the error where somebody still waits to be caught up with."""
        for waiter in self._late:
            if not waiter.done():
                waiter.set_exception(error)

    async def newer_than(self, seq: int) -> int:
        """Return the newest sequence number as soon as it is greater than seq."""
        while self.last_seq <= seq:
            waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._newer.add(waiter)
            try:
                await waiter
            finally:
                self._newer.discard(waiter)
        return self.last_seq

    async def run(self) -> None:
        """Commit for ever."""
        while True:
            await self._arrived.wait()
            if self._gather_s:
                await asyncio.sleep(self._gather_s)
            self._arrived.clear()
            batch, self._waiting = self._waiting, []
            self._trying_since, self._waiting_since = self._waiting_since, None
            results = await self._commit([group for group, _ in batch])
            for (_, done), result in zip(batch, results, strict=True):
                if isinstance(result, Committed):
                    self.last_seq = max(self.last_seq, *result.seqs, 0)
                done(result)
            self._trying_since = None
            self._decided += len(batch)
            self.backlog -= sum(len(group) for group, _ in batch)
            for late in self._late:
                if not late.done():
                    late.set_result(None)
            for waiter in self._newer:
                if not waiter.done():
                    waiter.set_result(self.last_seq)
            if not self._waiting:
                self._idle.set()

    async def _commit(self, groups: Sequence[Group]) -> Sequence[CommitResult]:
        retry_s = self._retry_s
        while True:
            began = perf_counter()
            try:
                results = await self._store.commit(groups, at=self._clock.now())
            except StoreUnavailable as error:
                self.is_failing = True
                self._instrument.commit_failed(str(error))
                await self._clock.sleep_until(self._clock.now() + retry_s)
                retry_s = min(LONGEST_RETRY_S, retry_s * 2)
                continue
            self.is_failing = False
            self._instrument.committed(changes=sum(map(len, groups)), seconds=perf_counter() - began)
            return results
