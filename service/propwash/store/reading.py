"""The readers' statements, and rows to records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from propwash.core.model import ExecutionUid, Instant, Phase
from propwash.ports import (
    ChangePage,
    Compacted,
    Comparator,
    Comparison,
    ExecutionName,
    Filter,
    Position,
    Record,
    Scope,
    StoredChange,
    StoredPool,
)
from propwash.store.codec import decode_execution, decode_request
from propwash.store.filters import SqlValue, conjuncts, label_key, phases_of, to_sql
from propwash.store.pools import decode_pool

WINDOW = 20_000
"""How many sequence numbers one read of changes looks through at most, so that a narrow scope does not read
for long.
"""
Row: TypeAlias = tuple[str, str, str, str, Instant, bytes, bytes, int, int]
Query: TypeAlias = tuple[str, list[SqlValue]]
_ROW = "e.uid, e.project, e.domain, e.execution, e.created_at, r.body, "
_OWN = "e.state, e.version, e.seq"
_BODY = "CROSS JOIN requests AS r ON r.id = e.id"
_SELECT = f"SELECT {_ROW}{_OWN} FROM executions AS e {_BODY} WHERE "
_BY_NAME = _SELECT + "e.project = ? AND e.domain = ? AND e.execution = ?"
_BY_UID = _SELECT + "e.uid = ?"
_BY_REQUEST = _SELECT + "e.project = ? AND e.domain = ? AND e.request_id = ?"
_ACTIVE = frozenset(phase for phase in Phase if not phase.is_terminal)


@contextmanager
def one_view(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """A read transaction: everything read within is of one moment."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


def to_record(row: Row) -> Record:
    """A row of any query here; raises StoreCorrupt or StoreTooNew."""
    uid, project, domain, execution, created_at, body, state, version, seq = row
    request, plan = decode_request(body)
    return Record(
        name=ExecutionName(project, domain, execution),
        request=request,
        execution=decode_execution(state, uid=ExecutionUid(uid), plan=plan, created_at=created_at),
        version=version,
        seq=seq,
    )


def by_names(connection: sqlite3.Connection, names: Sequence[ExecutionName]) -> list[Record | None]:
    """One answer a name."""
    return [_one(connection, _BY_NAME, (name.project, name.domain, name.execution)) for name in names]


def by_uids(connection: sqlite3.Connection, uids: Sequence[ExecutionUid]) -> list[Record | None]:
    """One answer a uid."""
    return [_one(connection, _BY_UID, (uid,)) for uid in uids]


def by_request(
    connection: sqlite3.Connection, *, project: str, domain: str, request_id: str
) -> Record | None:
    """The execution of an idempotency key."""
    return _one(connection, _BY_REQUEST, (project, domain, request_id)) if request_id else None


def _one(connection: sqlite3.Connection, sql: str, params: Sequence[str]) -> Record | None:
    row = connection.execute(sql, params).fetchone()
    return None if row is None else to_record(row)


def pools(connection: sqlite3.Connection) -> list[StoredPool]:
    """Every pool, by name; raises StoreCorrupt or StoreTooNew."""
    return [decode_pool(body) for (body,) in connection.execute("SELECT body FROM pools ORDER BY name")]


def last_seq(connection: sqlite3.Connection) -> int:
    """The newest sequence number that was ever given."""
    (newest,) = connection.execute(
        "SELECT max((SELECT value FROM meta WHERE key = 'floor'), "
        "coalesce((SELECT max(seq) FROM changes), 0))"
    ).fetchone()
    return int(newest)


def page_query(scope: Scope, *, where: Filter | None, after: Position | None, limit: int) -> Query:
    """A page of a list, newest first."""
    sql, params, age = _rows(scope, where, phases_of(where))
    if after is not None:
        sql += f" AND ({age}.created_at, {age}.uid) < (?, ?)"
        params += [after.created_at, after.uid]
    params.append(limit)
    return f"{sql} ORDER BY {age}.created_at DESC, {age}.uid DESC LIMIT ?", params


