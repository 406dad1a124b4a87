"""The in-memory fake: the Store port with the same semantics, and faults on command for the simulator."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from propwash.core.model import ExecutionUid, Instant
from propwash.ports import (
    Bury,
    ChangePage,
    CommitResult,
    ExecutionName,
    Filter,
    Group,
    Insert,
    Position,
    Record,
    Scope,
    SnapshotPart,
    Stale,
    StoredChange,
    StoreLocked,
    StoreUnavailable,
    Update,
)
from propwash.store.columns import ended_at_of
from propwash.store.filters import check, in_scope, matches
from propwash.store.planning import Board, CommitPlan, Planner, RequestKey, Slot, as_updated, request_key
from propwash.store.reading import check_token
from propwash.store.streaming import PART

Gate: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited at a point of a commit; the simulator lets time pass, or crashes, there."""
_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(slots=True, kw_only=True)
class _Disk:
    owner: str
    term: int = 0
    holder: MemoryStore | None = None
    records: dict[ExecutionUid, Record] = field(default_factory=dict)
    names: dict[ExecutionName, ExecutionUid] = field(default_factory=dict)
    requests: dict[RequestKey, ExecutionUid] = field(default_factory=dict)
    tombstones: dict[ExecutionName, Bury] = field(default_factory=dict)
    changes: list[StoredChange] = field(default_factory=list)
    floor: int = 0
    last_seq: int = 0


class MemoryStore:
    """The Store port in memory; what crash answers sees what this one committed."""

    def __init__(self, *, owner: str | None = None) -> None:
        """owner is drawn where it is not given."""
        self._disk = _Disk(owner=owner or "".join(secrets.choice(_ALPHABET) for _ in range(8)))
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
        planner = Planner(
            self._board(groups), last_seq=self._disk.last_seq, load=lambda uid: self._disk.records[uid]
        )
        plan = planner.plan(groups)
        self._apply(plan, at)
        return plan.results

    def _board(self, groups: Sequence[Group]) -> Board:
        disk, board = self._disk, Board()
        uids: set[ExecutionUid] = set()
        for change in (change for group in groups for change in group):
            if isinstance(change, Update):
                uids.add(change.uid)
                continue
            name = change.record.name if isinstance(change, Insert) else change.name
            if name in disk.names:
                board.by_name[name] = disk.names[name]
            if name in disk.tombstones:
                board.tombstones[name] = disk.tombstones[name].message
            if isinstance(change, Insert):
                uids.add(change.record.execution.uid)
                key = request_key(name, change.record.request)
                if key is not None and key in disk.requests:
                    board.by_request[key] = disk.requests[key]
        for uid in uids.union(board.by_name.values(), board.by_request.values()):
            if (record := disk.records.get(uid)) is not None:
                board.by_uid[uid] = Slot(uid=uid, version=record.version, seq=record.seq)
        return board

    def _apply(self, plan: CommitPlan, at: Instant) -> None:
        disk = self._disk
        for slot in plan.inserts:
            record = disk.records[slot.uid] = slot.as_record()
            disk.names[record.name] = slot.uid
            if (key := request_key(record.name, record.request)) is not None:
                disk.requests[key] = slot.uid
        for slot in plan.updates:
            if slot.execution is not None:
                stored = disk.records[slot.uid]
                execution = as_updated(stored.execution, slot.execution)
                disk.records[slot.uid] = replace(
                    stored, execution=execution, version=slot.version, seq=slot.seq
                )
        for change in plan.changes:
            stored = disk.records[change.execution.uid]
            execution = as_updated(stored.execution, change.execution)
            record = replace(stored, execution=execution, version=change.version, seq=change.seq)
            disk.changes.append(StoredChange(seq=change.seq, committed_at=at, record=record))
        for bury in plan.buried:
            disk.tombstones[bury.name] = bury
        disk.last_seq = plan.last_seq

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
        disk = self._disk
        if disk.term != self._term:
            return 0
        ended = [(ended_at_of(record.execution), record) for record in disk.records.values()]
        old = sorted(
            ((at, record.execution.uid) for at, record in ended if at is not None and at < ended_before),
        )[:limit]
        floor = disk.floor
        for _, uid in old:
            record = disk.records.pop(uid)
            floor = max(floor, record.seq)
            del disk.names[record.name]
            if (key := request_key(record.name, record.request)) is not None:
                del disk.requests[key]
        for change in disk.changes[floor - disk.floor :]:
            if change.committed_at >= changes_before:
                break
            floor = change.seq
        del disk.changes[: floor - disk.floor]
        disk.floor = floor
        disk.tombstones = {name: bury for name, bury in disk.tombstones.items() if bury.at >= ended_before}
        return len(old)

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
