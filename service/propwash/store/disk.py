"""What the in-memory store keeps, as a file would: commits and purges change it, openings come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from propwash.core.model import ExecutionUid, Instant
from propwash.ports import (
    Bury,
    DropPool,
    ExecutionName,
    Group,
    Insert,
    PutPool,
    Record,
    StoredChange,
    StoredPool,
    Update,
)
from propwash.store.columns import ended_at_of
from propwash.store.planning import Board, CommitPlan, RequestKey, Slot, as_updated, pool_of, request_key


@dataclass(slots=True, kw_only=True)
class Disk:
    """The data of one installation."""

    owner: str
    term: int = 0
    holder: object | None = None
    """The store that has it open."""
    records: dict[ExecutionUid, Record] = field(default_factory=dict)
    names: dict[ExecutionName, ExecutionUid] = field(default_factory=dict)
    requests: dict[RequestKey, ExecutionUid] = field(default_factory=dict)
    tombstones: dict[ExecutionName, Bury] = field(default_factory=dict)
    pools: dict[str, StoredPool] = field(default_factory=dict)
    changes: list[StoredChange] = field(default_factory=list)
    floor: int = 0
    last_seq: int = 0

    def board(self, groups: Sequence[Group]) -> Board:
        """All that is stored of what the groups name."""
        board = Board()
        uids: set[ExecutionUid] = set()
        for change in (change for group in groups for change in group):
            match change:
                case Update():
                    uids.add(change.uid)
                case Insert():
                    uids.add(change.record.execution.uid)
                    self._name(board, change.record.name)
                    key = request_key(change.record.name, change.record.request)
                    if key is not None and key in self.requests:
                        board.by_request[key] = self.requests[key]
                case Bury():
                    self._name(board, change.name)
                case PutPool() | DropPool():
                    name = pool_of(change)
                    if name in self.pools:
                        board.pools[name] = self.pools[name].version
        for uid in uids.union(board.by_name.values(), board.by_request.values()):
            if (record := self.records.get(uid)) is not None:
                board.by_uid[uid] = Slot(uid=uid, version=record.version, seq=record.seq)
        return board

    def _name(self, board: Board, name: ExecutionName) -> None:
        if name in self.names:
            board.by_name[name] = self.names[name]
        if name in self.tombstones:
            board.tombstones[name] = self.tombstones[name].message

    def apply(self, plan: CommitPlan, at: Instant) -> None:
        """Store what was planned."""
        for slot in plan.inserts:
            record = self.records[slot.uid] = slot.as_record()
            self.names[record.name] = slot.uid
            if (key := request_key(record.name, record.request)) is not None:
                self.requests[key] = slot.uid
        for slot in plan.updates:
            if slot.execution is not None:
                stored = self.records[slot.uid]
                execution = as_updated(stored.execution, slot.execution)
                self.records[slot.uid] = replace(
                    stored, execution=execution, version=slot.version, seq=slot.seq
                )
        for change in plan.changes:
            stored = self.records[change.execution.uid]
            execution = as_updated(stored.execution, change.execution)
            record = replace(stored, execution=execution, version=change.version, seq=change.seq)
            self.changes.append(StoredChange(seq=change.seq, committed_at=at, record=record))
        for bury in plan.buried:
            self.tombstones[bury.name] = bury
        for name, pool in plan.pools.items():
            if pool is None:
                self.pools.pop(name, None)
            else:
                self.pools[name] = pool
        self.last_seq = plan.last_seq

    def purge(self, *, ended_before: Instant, changes_before: Instant, limit: int) -> int:
        """Forget up to limit executions that ended before, and the changes committed before; how many executions."""
        ended = [(ended_at_of(record.execution), record) for record in self.records.values()]
        old = sorted(
            ((at, record.execution.uid) for at, record in ended if at is not None and at < ended_before),
        )[:limit]
        floor = self.floor
        for _, uid in old:
            record = self.records.pop(uid)
            floor = max(floor, record.seq)
            del self.names[record.name]
            if (key := request_key(record.name, record.request)) is not None:
                del self.requests[key]
        for change in self.changes[floor - self.floor :]:
            if change.committed_at >= changes_before:
                break
            floor = change.seq
        del self.changes[: floor - self.floor]
        self.floor = floor
        self.tombstones = {name: bury for name, bury in self.tombstones.items() if bury.at >= ended_before}
        return len(old)
