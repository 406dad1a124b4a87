"""The tables, their versions and the way from one to the next."""

from __future__ import annotations

import secrets
import sqlite3
import string
from collections.abc import Callable, Sequence
from typing import TypeAlias

from propwash.ports import StoreTooNew

APPLICATION_ID = 0x50574153
"""Tells a Propwash store from any other SQLite file: "PWAS"."""

TABLES = frozenset({"meta", "executions", "requests", "labels", "changes", "tombstones"})
"""What every version has."""
_TABLES_SINCE = {"pools": 2}
"""What versions have from this one on."""

Migration: TypeAlias = Callable[[sqlite3.Connection], None]
"""Takes the schema from one version to the next, inside a transaction."""

_VERSION_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;

CREATE TABLE executions (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    execution TEXT NOT NULL,
    request_id TEXT,
    task_type TEXT NOT NULL,
    connection TEXT NOT NULL,
    phase INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    reason TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    ended_at REAL,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    state BLOB NOT NULL
);
CREATE UNIQUE INDEX executions_by_name ON executions (project, domain, execution);
CREATE UNIQUE INDEX executions_by_request ON executions (project, domain, request_id)
WHERE request_id IS NOT NULL;
CREATE INDEX executions_by_age ON executions (created_at, uid);
CREATE INDEX executions_by_project ON executions (project, created_at, uid);
CREATE INDEX executions_by_domain ON executions (project, domain, created_at, uid);
CREATE INDEX executions_active ON executions (created_at, uid) WHERE ended_at IS NULL;
CREATE INDEX executions_ended ON executions (phase, created_at, uid) WHERE ended_at IS NOT NULL;
CREATE INDEX executions_by_end ON executions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE requests (id INTEGER PRIMARY KEY, body BLOB NOT NULL);

CREATE TABLE labels (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at REAL NOT NULL,
    uid TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (key, value, created_at, uid)
) WITHOUT ROWID;
CREATE INDEX labels_by_execution ON labels (id, key);

CREATE TABLE changes (
    seq INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    committed_at REAL NOT NULL,
    state BLOB NOT NULL
);

CREATE TABLE tombstones (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    execution TEXT NOT NULL,
    message TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (project, domain, execution)
) WITHOUT ROWID;
CREATE INDEX tombstones_by_age ON tombstones (at);
"""

_POOLS = """
CREATE TABLE pools (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID
"""


def _create(connection: sqlite3.Connection) -> None:
    for statement in _VERSION_1.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    alphabet = string.ascii_lowercase + string.digits
    owner = "".join(secrets.choice(alphabet) for _ in range(8))
    connection.executemany(
        "INSERT INTO meta (key, value) VALUES (?, ?)", [("owner", owner), ("term", 0), ("floor", 0)]
    )


def _add_pools(connection: sqlite3.Connection) -> None:
    connection.execute(_POOLS)


MIGRATIONS: Sequence[Migration] = (_create, _add_pools)
"""The migration at index n leads from version n to version n + 1. One that was ever released is never
changed.
"""


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring the schema to the newest version, in the transaction that is open; answers the version that was
    found.

    Raises StoreTooNew where the schema is newer than the migrations.
    """
    found = schema_version(connection)
    check_version(found, migrations)
    for migration in migrations[found:]:
        migration(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
    return found


def tables_of(version: int) -> frozenset[str]:
    """The tables that a schema of this version has at least."""
    return TABLES.union(name for name, since in _TABLES_SINCE.items() if since <= version)


def schema_version(connection: sqlite3.Connection) -> int:
    """The version of the schema; 0 for a file without one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def check_version(found: int, migrations: Sequence[Migration]) -> None:
    """Raise StoreTooNew where found is newer than the migrations lead to."""
    if found > len(migrations):
        raise StoreTooNew(
            f"the store has schema version {found} and this program knows up to {len(migrations)}: "
            "use a newer propwash"
        )
