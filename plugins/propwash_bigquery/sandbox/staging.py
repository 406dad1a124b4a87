"""Rows from outside into a table: staged as text, cast, and written by the dispositions of a load or copy job."""

from __future__ import annotations

import contextlib
from typing import Any

import duckdb

from propwash_bigquery.sandbox.engine import Engine, Run, first_line, stopped
from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.sql import TableName
from propwash_bigquery.sandbox.types import column_type, quoted

STAGE = "rows_of_the_job"
"""The table of one run's rows: n, the number from 1, and r, the cells as text."""


def put(
    engine: Engine,
    run: Run,
    into: TableName,
    sql: str,
    *,
    schema: list[dict[str, Any]],
    write: str,
    create: str,
    stage: str | None = None,
    may_add_fields: bool = False,
) -> None:
    """Put rows of this schema into a table by its dispositions, all of them or none. stage is what STAGE is to hold,
    as JSON. Raises BigQueryError.
    """
    columns = ", ".join(
        f"{quoted(str(field['name']))} {column_type(field)}"
        f"{' NOT NULL' if str(field.get('mode', '')).upper() == 'REQUIRED' else ''}"
        for field in schema
    )
    if run.is_stopped:
        raise stopped()
    with engine.writing:
        exists = engine.may_write(into, write=write, create=create)
        added = _added(engine, into, schema, may_add_fields) if exists and write != "WRITE_TRUNCATE" else []
        try:
            if stage is not None:
                _stage(run, stage)
            run.cursor.execute("BEGIN")
            if not exists or write == "WRITE_TRUNCATE":
                run.cursor.execute(f"CREATE OR REPLACE TABLE {into.sql} ({columns})")
            elif write == "WRITE_TRUNCATE_DATA":
                run.cursor.execute(f"DELETE FROM {into.sql}")
            for field in added:
                name, kind = quoted(str(field["name"])), column_type(field)
                run.cursor.execute(f"ALTER TABLE {into.sql} ADD COLUMN {name} {kind}")
            run.cursor.execute(f"INSERT INTO {into.sql} BY NAME {sql}")
            run.cursor.execute("COMMIT")
        except duckdb.Error as error:
            with contextlib.suppress(duckdb.Error):
                run.cursor.execute("ROLLBACK")
            if isinstance(error, duckdb.InterruptException):
                raise stopped() from None
            raise BigQueryError("invalid", first_line(error)) from None


def over_rows(run: Run, stage: str, expressions: str) -> list[tuple[Any, ...]]:
    """These expressions of each row of a stage, of its cells r[1] on and its number n. Raises BigQueryError."""
    try:
        _stage(run, stage)
        return run.cursor.execute(f"SELECT {expressions} FROM {STAGE} ORDER BY n").fetchall()
    except duckdb.InterruptException:
        raise stopped() from None
    except duckdb.Error as error:
        raise BigQueryError("invalid", first_line(error)) from None


def _added(
    engine: Engine, into: TableName, schema: list[dict[str, Any]], may_add_fields: bool
) -> list[dict[str, Any]]:
    names = {str(field["name"]).lower() for field in engine.table_schema(into) or []}
    added = [field for field in schema if str(field["name"]).lower() not in names]
    if added and not may_add_fields:
        said = f"Cannot add fields (field: {added[0]['name']})"
        raise BigQueryError("invalid", f"Provided Schema does not match Table {into}. {said}")
    return added


def _stage(run: Run, rows: str) -> None:
    run.cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE {STAGE} AS "
        "SELECT row_number() OVER () AS n, r FROM (SELECT unnest(from_json(?, '[[\"VARCHAR\"]]')) AS r)",
        [rows],
    )