def whole_query(scope: Scope, *, is_active: bool) -> Query:
    """All executions in scope, or those that are not terminal, oldest first."""
    sql, params, age = _rows(scope, None, _ACTIVE if is_active else frozenset(Phase))
    return f"{sql} ORDER BY {age}.created_at, {age}.uid", params


def _rows(scope: Scope, where: Filter | None, phases: frozenset[Phase]) -> tuple[str, list[SqlValue], str]:
    # The index is named, so that the plan depends on no statistics; each is in the order of the answer.
    label = next(filter(_is_label, conjuncts(where)), None)
    terms: list[str] = []
    params: list[SqlValue] = []
    age = "e"
    if phases <= _ACTIVE:
        source = "executions AS e INDEXED BY executions_active"
        terms.append("e.ended_at IS NULL")
    elif label is not None:
        source = "labels AS d CROSS JOIN executions AS e ON e.id = d.id"
        terms.append("d.key = ? AND d.value = ?")
        params += [label_key(label.field) or "", str(label.value)]
        age = "d"
    elif len(phases) == 1:
        source = "executions AS e INDEXED BY executions_ended"
        terms.append("e.phase = ? AND e.ended_at IS NOT NULL")
        params.append(next(iter(phases)).value)
    elif scope.project is None:
        source = "executions AS e INDEXED BY executions_by_age"
    elif scope.domain is None:
        source = "executions AS e INDEXED BY executions_by_project"
    else:
        source = "executions AS e INDEXED BY executions_by_domain"
    _add_scope(scope, terms, params)
    if where is not None:
        terms.append(to_sql(where, params))
    return f"SELECT {_ROW}{_OWN} FROM {source} {_BODY} WHERE {' AND '.join(terms) or '1'}", params, age


def _is_label(comparison: Comparison) -> bool:
    return comparison.comparator is Comparator.EQUAL and label_key(comparison.field) is not None


def _add_scope(scope: Scope, terms: list[str], params: list[SqlValue]) -> None:
    for column, value in (("project", scope.project), ("domain", scope.domain)):
        if value is not None:
            terms.append(f"e.{column} = ?")
            params.append(value)


def changes_query(
    scope: Scope, *, after: int, upto: int, limit: int, names: Sequence[ExecutionName]
) -> Query:
    """The changes in (after, upto]."""
    terms = ["c.seq > ?", "c.seq <= ?"]
    params: list[SqlValue] = [after, upto]
    _add_scope(scope, terms, params)
    if names:
        terms.append(
            "(e.project, e.domain, e.execution) IN "
            "(SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?))"
        )
        params.append(json.dumps([(name.project, name.domain, name.execution) for name in names]))
    params.append(limit)
    sql = (
        f"SELECT {_ROW}c.state, c.version, c.seq, c.committed_at FROM changes AS c "
        f"CROSS JOIN executions AS e ON e.id = c.id {_BODY} "
        f"WHERE {' AND '.join(terms)} ORDER BY c.seq LIMIT ?"
    )
    return sql, params


def read_changes(
    connection: sqlite3.Connection, scope: Scope, *, after: int, limit: int, names: Sequence[ExecutionName]
) -> ChangePage:
    """A page of changes; raises Compacted."""
    with one_view(connection):
        (floor,) = connection.execute("SELECT value FROM meta WHERE key = 'floor'").fetchone()
        newest = last_seq(connection)
        check_token(after, floor=floor, newest=newest)
        upto = min(newest, after + WINDOW)
        rows = connection.execute(
            *changes_query(scope, after=after, upto=upto, limit=limit, names=names)
        ).fetchall()
    changes = tuple(StoredChange(seq=row[8], committed_at=row[9], record=to_record(row[:9])) for row in rows)
    is_full = bool(changes) and len(changes) == limit
    return ChangePage(changes=changes, last_seq=changes[-1].seq if is_full else upto)


def check_token(after: int, *, floor: int, newest: int) -> None:
    """Raise Compacted where the changes after a sequence number are not all there, or it was never given
    here.
    """
    if after < floor:
        raise Compacted(f"the changes up to {floor} are forgotten; {after} was asked for")
    if after > newest:
        raise Compacted(f"the newest change is {newest}; {after} was asked for")
