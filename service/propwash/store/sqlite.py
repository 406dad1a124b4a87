"""The embedded store: one SQLite file, one writer thread, a few reader threads.

A commit is one transaction and one hand-over to the writer thread; it is answered when the file is synced.
Readers have connections of their own and see the last commit; neither waits for the other. A directory is
used by one process at a time. Instants are UTC seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

from propwash.core.model import ExecutionUid, Instant
from propwash.ports import (
    ChangePage,
    CommitResult,
    ExecutionName,
    Filter,
    Group,
    Position,
    Record,
    Scope,
    SnapshotPart,
    Stale,
    StoreCorrupt,
    StoredPool,
)
from propwash.store import purging, reading
from propwash.store.filters import check, in_scope
from propwash.store.planning import Planner
from propwash.store.schema import MIGRATIONS, Migration, migrate
from propwash.store.streaming import Stream
from propwash.store.threads import Threads, transaction
from propwash.store.writing import read_board, write_plan


class SqliteStore:
    """The Store port on the file propwash.db in a data directory."""

    def __init__(self, path: Path, *, readers: int = 3, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        """path is the data directory, made where it is missing; readers is the number of reader threads."""
        self._threads = Threads(path, readers=readers)
        self._migrations = migrations
        self._owner = ""
        self._term = 0
        self._last_seq = 0
        self._next_row = 1

    @property
    def owner(self) -> str:
        """The installation's owner id."""
        return self._owner

    @property
    def term(self) -> int:
        """The number of this opening."""
        return self._term

    async def open(self) -> None:
        """Open or create; raises StoreLocked, StoreNotWritable, StoreTooNew or StoreCorrupt."""
        await self._threads.open(self._migrations, self._begin)

    def _begin(self, writer: sqlite3.Connection) -> None:
        with transaction(writer):
            migrate(writer, self._migrations)
            writer.execute("UPDATE meta SET value = value + 1 WHERE key = 'term'")
            meta = dict(writer.execute("SELECT key, value FROM meta").fetchall())
            if not meta.keys() >= {"owner", "term", "floor"}:
                raise StoreCorrupt(f"{self._threads.file} lacks its owner, term or floor")
            (row,) = writer.execute("SELECT coalesce(max(id), 0) FROM executions").fetchone()
            newest = reading.last_seq(writer)
        self._owner, self._term = str(meta["owner"]), int(meta["term"])
        self._next_row, self._last_seq = int(row) + 1, newest

    async def close(self) -> None:
        """Finish what is being written and close; may be called twice."""
        await self._threads.close()

    async def commit(self, groups: Sequence[Group], *, at: Instant) -> Sequence[CommitResult]:
        """Store all groups in one transaction, one result a group.

        A commit goes on where its awaiter is cancelled. Raises StoreUnavailable where nothing was stored, and
        ValueError or TypeError where a spec or inputs hold what is no value; then nothing was stored either.
        """
        if not groups:
            return ()
        return await self._threads.write(lambda writer: self._commit(writer, groups, at))

    def _commit(
        self, writer: sqlite3.Connection, groups: Sequence[Group], at: Instant
    ) -> Sequence[CommitResult]:
        with transaction(writer):
            if not self._holds_term(writer):
                return [Stale(index=0)] * len(groups)
            planner = Planner(
                read_board(writer, groups),
                last_seq=self._last_seq,
                load=lambda uid: _present(reading.by_uids(writer, (uid,))[0]),
            )
            plan = planner.plan(groups)
            next_row = write_plan(writer, plan, at=at, next_row=self._next_row)
        self._last_seq, self._next_row = plan.last_seq, next_row
        return plan.results

    def _holds_term(self, writer: sqlite3.Connection) -> bool:
        (term,) = writer.execute("SELECT value FROM meta WHERE key = 'term'").fetchone()
        return bool(term == self._term)

    async def get(self, names: Sequence[ExecutionName]) -> Sequence[Record | None]:
        """Read by name."""
        return await self._threads.read(lambda reader: reading.by_names(reader, names))

    async def get_by_uid(self, uids: Sequence[ExecutionUid]) -> Sequence[Record | None]:
        """Read by uid."""
        return await self._threads.read(lambda reader: reading.by_uids(reader, uids))

    async def get_by_request_id(self, *, project: str, domain: str, request_id: str) -> Record | None:
        """Read by idempotency key."""
        return await self._threads.read(
            lambda reader: reading.by_request(reader, project=project, domain=domain, request_id=request_id)
        )

    async def list(
        self, scope: Scope, *, where: Filter | None, after: Position | None, limit: int
    ) -> Sequence[Record]:
        """Read a page, newest first; raises ValueError for an unknown field or a value of the wrong type."""
        if where is not None:
            check(where)
        query = reading.page_query(scope, where=where, after=after, limit=limit)
        return await self._threads.read(
            lambda reader: list(map(reading.to_record, reader.execute(*query).fetchall()))
        )

    async def load_pools(self) -> Sequence[StoredPool]:
        """Every stored pool, by name."""
        return await self._threads.read(reading.pools)

    async def load_active(self) -> AsyncIterator[Sequence[Record]]:
        """Every record that is not terminal, in parts, oldest first, of one moment."""
        async with aclosing(
            self._threads.parts(Stream.of_query(reading.whole_query(Scope(), is_active=True)))
        ) as parts:
            async for part in parts:
                if part.records:
                    yield part.records

    async def snapshot(
        self, scope: Scope, *, names: Sequence[ExecutionName] = ()
    ) -> AsyncIterator[SnapshotPart]:
        """A consistent view, at least one part. Until it is read or closed the write-ahead log grows."""
        if names:
            stream = Stream.of_names([name for name in names if in_scope(scope, name)])
        else:
            stream = Stream.of_query(reading.whole_query(scope, is_active=False))
        async with aclosing(self._threads.parts(stream)) as parts:
            async for part in parts:
                yield part

    async def read_changes(
        self, scope: Scope, *, after: int, limit: int, names: Sequence[ExecutionName] = ()
    ) -> ChangePage:
        """Public changes after a sequence number; raises Compacted.

        One read looks through a bounded number of changes: a page may be empty and its last_seq not yet the
        newest.
        """
        return await self._threads.read(
            lambda reader: reading.read_changes(reader, scope, after=after, limit=limit, names=names)
        )

    async def last_seq(self) -> int:
        """The newest sequence number."""
        return self._last_seq

    async def purge(self, *, ended_before: Instant, changes_before: Instant, limit: int) -> int:
        """Forget up to limit executions that ended before, and the changes committed before.

        Answers how many executions; 0 where another opening has superseded this one. The changes of a forgotten
        execution go with it, and all that are older; tombstones go like executions.
        """
        forgotten = 0
        while forgotten < limit:
            size = min(purging.BATCH, limit - forgotten)
            count = await self._purge(
                partial(purging.forget_executions, ended_before=ended_before, limit=size)
            )
            forgotten += count
            if count < size:
                break
        while await self._purge(partial(purging.compact, changes_before=changes_before)):
            pass
        while await self._purge(partial(purging.forget_tombstones, buried_before=ended_before)):
            pass
        return forgotten

    async def _purge(self, work: Callable[[sqlite3.Connection], int]) -> int:
        def fenced(writer: sqlite3.Connection) -> int:
            with transaction(writer):
                return work(writer) if self._holds_term(writer) else 0

        return await self._threads.write(fenced)


def _present(record: Record | None) -> Record:
    if record is None:
        raise AssertionError("an execution that was found is there")
    return record
