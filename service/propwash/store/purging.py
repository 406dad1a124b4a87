"""Forgetting: ended executions, old changes and old tombstones, a little at a time."""

from __future__ import annotations

import json
import sqlite3

from propwash.core.model import Instant

BATCH = 500
"""How many rows one transaction forgets, so that commits do not wait for long."""


def forget_executions(connection: sqlite3.Connection, *, ended_before: Instant, limit: int) -> int:
    """Forget executions; the floor moves past their last change, so that no watcher misses it unaware."""
    rows = connection.execute(
        "SELECT id, seq FROM executions WHERE ended_at IS NOT NULL AND ended_at < ? "
        "ORDER BY ended_at LIMIT ?",
        (ended_before, limit),
    ).fetchall()
    if not rows:
        return 0
    ids = json.dumps([row for row, _ in rows])
    _raise_floor(connection, max(seq for _, seq in rows))
    for table in ("executions", "requests", "labels"):
        connection.execute(f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (ids,))
    return len(rows)


def compact(connection: sqlite3.Connection, *, changes_before: Instant) -> bool:
    """Forget the oldest changes; whether there may be more to forget."""
    rows = connection.execute(
        "SELECT seq, committed_at FROM changes ORDER BY seq LIMIT ?", (BATCH,)
    ).fetchall()
    (floor,) = connection.execute("SELECT value FROM meta WHERE key = 'floor'").fetchone()
    old = 0
    for seq, committed_at in rows:
        if seq > floor and committed_at >= changes_before:
            break
        old = seq
    if old:
        _raise_floor(connection, old)
        connection.execute("DELETE FROM changes WHERE seq <= ?", (old,))
    return bool(rows) and old == rows[-1][0] and len(rows) == BATCH


def forget_tombstones(connection: sqlite3.Connection, *, buried_before: Instant) -> bool:
    """Forget old tombstones; whether there may be more to forget."""
    cursor = connection.execute(
        "DELETE FROM tombstones WHERE (project, domain, execution) IN "
        "(SELECT project, domain, execution FROM tombstones WHERE at < ? LIMIT ?)",
        (buried_before, BATCH),
    )
    return cursor.rowcount == BATCH


def _raise_floor(connection: sqlite3.Connection, seq: int) -> None:
    connection.execute("UPDATE meta SET value = ? WHERE key = 'floor' AND value < ?", (seq, seq))
