"""The embedded SQL engine: one DuckDB in memory, in which each project is an attached database and a dataset a schema.

All methods block and run in worker threads; interrupt() of a Run may come from any thread.
"""

from __future__ import annotations

import contextlib
import re
import threading
from dataclasses import dataclass, field
from typing import Any

import duckdb

from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.sql import Statement, TableName, invalid_query
from propwash_bigquery.sandbox.types import quoted, reading, schema_field

_MOST_ROWS = 1_000_000
_UNKNOWN_NAME = re.compile(r'(?:Referenced column|column named|column) "([^"]+)"')


@dataclass(slots=True, kw_only=True)
class Rows:
    """The outcome of a statement: values as Python holds them, instants in microseconds since the Unix epoch."""

    schema: list[dict[str, Any]] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    affected: int | None = None


class Run:
    """The right to interrupt what one job runs."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.cursor = connection.cursor()
        self.is_stopped = False

    def interrupt(self) -> None:
        """Stop at once, or before the next statement."""
        self.is_stopped = True
        self.cursor.interrupt()


class Engine:
    """Runs statements. Changes go one at a time, so that two of them never conflict as transactions."""

    def __init__(self) -> None:
        self._projects: set[str] = set()
        self._definitions: dict[TableName, dict[str, Any]] = {}
        self.writing = threading.Lock()
        self._attaching = threading.Lock()
        self._connection = _connected()

    def clear(self) -> None:
        """Forget all data."""
        with self._attaching:
            self._projects.clear()
            self._definitions.clear()
            self._connection = _connected()

    def close(self) -> None:
        """Let go of all data; what a worker still runs keeps its own hold of them until it ends."""
        with contextlib.suppress(duckdb.Error):
            self._connection.close()

    def begin(self, project: str) -> Run:
        """A run in this project, which exists from now on."""
        self.attach(project)
        return Run(self._connection)

    def attach(self, project: str) -> None:
        """Make the project exist."""
        with self._attaching:
            if project not in self._projects:
                self._connection.cursor().execute(f"ATTACH ':memory:' AS {quoted(project)}")
                self._projects.add(project)

    def run(self, run: Run, statement: Statement) -> Rows:
        """Run one statement to its end. Raises BigQueryError."""
        if run.is_stopped:
            raise stopped()
        try:
            if statement.is_query:
                return self._select(run.cursor, statement.sql)
            with self.writing:
                counted = run.cursor.execute(statement.sql).fetchall()
            affected = int(counted[0][0]) if statement.is_dml and counted else None
            return Rows(affected=affected)
        except duckdb.Error as error:
            raise self._fault(error, statement) from None

    def write(self, run: Run, statement: Statement, *, into: TableName, write: str, create: str) -> Rows:
        """Run a query into a table by its dispositions and answer with the table's rows. Raises BigQueryError."""
        self.require_dataset(into)
        with self.writing:
            exists = self.may_write(into, write=write, create=create)
            if exists and write != "WRITE_TRUNCATE":
                sql = f"INSERT INTO {into.sql} {statement.sql}"
            else:
                sql = f"CREATE OR REPLACE TABLE {into.sql} AS {statement.sql}"
            try:
                run.cursor.execute(sql).fetchall()
            except duckdb.Error as error:
                raise self._fault(error, statement) from None
        return self._select(run.cursor, f"SELECT * FROM {into.sql}")

    def define(self, table: TableName, definition: dict[str, Any]) -> None:
        """Keep what the catalog has no place for: what a table is besides its rows."""
        self._definitions[table] = definition

    def definition(self, table: TableName) -> dict[str, Any]:
        """What was kept of a table that there is."""
        return self._definitions.get(table, {})

    def require_dataset(self, table: TableName) -> None:
        """Raises BigQueryError (notFound) where the table's dataset does not exist."""
        self.attach(table.project)
        if not self.has_dataset(table.project, table.dataset):
            raise not_found(f"Dataset {table.project}:{table.dataset}")

    def describe(self, run: Run, statement: Statement) -> list[dict[str, Any]]:
        """The schema that a query would give, without running it. Raises BigQueryError."""
        try:
            if not statement.is_query:
                if statement.is_dml:
                    run.cursor.execute(f"EXPLAIN {statement.sql}").fetchall()
                return []
            relation = run.cursor.sql(statement.sql)
            return [
                schema_field(name, kind) for name, kind in zip(relation.columns, relation.types, strict=True)
            ]
        except duckdb.Error as error:
            raise self._fault(error, statement) from None

    def scalar(self, run: Run, sql: str) -> tuple[str | None, str]:
        """The value of an expression as text and its type, for a script's variable. Raises BigQueryError."""
        try:
            found = run.cursor.execute(
                f"SELECT CAST(x AS VARCHAR), typeof(x) FROM (SELECT {sql} AS x)"
            ).fetchall()
        except duckdb.Error as error:
            raise invalid_query(first_line(error)) from None
        return found[0][0], found[0][1]

    def table_schema(self, table: TableName) -> list[dict[str, Any]] | None:
        """The table's schema, or None where there is no such table."""
        if not self.has_table(table):
            return None
        relation = self._connection.cursor().sql(f"SELECT * FROM {table.sql}")
        return [schema_field(name, kind) for name, kind in zip(relation.columns, relation.types, strict=True)]

    def table_rows(self, table: TableName) -> Rows:
        """All rows of the table."""
        return self._select(self._connection.cursor(), f"SELECT * FROM {table.sql}")

    def execute(self, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run the stand-in's own SQL and give its rows."""
        with self.writing:
            return self._connection.cursor().execute(sql, values or []).fetchall()

    def has_dataset(self, project: str, dataset: str) -> bool:
        """Whether the dataset exists."""
        query = "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ? AND NOT internal"
        return (
            bool(self._connection.cursor().execute(query, [project, dataset]).fetchall())
            and dataset != "main"
        )

    def has_table(self, table: TableName) -> bool:
        """Whether the table or view exists."""
        query = (
            "SELECT 1 FROM information_schema.tables"
            " WHERE table_catalog = ? AND table_schema = ? AND table_name = ?"
        )
        values = [table.project, table.dataset, table.table]
        return bool(self._connection.cursor().execute(query, values).fetchall())

    def count(self, table: TableName) -> int:
        """How many rows the table has."""
        return int(self._connection.cursor().execute(f"SELECT count(*) FROM {table.sql}").fetchall()[0][0])

    def bytes_of(self, tables: tuple[TableName, ...]) -> int:
        """About what a query of these tables reads: 8 bytes a value, as for INT64."""
        total = 0
        for table in tables:
            schema = self.table_schema(table)
            if schema is not None:
                total += 8 * len(schema) * self.count(table)
        return total

    def may_write(self, into: TableName, *, write: str, create: str) -> bool:
        """Whether the table exists that is to be written. Raises BigQueryError where its dispositions forbid it."""
        exists = self.has_table(into)
        if not exists and create == "CREATE_NEVER":
            raise not_found(f"Table {into}")
        if exists and write == "WRITE_EMPTY" and self.count(into) > 0:
            raise BigQueryError("duplicate", f"Already Exists: Table {into}")
        return exists

    def _select(self, cursor: duckdb.DuckDBPyConnection, sql: str) -> Rows:
        relation = cursor.sql(sql)
        names, kinds = relation.columns, relation.types
        schema = [schema_field(name, kind) for name, kind in zip(names, kinds, strict=True)]
        if len({name.lower() for name in names}) < len(names):
            raise invalid_query("Duplicate column names in the result are not supported")
        columns = [quoted(name) for name in names]
        read = [reading(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        if read != columns:
            renamed = (f"{sql} AS {column}" for sql, column in zip(read, columns, strict=True))
            relation = relation.project(", ".join(renamed))
        rows = relation.limit(_MOST_ROWS + 1).fetchall()
        if len(rows) > _MOST_ROWS:
            raise BigQueryError("responseTooLarge", "Response too large to return in this stand-in.")
        return Rows(schema=schema, rows=rows)

    def _fault(self, error: duckdb.Error, statement: Statement) -> BigQueryError:
        if isinstance(error, duckdb.InterruptException):
            return stopped()
        if isinstance(error, duckdb.CatalogException | duckdb.BinderException):
            for table in statement.tables:
                creates = statement.kind.startswith("CREATE") and table == statement.target
                if not self.has_dataset(table.project, table.dataset):
                    return not_found(f"Dataset {table.project}:{table.dataset}")
                if creates and self.has_table(table):
                    return BigQueryError("duplicate", f"Already Exists: Table {table}")
                if not creates and not self.has_table(table):
                    return not_found(f"Table {table}")
        if isinstance(error, duckdb.OutOfMemoryException):
            return BigQueryError("resourcesExceeded", "Resources exceeded during query execution")
        if isinstance(error, duckdb.BinderException) and (match := _UNKNOWN_NAME.search(str(error))):
            return invalid_query(f"Unrecognized name: {match[1]} at {_place(statement.text, match[1])}")
        if "already exists" in str(error):
            return BigQueryError("duplicate", f"Already Exists: {first_line(error)}")
        return invalid_query(first_line(error))


def _connected() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute("SET threads = 1")
    connection.execute("SET python_enable_replacements = false")
    # A build without time zones has no such setting; instants then show in the machine's zone.
    with contextlib.suppress(duckdb.Error):
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    return connection


def stopped(why: str = "User requested cancellation") -> BigQueryError:
    """The error of a job that was ended from outside."""
    return BigQueryError("stopped", f"Job execution was cancelled: {why}")


def not_found(what: str) -> BigQueryError:
    """The error for a table or dataset that does not exist."""
    return BigQueryError("notFound", f"Not found: {what} was not found in location US")


def first_line(error: duckdb.Error) -> str:
    """What the engine says, without its own word for the kind of error."""
    text = str(error).split("\n", 1)[0]
    return text.split(" Error: ", 1)[-1]


def _place(text: str, name: str) -> str:
    at = max(0, text.lower().find(name.lower()))
    line = text.count("\n", 0, at) + 1
    return f"[{line}:{at - (text.rfind(chr(10), 0, at) + 1) + 1}]"
