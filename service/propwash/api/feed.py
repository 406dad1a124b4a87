"""One reader of committed changes for all watchers and waiters of this server.

The feed keeps the newest changes in a bounded ring. Each watcher has its own place and reads from the ring,
or from the store where it fell behind the ring: a slow one slows only itself, and none has a queue. While
nobody watches or waits, the store is not read.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass

from propwash.api.errors import ApiError
from propwash.api.names import is_in
from propwash.api.reasons import Reason
from propwash.pb.v1 import execution_pb2
from propwash.ports import Compacted, ExecutionName, Executions, Record, Scope, Store, StoredChange

_ANY = Scope()
_READ_LIMIT = 512
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 5.0


class FeedEntry:
    """One change; its message is made once, for the first watcher that needs it."""

    __slots__ = ("_message", "change")

    def __init__(self, change: StoredChange) -> None:
        self.change = change
        self._message: execution_pb2.Execution | None = None

    def message(self, translate: Callable[[Record], execution_pb2.Execution]) -> execution_pb2.Execution:
        """The execution as it was after the change."""
        if self._message is None:
            self._message = translate(self.change.record)
        return self._message


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a watcher reads at once: the entries in its scope, and how far it has seen."""

    entries: list[FeedEntry]
    last_seq: int


class Feed:
    """Runs as one task; see the module."""

    def __init__(
        self, store: Store, executions: Executions, *, ring: int, trouble: Callable[[str], None]
    ) -> None:
        """ring is how many changes are kept; trouble is told of each failure to read the store."""
        self._store = store
        self._executions = executions
        self._ring = ring
        self._trouble = trouble
        self._entries: list[FeedEntry] = []
        self._seqs: list[int] = []
        self._floor = 0
        self._cursor = 0
        self._interested = 0
        self._wanted = asyncio.Event()
        self._moved: set[asyncio.Event] = set()
        self._waiters: dict[ExecutionName, set[asyncio.Future[Record | None]]] = {}
        self._is_closed = False

    async def run(self) -> None:
        """Follow the store while anybody is interested; for ever."""
        pause = _FIRST_PAUSE_S
        while True:
            await self._wanted.wait()
            try:
                self._restart(await self._store.last_seq())
                async for _ in self._advances():
                    pause = _FIRST_PAUSE_S
            except Compacted:
                continue
            except Exception as error:  # noqa: BLE001  # whatever the store raises, the reader must live on
                self._trouble(f"cannot read changes: {error!r}")
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _advances(self) -> AsyncIterator[int]:
        while self._interested:
            newest = await self._executions.newer_than(self._cursor)
            while self._interested and self._cursor < newest:
                page = await self._store.read_changes(_ANY, after=self._cursor, limit=_READ_LIMIT)
                if page.last_seq <= self._cursor:
                    await asyncio.sleep(_FIRST_PAUSE_S)  # the reader's view is behind the writer's
                    break
                self._take(page.changes, page.last_seq)
                yield page.last_seq
                await asyncio.sleep(0)  # a store in memory never makes the loop turn

    def close(self) -> None:
        """End every watch and wait with SERVER_DRAINING, so that clients resume elsewhere."""
        self._is_closed = True
        for event in self._moved:
            event.set()
        self._recheck()

    def check_open(self) -> None:
        """Raises ApiError SERVER_DRAINING after close."""
        if self._is_closed:
            raise ApiError(
                Reason.SERVER_DRAINING, "the server is stopping; repeat, or resume from the last token"
            )

    @contextlib.contextmanager
    def interest(self) -> Iterator[None]:
        """Keep the feed running inside the block."""
        self._interested += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._interested -= 1
            if not self._interested:
                self._wanted.clear()

    @contextlib.contextmanager
    def waiting_for(self, name: ExecutionName) -> Iterator[asyncio.Future[Record | None]]:
        """A future that gets the terminal record of that name, or None: look, then wait again."""
        future: asyncio.Future[Record | None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(name, set()).add(future)
        try:
            yield future
        finally:
            waiting = self._waiters.get(name)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiters[name]

    @contextlib.contextmanager
    def moves(self) -> Iterator[asyncio.Event]:
        """An event that is set with every new change."""
        event = asyncio.Event()
        self._moved.add(event)
        try:
            yield event
        finally:
            self._moved.discard(event)

    @property
    def cursor(self) -> int:
        """The newest change that the feed has seen."""
        return self._cursor

    async def read(
        self, scope: Scope, *, after: int, limit: int, names: Collection[ExecutionName]
    ) -> Stretch:
        """Changes after a sequence number, from the ring or the store; raises Compacted."""
        if self._floor <= after <= self._cursor:
            start = bisect_right(self._seqs, after)
            seen = self._entries[start : start + limit]
            is_all = start + limit >= len(self._entries)
            last = self._cursor if is_all else self._seqs[start + limit - 1]
            return Stretch(
                [entry for entry in seen if _concerns(entry.change.record.name, scope, names)], last
            )
        page = await self._store.read_changes(scope, after=after, limit=limit, names=tuple(names))
        return Stretch([FeedEntry(change) for change in page.changes], page.last_seq)

    def _restart(self, at: int) -> None:
        self._entries, self._seqs = [], []
        self._floor = self._cursor = at
        for event in self._moved:
            event.set()
        self._recheck()

    def _recheck(self) -> None:
        for waiting in self._waiters.values():
            _resolve(waiting, None)

    def _take(self, changes: Collection[StoredChange], last_seq: int) -> None:
        for change in changes:
            self._entries.append(FeedEntry(change))
            self._seqs.append(change.seq)
            if self._waiters and change.record.execution.phase.is_terminal:
                _resolve(self._waiters.get(change.record.name, ()), change.record)
        self._cursor = last_seq
        if len(self._entries) > 2 * self._ring:
            self._floor = self._seqs[-self._ring - 1]
            del self._entries[: -self._ring]
            del self._seqs[: -self._ring]
        for event in self._moved:
            event.set()


def _concerns(name: ExecutionName, scope: Scope, names: Collection[ExecutionName]) -> bool:
    return name in names if names else is_in(name, scope)


def _resolve(waiting: Collection[asyncio.Future[Record | None]], record: Record | None) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(record)
