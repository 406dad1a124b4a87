"""Parquet files in memory: read and written by an engine of their own, in files of a directory that is then removed."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.types import column_type, quoted, schema_field


def read_parquet(contents: list[bytes]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The schema of these files and their records as JSON has them. Raises BigQueryError (invalid)."""
    with tempfile.TemporaryDirectory(prefix="propwash-sandbox-") as folder:
        paths = []
        for number, content in enumerate(contents):
            path = Path(folder, f"{number}.parquet")
            path.write_bytes(content)
            paths.append(str(path))
        try:
            with duckdb.connect(":memory:") as connection:
                connection.execute("SET threads = 1")
                relation = connection.read_parquet(paths)
                schema = [
                    schema_field(name, kind)
                    for name, kind in zip(relation.columns, relation.types, strict=True)
                ]
                rows = relation.project("CAST(to_json(COLUMNS(*)) AS VARCHAR)").fetchall()
        except duckdb.Error as error:
            said = str(error).split("\n", 1)[0]
            raise BigQueryError("invalid", f"Error while reading data, error message: {said}") from None
    names = [field["name"] for field in schema]
    return schema, [
        {name: None if cell is None else json.loads(cell) for name, cell in zip(names, row, strict=True)}
        for row in rows
    ]


def write_parquet(schema: list[dict[str, Any]], rows: list[str], *, compression: str) -> bytes:
    """A Parquet file of rows, each a JSON array in the order of the schema."""
    columns = ", ".join(
        f"{expression_of(f'r[{at}]', field)} AS {quoted(str(field['name']))}"
        for at, field in enumerate(schema, start=1)
    )
    with tempfile.TemporaryDirectory(prefix="propwash-sandbox-") as folder:
        path = Path(folder, "out.parquet")
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET threads = 1")
            connection.execute(
                "CREATE TABLE rows_ AS SELECT unnest(from_json(?, '[[\"VARCHAR\"]]')) AS r",
                [f"[{','.join(rows)}]"],
            )
            connection.execute(
                f"COPY (SELECT {columns} FROM rows_) TO '{path}' (FORMAT parquet, COMPRESSION {compression})"
            )
        return path.read_bytes()


def expression_of(cell: str, field: dict[str, Any], *, may_fail: bool = False) -> str:
    """An expression of the engine that turns a cell's text into the column's type; NULL for what does not fit."""
    cast = "TRY_CAST" if may_fail else "CAST"
    kind = str(field.get("type", "")).upper()
    is_nested = kind in ("RECORD", "STRUCT") or str(field.get("mode", "")).upper() == "REPEATED"
    if is_nested:
        return f"{cast}({cast}({cell} AS JSON) AS {column_type(field)})"
    if kind == "BYTES":
        return f"from_base64({cell})"
    if kind == "TIMESTAMP":
        # BigQuery writes " UTC", which the engine does not read.
        cell = f"regexp_replace({cell}, ' ?UTC$', '+00')"
    return f"{cast}({cell} AS {column_type(field)})"
