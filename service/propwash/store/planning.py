"""What a commit does, decided in memory: which groups are stored, which are refused, and what is written.

Both adapters decide here; they differ in where the board comes from and where the plan goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar, assert_never

from propwash.core.model import Done, Execution, ExecutionUid
from propwash.ports import (
    Bury,
    Change,
    CommitResult,
    Committed,
    DropPool,
    Duplicate,
    DuplicateOf,
    ExecutionName,
    Group,
    Insert,
    PutPool,
    Record,
    Stale,
    StoredPool,
    TaskRequest,
    Update,
)

RequestKey = tuple[str, str, str]
"""Project, domain and request id."""
_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One execution as the commit sees it: row is 0 until it has one, execution is None until the commit
    changes it.
    """

    uid: ExecutionUid
    version: int
    seq: int
    row: int = 0
    name: ExecutionName | None = None
    request: TaskRequest | None = None
    execution: Execution | None = None

    def as_record(self) -> Record:
        """The record that the commit makes; of a slot that an Insert made."""
        if self.name is None or self.request is None or self.execution is None:
            raise AssertionError("only an insert carries its record")
        return Record(
            name=self.name,
            request=self.request,
            execution=self.execution,
            version=self.version,
            seq=self.seq,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """One public change."""

    seq: int
    version: int
    execution: Execution


@dataclass(slots=True)
class Board:
    """All that is stored of what the groups name."""

    by_uid: dict[ExecutionUid, Slot] = field(default_factory=dict)
    by_name: dict[ExecutionName, ExecutionUid] = field(default_factory=dict)
    by_request: dict[RequestKey, ExecutionUid] = field(default_factory=dict)
    tombstones: dict[ExecutionName, str] = field(default_factory=dict)
    pools: dict[str, int] = field(default_factory=dict)
    """The version of each; none, or 0, where there is none."""


@dataclass(slots=True)
class CommitPlan:
    """What is to be written, and what to answer when it is durable."""

    results: list[CommitResult]
    inserts: list[Slot]
    updates: list[Slot]
    """The newest of each execution only."""
    changes: list[PlannedChange]
    buried: list[Bury]
    pools: Mapping[str, StoredPool | None]
    """The newest of each that the commit changes; None where it is forgotten."""
    last_seq: int


class Planner:
    """Applies groups to a board, one after the other, each wholly or not at all."""

    def __init__(self, board: Board, *, last_seq: int, load: Callable[[ExecutionUid], Record]) -> None:
        """load reads a stored execution, as it was before the commit."""
        self._board = board
        self._load = load
        self._seq = last_seq
        self._changes: list[PlannedChange] = []
        self._buried: list[Bury] = []
        self._pools: dict[str, StoredPool | None] = {}
        self._touched: dict[ExecutionUid, None] = {}
        self._undo: list[Callable[[], object]] = []
        self._is_single = False

    def plan(self, groups: Sequence[Group]) -> CommitPlan:
        """Decide every group, in order."""
        results = [self._decide(group) for group in groups]
        touched = [slot for uid in self._touched if (slot := self._board.by_uid.get(uid)) and slot.execution]
        return CommitPlan(
            results=results,
            inserts=[slot for slot in touched if slot.request is not None],
            updates=[slot for slot in touched if slot.request is None],
            changes=self._changes,
            buried=self._buried,
            pools=self._pools,
            last_seq=self._seq,
        )

    def _decide(self, group: Group) -> CommitResult:
        self._undo.clear()
        # A change that is refused has put nothing, so that a group of one has nothing to undo.
        self._is_single = len(group) == 1
        before = self._seq, len(self._changes), len(self._buried)
        seqs: list[int] = []
        for index, change in enumerate(group):
            result = self._apply(index, change)
            if not isinstance(result, int):
                for undo in reversed(self._undo):
                    undo()
                self._seq = before[0]
                del self._changes[before[1] :]
                del self._buried[before[2] :]
                return result
            seqs.append(result)
        return Committed(seqs=tuple(seqs))

    def _apply(self, index: int, change: Change) -> int | Duplicate | Stale:
        match change:
            case Update():
                return self._update(index, change)
            case Insert():
                return self._insert(index, change.record)
            case Bury():
                return self._bury(index, change)
            case PutPool():
                return self._put_pool(index, change.pool)
            case DropPool():
                return self._drop_pool(index, change)
            case _:
                assert_never(change)

    def _update(self, index: int, change: Update) -> int | Stale:
        slot = self._board.by_uid.get(change.uid)
        if slot is None or slot.version != change.expected_version:
            return Stale(index=index)
        version = slot.version + 1
        if not change.is_public:
            self._put_slot(replace(slot, version=version, execution=change.execution))
            return 0
        self._seq += 1
        self._put_slot(replace(slot, version=version, execution=change.execution, seq=self._seq))
        self._changes.append(PlannedChange(seq=self._seq, version=version, execution=change.execution))
        return self._seq

    def _insert(self, index: int, record: Record) -> int | Duplicate:
        board, name, uid = self._board, record.name, record.execution.uid
        key = request_key(name, record.request)
        if key is not None and key in board.by_request:
            return self._duplicate(index, DuplicateOf.REQUEST_ID, board.by_request[key])
        if name in board.by_name:
            return self._duplicate(index, DuplicateOf.NAME, board.by_name[name])
        if uid in board.by_uid:
            return self._duplicate(index, DuplicateOf.NAME, uid)
        # An execution that is born ended answers for the tombstone, and may be stored over it.
        if name in board.tombstones and not isinstance(record.execution.state, Done):
            return Duplicate(
                index=index, of=DuplicateOf.TOMBSTONE, existing=None, message=board.tombstones[name]
            )
        self._seq += 1
        slot = Slot(
            uid=uid,
            version=1,
            seq=self._seq,
            name=name,
            request=record.request,
            execution=record.execution,
        )
        self._put_slot(slot)
        self._put(board.by_name, name, uid)
        if key is not None:
            self._put(board.by_request, key, uid)
        self._changes.append(PlannedChange(seq=self._seq, version=1, execution=record.execution))
        return self._seq

    def _bury(self, index: int, change: Bury) -> int | Duplicate:
        board = self._board
        if change.name in board.by_name:
            return self._duplicate(index, DuplicateOf.NAME, board.by_name[change.name])
        if change.name not in board.tombstones:
            self._put(board.tombstones, change.name, change.message)
            self._buried.append(change)
        return 0

    def _put_pool(self, index: int, pool: StoredPool) -> int | Stale:
        name = pool.spec.name
        if pool.version != self._board.pools.get(name, 0) + 1:
            return Stale(index=index)
        self._put(self._board.pools, name, pool.version)
        self._put(self._pools, name, pool)
        return 0

    def _drop_pool(self, index: int, change: DropPool) -> int | Stale:
        version = self._board.pools.get(change.name, 0)
        if not version or version != change.expected_version:
            return Stale(index=index)
        self._put(self._board.pools, change.name, 0)
        self._put(self._pools, change.name, None)
        return 0

    def _duplicate(self, index: int, of: DuplicateOf, uid: ExecutionUid) -> Duplicate:
        return Duplicate(index=index, of=of, existing=self._record(self._board.by_uid[uid]))

    def _record(self, slot: Slot) -> Record:
        if slot.request is not None:
            return slot.as_record()
        stored = self._load(slot.uid)
        if slot.execution is None:
            return stored
        execution = as_updated(stored.execution, slot.execution)
        return replace(stored, execution=execution, version=slot.version, seq=slot.seq)

    def _put_slot(self, slot: Slot) -> None:
        self._touched[slot.uid] = None
        self._put(self._board.by_uid, slot.uid, slot)

    def _put(self, mapping: dict[_K, _V], key: _K, value: _V) -> None:
        if self._is_single:
            pass
        elif key in mapping:
            self._undo.append(partial(mapping.__setitem__, key, mapping[key]))
        else:
            self._undo.append(partial(mapping.__delitem__, key))
        mapping[key] = value


def request_key(name: ExecutionName, request: TaskRequest) -> RequestKey | None:
    """By what a repeat is told; None where the request has no id."""
    return (name.project, name.domain, request.request_id) if request.request_id else None


def pool_of(change: PutPool | DropPool) -> str:
    """The name of the pool that a change is about."""
    return change.pool.spec.name if isinstance(change, PutPool) else change.name


def as_updated(stored: Execution, execution: Execution) -> Execution:
    """The execution after an update: what never changes stays as it was stored."""
    return replace(execution, uid=stored.uid, plan=stored.plan, created_at=stored.created_at)
