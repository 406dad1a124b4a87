"""The embedded SQL engine: one DuckDB in memory, in which each Snowflake database is an attached one.

All methods block and run in worker threads; interrupt() of a Run may come from any thread.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import duckdb

from propwash_snowflake.sandbox.engine_errors import mapped
from propwash_snowflake.sandbox.errors import SnowflakeError, canceled
from propwash_snowflake.sandbox.statements import Rows
from propwash_snowflake.sandbox.values import Write, quoted, reading, row_type

DEFAULT_DATABASE: Final = "DEMO"
DEFAULT_SCHEMA: Final = "PUBLIC"
_MOST_ROWS = 1_000_000
_LOOK_S = 0.02
_ROWS_AT_ONCE: Final = 500


class Run:
    """The right to interrupt what one statement runs, and its open transaction if it has one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.cursor = connection.cursor()
        self.is_stopped = False
        self.is_in_transaction = False

    def interrupt(self) -> None:
        """Stop at once, or before the next statement."""
        self.is_stopped = True
        self.cursor.interrupt()


class Engine:
    """Runs statements. Changes go one at a time, so that two of them never conflict as transactions."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._open()

    def clear(self) -> None:
        """Forget all data; the default database and schema are there again."""
        self._open()

    def close(self) -> None:
        """Let go of all data; what a worker still runs keeps its own hold of them until it ends."""
        with contextlib.suppress(duckdb.Error):
            self._connection.close()

    def begin(self) -> Run:
        """A new run."""
        return Run(self._connection)

    def end(self, run: Run) -> None:
        """Undo what the run left open."""
        if run.is_in_transaction:
            self.rollback(run)

    def select(self, run: Run, sql: str, names: Sequence[str] | None, parameters: Mapping[str, str]) -> Rows:
        """Run a query to its end; names are its columns' where the statement tells them. Raises SnowflakeError."""
        with self._guarded(run):
            relation = run.cursor.sql(sql)
            columns = [quoted(name) for name in relation.columns]
            shown = names if names is not None and len(names) == len(columns) else relation.columns
            types = [row_type(name, kind) for name, kind in zip(shown, relation.types, strict=True)]
            read = [reading(one, kind, parameters) for one, kind in zip(columns, relation.types, strict=True)]
            projection = ", ".join(
                f"{expression} AS c{number}" for number, (expression, _) in enumerate(read)
            )
            writes = [write for _, write in read]
            run.cursor.execute(relation.project(projection).sql_query())
            rows: list[list[str | None]] = []
            # Making Python's values keeps every other thread waiting, so they are made a few at a time.
            while found := run.cursor.fetchmany(_ROWS_AT_ONCE):
                rows.extend(_written(found, writes))
                if len(rows) > _MOST_ROWS:
                    raise SnowflakeError(
                        "391908", "The result is too large for this stand-in.", state="22000"
                    )
            return Rows(row_type=types, rows=rows)

    def change(self, run: Run, *statements: str) -> list[tuple[Any, ...]]:
        """Run changes one after the other and give what the last one answers. Raises SnowflakeError."""
        with self._guarded(run), self._write(run):
            found: list[tuple[Any, ...]] = []
            for sql in statements:
                found = run.cursor.execute(sql).fetchall()
            return found

    def load(self, run: Run, name: str, columns: Sequence[tuple[str, str, list[Any]]]) -> None:
        """Make a temporary table of columns (name, engine type, values), seen by this run only."""
        selected = ", ".join(
            f"{_unnested(number, kind)} AS {quoted(column)}"
            for number, (column, kind, _) in enumerate(columns, start=1)
        )
        with self._guarded(run):
            run.cursor.execute(
                f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS SELECT {selected} LIMIT 0",
                [[] for _ in columns],
            )
            # Reading Python's values keeps every other thread waiting, so they are read a few at a time.
            for start in range(0, len(columns[0][2]), _ROWS_AT_ONCE):
                values = [values[start : start + _ROWS_AT_ONCE] for _, _, values in columns]
                run.cursor.execute(f"INSERT INTO {quoted(name)} SELECT {selected}", values)

    def scalar(self, run: Run, expression: str) -> Any:
        """The value of an expression. Raises SnowflakeError."""
        with self._guarded(run):
            row = run.cursor.execute(f"SELECT {expression}").fetchone()
            return None if row is None else row[0]

    def transact(self, run: Run) -> None:
        """Begin a transaction, alone among those that change anything. Raises SnowflakeError."""
        if run.is_in_transaction:
            return
        self._take(run)
        run.is_in_transaction = True
        run.cursor.execute("BEGIN TRANSACTION")

    def commit(self, run: Run) -> None:
        """Keep what the transaction changed. Raises SnowflakeError."""
        self._leave(run, "COMMIT")

    def rollback(self, run: Run) -> None:
        """Undo what the transaction changed."""
        self._leave(run, "ROLLBACK")

    def attach(self, database: str) -> None:
        """Make a database with its default schema."""
        cursor = self._connection.cursor()
        cursor.execute(f"ATTACH ':memory:' AS {quoted(database)}")
        cursor.execute(f"CREATE SCHEMA {quoted(database)}.{quoted(DEFAULT_SCHEMA)}")

    def detach(self, database: str) -> None:
        """Drop a database."""
        with contextlib.suppress(duckdb.Error):
            self._connection.cursor().execute(f"DETACH {quoted(database)}")

    def has_database(self, database: str) -> bool:
        """Whether the database exists."""
        return database in self.databases()

    def databases(self) -> list[str]:
        """The names of all databases."""
        query = (
            "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'"
        )
        return sorted(str(row[0]) for row in self._connection.cursor().execute(query).fetchall())

    def has_schema(self, database: str, schema: str) -> bool:
        """Whether the schema exists."""
        query = "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND upper(schema_name) = upper(?)"
        return bool(self._connection.cursor().execute(query, [database, schema]).fetchall())

    def has_object(self, run: Run, database: str, schema: str, name: str) -> bool:
        """Whether the table or view exists, as this run sees it."""
        query = (
            "SELECT 1 FROM information_schema.tables"
            " WHERE table_catalog = ? AND upper(table_schema) = upper(?) AND upper(table_name) = upper(?)"
        )
        with self._guarded(run):
            return bool(run.cursor.execute(query, [database, schema, name]).fetchall())

    def _open(self) -> None:
        self._connection = _connected()
        self.attach(DEFAULT_DATABASE)

    @contextlib.contextmanager
    def _guarded(self, run: Run) -> Iterator[None]:
        if run.is_stopped:
            raise canceled()
        try:
            yield
        except duckdb.Error as error:
            raise mapped(error) from None

    @contextlib.contextmanager
    def _write(self, run: Run) -> Iterator[None]:
        if run.is_in_transaction:
            yield
            return
        self._take(run)
        try:
            yield
        finally:
            self._writing.release()

    def _take(self, run: Run) -> None:
        # Waits in short looks, so that a statement that waits for its turn can be cancelled too.
        while not self._writing.acquire(timeout=_LOOK_S):
            if run.is_stopped:
                raise canceled()

    def _leave(self, run: Run, word: str) -> None:
        if not run.is_in_transaction:
            return
        run.is_in_transaction = False
        try:
            run.cursor.execute(word)
        except duckdb.Error as error:
            raise mapped(error) from None
        finally:
            self._writing.release()


def _connected() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute("SET threads = 1")
    connection.execute("SET python_enable_replacements = false")
    # A build without time zones has no such setting; instants then show in the machine's zone.
    with contextlib.suppress(duckdb.Error):
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    return connection


def _written(found: Sequence[tuple[Any, ...]], writes: Sequence[Write | None]) -> Iterator[list[str | None]]:
    if all(write is None for write in writes):
        return map(list, found)
    return (
        [
            value if value is None or write is None else write(value)
            for value, write in zip(row, writes, strict=True)
        ]
        for row in found
    )


def _unnested(number: int, kind: str) -> str:
    # Instants come as microseconds.
    if kind == "TIMESTAMPTZ":
        return f"make_timestamptz(unnest(CAST(${number} AS BIGINT[])))"
    return f"unnest(CAST(${number} AS {kind}[]))"
