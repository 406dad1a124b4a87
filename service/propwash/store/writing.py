"""The writer's statements. A commit makes a handful of calls, however many groups it has.

Every call into SQLite gives the interpreter's lock away and waits for it again behind a busy event loop; so
rows go in many at a time, and what is stored is read in bulk before the groups are decided.
"""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from propwash.core.model import Execution, ExecutionUid, Instant
from propwash.ports import Bury, DropPool, ExecutionName, Group, Insert, PutPool, StoredPool, Update
from propwash.store.codec import encode_request, encode_state
from propwash.store.columns import connection_of, ended_at_of, reason_of
from propwash.store.planning import Board, CommitPlan, Slot, pool_of, request_key
from propwash.store.pools import encode_pool

Cell: TypeAlias = str | int | float | bytes | None
_MOST_ROWS = 512
_EXECUTION = (
    "id, uid, project, domain, execution, request_id, task_type, connection, phase, attempt, reason, "
    "created_at, updated_at, ended_at, version, seq, state"
)


def read_board(connection: sqlite3.Connection, groups: Sequence[Group]) -> Board:
    """All that is stored of what the groups name."""
    board = Board()
    uids: list[ExecutionUid] = []
    inserts: list[Insert] = []
    names: list[ExecutionName] = []
    pools: list[str] = []
    for group in groups:
        for change in group:
            match change:
                case Update():
                    uids.append(change.uid)
                case Insert():
                    uids.append(change.record.execution.uid)
                    inserts.append(change)
                    names.append(change.record.name)
                case Bury():
                    names.append(change.name)
                case PutPool() | DropPool():
                    pools.append(pool_of(change))
    _read_uids(connection, board, uids)
    _read_names(connection, board, names)
    _read_requests(connection, board, inserts)
    _read_pools(connection, board, pools)
    return board


def _read_uids(connection: sqlite3.Connection, board: Board, uids: Sequence[ExecutionUid]) -> None:
    # One row whatever the number of executions: fetching takes the interpreter's lock once a row.
    (found,) = connection.execute(
        "SELECT json_group_array(json_array(e.uid, e.id, e.version, e.seq)) "
        "FROM json_each(?) AS w CROSS JOIN executions AS e ON e.uid = w.value",
        (json.dumps(uids),),
    ).fetchone()
    for uid, row, version, seq in json.loads(found):
        board.by_uid[uid] = Slot(uid=uid, row=row, version=version, seq=seq)


def _read_names(connection: sqlite3.Connection, board: Board, names: Sequence[ExecutionName]) -> None:
    wanted = [(name.project, name.domain, name.execution) for name in names]
    for size, cells in _padded(wanted):
        for uid, row, version, seq, *parts in connection.execute(_find_names(size), cells):
            board.by_uid[uid] = Slot(uid=uid, row=row, version=version, seq=seq)
            board.by_name[ExecutionName(*parts)] = uid
        for *parts, message in connection.execute(_find_tombstones(size), cells):
            board.tombstones[ExecutionName(*parts)] = message


def _read_requests(connection: sqlite3.Connection, board: Board, inserts: Sequence[Insert]) -> None:
    keys = [request_key(insert.record.name, insert.record.request) for insert in inserts]
    for size, cells in _padded([key for key in keys if key is not None]):
        for uid, row, version, seq, *key in connection.execute(_find_requests(size), cells):
            board.by_uid[uid] = Slot(uid=uid, row=row, version=version, seq=seq)
            board.by_request[(key[0], key[1], key[2])] = uid


def _read_pools(connection: sqlite3.Connection, board: Board, pools: Sequence[str]) -> None:
    for size, cells in _padded([(name,) for name in pools]):
        board.pools.update(connection.execute(_find_pools(size), cells).fetchall())


