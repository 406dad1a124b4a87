"""The data directory: who may use it, whether what is in it is a store, and connections to it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from propwash.ports import (
    StoreCorrupt,
    StoreError,
    StoreLocked,
    StoreNotWritable,
    StoreUnavailable,
)
from propwash.store.schema import APPLICATION_ID, Migration, check_version, schema_version, tables_of

FILE = "propwash.db"
LOCK = "lock"
_MAGIC = b"SQLite format 3\x00"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FORBIDDEN = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_WHOLE_CHECK_BYTES = 32 * 2**20
"""Up to this size every page is checked at opening; above it the tables' ends."""
_BUSY_S = 5.0
"""How long to wait for a foreign program, such as a backup, that holds the file."""


class Lock:
    """The exclusive right to a data directory, held by an open file; the system takes it back when the
    process ends.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Make the directory and take the lock; raises StoreNotWritable or StoreLocked."""
        directory = self._path.parent
        try:
            directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreNotWritable(
                f"the data directory {directory} is not writable: {error.strerror or error}"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreLocked(
                f"the data directory {directory} is in use by another process (pid {holder})"
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise StoreNotWritable(
                f"the data directory {directory} cannot be locked: {error.strerror or error}"
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; may be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def inspect(file: Path, migrations: Sequence[Migration]) -> None:
    """Tell whether the file can be opened as a store, without changing a byte of it.

    Raises StoreCorrupt, StoreTooNew or StoreNotWritable.
    """
    try:
        if not file.exists():
            return
        if not os.access(file, os.R_OK | os.W_OK):
            raise StoreNotWritable(f"{file} is not writable")
        size = file.stat().st_size
        with file.open("rb") as opened:
            head = opened.read(len(_MAGIC))
        wal = file.with_name(file.name + "-wal")
        has_journal = file.with_name(file.name + "-journal").exists()
        has_wal = wal.exists() and wal.stat().st_size > 0
    except OSError as error:
        raise StoreCorrupt(f"{file} cannot be read: {error.strerror or error}") from error
    if size == 0:
        return
    if head != _MAGIC:
        raise StoreCorrupt(f"{file} is not a Propwash store")
    if has_journal:
        # A kill while the file was made; only a writer can roll it back.
        return
    # Without a log to replay, an immutable connection makes no side file; with one, a read-only connection
    # replays it in memory and never folds it into the file.
    mode = "mode=ro" if has_wal else "immutable=1"
    try:
        with closing(_connect(f"{file.absolute().as_uri()}?{mode}")) as connection:
            _inspect(connection, file, migrations, size)
    except sqlite3.Error as error:
        raise translate(error, file) from error


def _inspect(connection: sqlite3.Connection, file: Path, migrations: Sequence[Migration], size: int) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    version = schema_version(connection)
    if not tables and (application, version) == (0, 0):
        return
    if application != APPLICATION_ID:
        raise StoreCorrupt(f"{file} is an SQLite file, but not a Propwash store")
    check_version(version, migrations)
    if missing := tables_of(version).difference(tables):
        raise StoreCorrupt(f"{file} is damaged: it lacks the table {min(missing)}")
    if size <= _WHOLE_CHECK_BYTES:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    else:
        (verdict,) = connection.execute("PRAGMA quick_check('meta')").fetchone()
        for table in tables:
            quoted = table.replace('"', '""')
            connection.execute(f'SELECT * FROM "{quoted}" LIMIT 1').fetchone()
            if table in ("executions", "requests", "changes"):
                connection.execute(f'SELECT * FROM "{quoted}" ORDER BY rowid DESC LIMIT 1').fetchone()
    if verdict != "ok":
        raise StoreCorrupt(f"{file} is damaged: {' '.join(str(verdict).split())}")


def open_writer(file: Path) -> sqlite3.Connection:
    """The one connection that writes; raises a StoreError."""
    try:
        connection = _connect(f"{file.absolute().as_uri()}?mode=rwc")
    except sqlite3.Error as error:
        raise translate(error, file) from error
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "wal_autocheckpoint = 4000",
            f"journal_size_limit = {64 * 2**20}",
            "temp_store = MEMORY",
            "cache_size = -65536",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise translate(error, file) from error
    return connection


def open_reader(file: Path) -> sqlite3.Connection:
    """A connection that only reads; raises a StoreError."""
    try:
        connection = _connect(f"{file.absolute().as_uri()}?mode=ro")
        connection.execute("PRAGMA query_only = ON").fetchone()
        connection.execute("PRAGMA temp_store = MEMORY").fetchone()
    except sqlite3.Error as error:
        raise translate(error, file) from error
    return connection


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_S,
        cached_statements=256,
    )


def translate(error: sqlite3.Error, file: Path) -> StoreError:
    """What an error of SQLite means to the operator."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return StoreCorrupt(f"{file} is damaged: {error}")
    if code in _FORBIDDEN:
        return StoreNotWritable(f"{file} cannot be opened for writing: {error}")
    return StoreUnavailable(f"{file} cannot be used now: {error}")
