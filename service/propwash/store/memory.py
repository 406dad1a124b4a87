"""The in-memory fake: the Store port with the same semantics, and faults on command for the simulator."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeAlias

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
    StoredPool,
    StoreLocked,
    StoreUnavailable,
)
from propwash.store.disk import Disk
from propwash.store.filters import check, in_scope, matches
from propwash.store.planning import Planner
from propwash.store.reading import check_token
from propwash.store.streaming import PART

Gate: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited at a point of a commit; the simulator lets time pass, or crashes, there."""
_ALPHABET = string.ascii_lowercase + string.digits


class MemoryStore:
    """The Store port in memory; what crash answers sees what this one committed."""

    def __init__(self, *, owner: str | None = None) -> None:
        """owner is drawn where it is not given."""
        self._disk = Disk(owner=owner or "".join(secrets.choice(_ALPHABET) for _ in range(8)))
        self._term = 0
        self._failures = 0
        self._failure = ""
        self._going: set[asyncio.Task[Sequence[CommitResult]]] = set()
        self.before_commit: Gate | None = None
        """Awaited before a commit is durable."""
        self.after_commit: Gate | None = None
        """Awaited after a commit is durable and before it is answered."""

    def crash(self) -> MemoryStore:
        """A store, not yet open, that sees exactly what was committed; this one's writes are refused from now
        on.
        """
        survivor = MemoryStore(owner=self._disk.owner)
        survivor._disk = self._disk
        self._disk.term += 1
        self._disk.holder = None
        return survivor

    def fail_next(self, count: int = 1, *, message: str = "the disk is full") -> None:
        """Make the next commits raise StoreUnavailable and store nothing."""
        self._failures, self._failure = count, message

    @property
    def owner(self) -> str:
        """The installation's owner id."""
        return self._disk.owner

    @property
    def term(self) -> int:
        """The number of this opening."""
        return self._term

    async def open(self) -> None:
        """Open; raises StoreLocked where another store has the same data open."""
        if self._disk.holder is not None:
            raise StoreLocked("the data is in use by another store")
        self._disk.holder = self
        self._disk.term += 1
        self._term = self._disk.term

    async def close(self) -> None:
        """Finish what is being written and close; may be called twice."""
        if self._going:
            await asyncio.wait(set(self._going))
        if self._disk.holder is self:
            self._disk.holder = None
        self._term = 0

    async def commit(self, groups: Sequence[Group], *, at: Instant) -> Sequence[CommitResult]:
        """Store all groups or raise StoreUnavailable; goes on where its awaiter is cancelled."""
        self._check_open()
        if not groups:
            return ()
        if self.before_commit is None and self.after_commit is None:
            return self._commit(groups, at)
        task = asyncio.ensure_future(self._gated(groups, at))
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        return await asyncio.shield(task)

    async def _gated(self, groups: Sequence[Group], at: Instant) -> Sequence[CommitResult]:
        if self.before_commit is not None:
            await self.before_commit()
        results = self._commit(groups, at)
        if self.after_commit is not None:
            await self.after_commit()
        return results

    def _commit(self, groups: Sequence[Group], at: Instant) -> Sequence[CommitResult]:
        if self._disk.term != self._term:
            return [Stale(index=0)] * len(groups)
        if self._failures:
            self._failures -= 1
            raise StoreUnavailable(self._failure)
        disk = self._disk
        planner = Planner(disk.board(groups), last_seq=disk.last_seq, load=lambda uid: disk.records[uid])
        plan = planner.plan(groups)
        disk.apply(plan, at)
        return plan.results

    async def get(self, names: Sequence[ExecutionName]) -> Sequence[Record | None]:
        """Read by name."""
        self._check_open()
        return [self._named(name) for name in names]

    async def get_by_uid(self, uids: Sequence[ExecutionUid]) -> Sequence[Record | None]:
        """Read by uid."""
        self._check_open()
        return [self._disk.records.get(uid) for uid in uids]

    async def get_by_request_id(self, *, project: str, domain: str, request_id: str) -> Record | None:
        """Read by idempotency key."""
        self._check_open()
        uid = self._disk.requests.get((project, domain, request_id))
        return None if uid is None else self._disk.records[uid]

    async def list(
        self, scope: Scope, *, where: Filter | None, after: Position | None, limit: int
    ) -> Sequence[Record]:
        """Read a page, newest first; raises ValueError for an unknown field or a value of the wrong type."""
        self._check_open()
        if where is not None:
            check(where)
        found = [
            record
            for record in reversed(self._by_age())
            if in_scope(scope, record.name)
            and (after is None or _age(record) < (after.created_at, after.uid))
            and (where is None or matches(where, record))
        ]
        return found[:limit]

    async def load_pools(self) -> Sequence[StoredPool]:
        """Every stored pool, by name."""
        self._check_open()
        return [pool for _, pool in sorted(self._disk.pools.items())]

    async def load_active(self) -> AsyncIterator[Sequence[Record]]:
        """Every record that is not terminal, in parts, oldest first, of one moment."""
        self._check_open()
        found = [record for record in self._by_age() if not record.execution.phase.is_terminal]
        for start in range(0, len(found), PART):
            yield found[start : start + PART]

    async def snapshot(
        self, scope: Scope, *, names: Sequence[ExecutionName] = ()
    ) -> AsyncIterator[SnapshotPart]:
        """A consistent view, at least one part."""
        self._check_open()
        seq = self._disk.last_seq
        candidates = [self._named(name) for name in names] if names else self._by_age()
        found = [record for record in candidates if record is not None and in_scope(scope, record.name)]
        for start in range(0, max(1, len(found)), PART):
            yield SnapshotPart(seq=seq, records=tuple(found[start : start + PART]))

    async def read_changes(
        self, scope: Scope, *, after: int, limit: int, names: Sequence[ExecutionName] = ()
    ) -> ChangePage:
        """Public changes after a sequence number; raises Compacted."""
        self._check_open()
        disk, wanted = self._disk, set(names)
        check_token(after, floor=disk.floor, newest=disk.last_seq)
        # Sequence numbers have no gaps here: the first one kept follows the floor.
        found = [
            change
            for change in disk.changes[after - disk.floor :]
            if in_scope(scope, change.record.name) and (not wanted or change.record.name in wanted)
        ][:limit]
        last_seq = found[-1].seq if found and len(found) == limit else disk.last_seq
        return ChangePage(changes=tuple(found), last_seq=last_seq)

    async def last_seq(self) -> int:
        """The newest sequence number."""
        return self._disk.last_seq

    async def purge(self, *, ended_before: Instant, changes_before: Instant, limit: int) -> int:
        """Forget up to limit executions that ended before, and the changes committed before; how many
        executions.
        """
        self._check_open()
        if self._disk.term != self._term:
            return 0
        return self._disk.purge(ended_before=ended_before, changes_before=changes_before, limit=limit)

    def _check_open(self) -> None:
        if self._term == 0:
            raise StoreUnavailable("the store is closed")

    def _named(self, name: ExecutionName) -> Record | None:
        uid = self._disk.names.get(name)
        return None if uid is None else self._disk.records[uid]

    def _by_age(self) -> Sequence[Record]:
        return sorted(self._disk.records.values(), key=_age)


def _age(record: Record) -> tuple[Instant, str]:
    return record.execution.created_at, record.execution.uid