def write_plan(connection: sqlite3.Connection, plan: CommitPlan, *, at: Instant, next_row: int) -> int:
    """Write what was planned; new rows are numbered from next_row on. Answers the next free number."""
    rows: dict[ExecutionUid, int] = {}
    states = _States()
    executions: list[tuple[Cell, ...]] = []
    requests: list[tuple[Cell, ...]] = []
    labels: list[tuple[Cell, ...]] = []
    for slot in plan.inserts:
        record = slot.as_record()
        name, request, execution = record.name, record.request, record.execution
        rows[slot.uid] = next_row
        requests.append((next_row, encode_request(request, execution.plan)))
        executions.append(
            (
                next_row,
                slot.uid,
                name.project,
                name.domain,
                name.execution,
                request.request_id or None,
                request.task_type,
                connection_of(request, execution),
                execution.phase.value,
                execution.attempt,
                reason_of(execution),
                execution.created_at,
                execution.updated_at,
                ended_at_of(execution),
                slot.version,
                slot.seq,
                states.encoded(execution),
            )
        )
        for key, value in request.labels.items():
            labels.append((key, value, execution.created_at, slot.uid, next_row))
        next_row += 1
    going: list[tuple[Cell, ...]] = []
    ended: list[tuple[Cell, ...]] = []
    for slot in plan.updates:
        if slot.execution is None:
            raise AssertionError("an update carries its execution")
        rows[slot.uid] = slot.row
        execution = slot.execution
        ended_at = ended_at_of(execution)
        cells: tuple[Cell, ...] = (slot.row, execution.phase.value, execution.attempt, reason_of(execution))
        cells += (execution.updated_at, slot.version, slot.seq, states.encoded(execution))
        if ended_at is None:
            going.append(cells)
        else:
            ended.append((*cells, ended_at))
    changes: list[tuple[Cell, ...]] = [
        (change.seq, rows[change.execution.uid], change.version, at, states.encoded(change.execution))
        for change in plan.changes
    ]
    _insert(connection, f"executions ({_EXECUTION})", executions)
    _insert(connection, "requests (id, body)", requests)
    _insert(connection, "labels (key, value, created_at, uid, id)", labels)
    _execute(connection, "going", going)
    _execute(connection, "ended", ended)
    _insert(connection, "changes (seq, id, version, committed_at, state)", changes)
    _insert(
        connection,
        "tombstones (project, domain, execution, message, at)",
        [(b.name.project, b.name.domain, b.name.execution, b.message, b.at) for b in plan.buried],
    )
    if plan.pools:
        _write_pools(connection, plan.pools)
    return next_row


def _write_pools(connection: sqlite3.Connection, pools: Mapping[str, StoredPool | None]) -> None:
    connection.executemany("DELETE FROM pools WHERE name = ?", [(name,) for name in pools])
    kept = [(name, pool.version, encode_pool(pool)) for name, pool in pools.items() if pool is not None]
    _insert(connection, "pools (name, version, body)", kept)


class _States:
    """Encodes each execution once: it goes into its own row and into the change."""

    def __init__(self) -> None:
        self._done: dict[int, bytes] = {}

    def encoded(self, execution: Execution) -> bytes:
        # By identity: the plan keeps every execution alive for as long as this cache lives.
        key = id(execution)
        body = self._done.get(key)
        if body is None:
            body = self._done[key] = encode_state(execution)
        return body


def _insert(connection: sqlite3.Connection, into: str, rows: Sequence[tuple[Cell, ...]]) -> None:
    for size, cells in _padded(rows):
        connection.execute(_insertion(into, len(rows[0]), size), cells)


def _execute(connection: sqlite3.Connection, kind: str, rows: Sequence[tuple[Cell, ...]]) -> None:
    for size, cells in _padded(rows):
        connection.execute(_updating(kind, size), cells)


def _padded(rows: Sequence[tuple[Cell, ...]]) -> Iterator[tuple[int, list[Cell]]]:
    # Up to a power of two, with rows of NULL that no statement minds, so that few have to be prepared.
    for start in range(0, len(rows), _MOST_ROWS):
        chunk = rows[start : start + _MOST_ROWS]
        size = 1 << (len(chunk) - 1).bit_length()
        cells = list(chain.from_iterable(chunk))
        cells += [None] * ((size - len(chunk)) * len(chunk[0]))
        yield size, cells


def _values(columns: int, rows: int) -> str:
    row = "(" + ", ".join("?" * columns) + ")"
    return "(VALUES " + ", ".join([row] * rows) + ")"


@functools.cache
def _insertion(into: str, columns: int, rows: int) -> str:
    return f"INSERT INTO {into} SELECT * FROM {_values(columns, rows)} WHERE column1 IS NOT NULL"


@functools.cache
def _updating(kind: str, rows: int) -> str:
    # The end is set by a statement of its own, since naming the column rewrites every index on it.
    end = ", ended_at = w.column9" if kind == "ended" else ""
    return (
        "UPDATE executions SET phase = w.column2, attempt = w.column3, reason = w.column4, "
        f"updated_at = w.column5, version = w.column6, seq = w.column7, state = w.column8{end} "
        f"FROM {_values(9 if end else 8, rows)} AS w WHERE executions.id = w.column1"
    )


@functools.cache
def _find_names(rows: int) -> str:
    return _find("execution", rows)


@functools.cache
def _find_requests(rows: int) -> str:
    return _find("request_id", rows)


def _find(third: str, rows: int) -> str:
    return (
        f"SELECT e.uid, e.id, e.version, e.seq, e.project, e.domain, e.{third} FROM {_values(3, rows)} AS w "
        "CROSS JOIN executions AS e "
        f"ON e.project = w.column1 AND e.domain = w.column2 AND e.{third} = w.column3"
    )


@functools.cache
def _find_pools(rows: int) -> str:
    return (
        f"SELECT p.name, p.version FROM {_values(1, rows)} AS w CROSS JOIN pools AS p ON p.name = w.column1"
    )


@functools.cache
def _find_tombstones(rows: int) -> str:
    return (
        f"SELECT t.project, t.domain, t.execution, t.message FROM {_values(3, rows)} AS w "
        "CROSS JOIN tombstones AS t "
        "ON t.project = w.column1 AND t.domain = w.column2 AND t.execution = w.column3"
    )
