"""What a worker thread does for a load job: read files, make rows of them, put them into the table."""

from __future__ import annotations

import gzip
import json
from typing import Any

from propwash_bigquery.sandbox.engine import Engine, Run
from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.execution import Outcome
from propwash_bigquery.sandbox.objects import ObjectStore
from propwash_bigquery.sandbox.parquet import expression_of, read_parquet
from propwash_bigquery.sandbox.sql import TableName
from propwash_bigquery.sandbox.staging import STAGE, over_rows, put
from propwash_bigquery.sandbox.tabular import (
    Cells,
    Parsed,
    csv_rows,
    csv_schema,
    csv_table,
    json_records,
    json_rows,
    json_schema,
)
from propwash_bigquery.sandbox.types import quoted

_FORMATS = ("CSV", "NEWLINE_DELIMITED_JSON", "PARQUET")


def load(engine: Engine, run: Run, store: ObjectStore, project: str, given: dict[str, Any]) -> Outcome:
    """Run a load job to its end."""
    outcome = Outcome()
    try:
        files = store.read([str(uri) for uri in given["sourceUris"]])
        target = table_name(given["destinationTable"], project)
        engine.require_dataset(target)
        contents = [gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for _, body in files]
        schema, parsed = _parsed(engine, contents, target, given)
        rows = _checked(run, schema, parsed)
        _check_bad(parsed, int(given.get("maxBadRecords") or 0))
        count = _write(engine, run, target, schema, rows, given)
        outcome.moved = {
            "inputFiles": str(len(files)),
            "inputFileBytes": str(sum(len(body) for _, body in files)),
            "outputRows": str(count),
            "outputBytes": str(8 * count * len(schema)),
            "badRecords": str(parsed.bad),
        }
    except BigQueryError as error:
        outcome.error = error
    return outcome


def table_name(reference: dict[str, Any], project: str) -> TableName:
    """The table that a reference of a job of this project names."""
    return TableName(reference.get("projectId") or project, reference["datasetId"], reference["tableId"])


def _parsed(
    engine: Engine, contents: list[bytes], target: TableName, given: dict[str, Any]
) -> tuple[list[dict[str, Any]], Parsed]:
    kind = str(given.get("sourceFormat") or "CSV").upper()
    if kind not in _FORMATS:
        raise BigQueryError("notImplemented", f"This stand-in loads {', '.join(_FORMATS)}, not {kind}")
    schema: list[dict[str, Any]] = (given.get("schema") or {}).get("fields") or []
    # Autodetection goes before the table's own schema, as in the real service it is what is compared with it.
    known = schema or (None if given.get("autodetect") else engine.table_schema(target))
    parsed = Parsed()
    if kind == "PARQUET":
        found, records = read_parquet(contents)
        return schema or found, json_rows(records, schema or found, given, parsed)
    if kind == "CSV":
        tables = [csv_table(content, given) for content in contents]
        if known is None:
            _require_autodetect(given)
            known, has_header = csv_schema([row for table in tables for row in table])
            tables = [table[1:] if has_header else table for table in tables]
        return known, csv_rows([row for table in tables for row in table], known, given)
    records = [record for content in contents for record in json_records(content, given, parsed)]
    if known is None:
        _require_autodetect(given)
        known = json_schema(records)
    return known, json_rows(records, known, given, parsed)


def _require_autodetect(given: dict[str, Any]) -> None:
    if not given.get("autodetect"):
        raise BigQueryError("invalid", "No schema specified on job or table.")


def _checked(run: Run, schema: list[dict[str, Any]], parsed: Parsed) -> list[Cells]:
    """The rows whose cells fit their columns; the others are counted as bad."""
    if not parsed.rows:
        return []
    faults = ", ".join(
        f"(r[{at}] IS NOT NULL AND {expression_of(f'r[{at}]', field, may_fail=True)} IS NULL)"
        f"{' OR r[' + str(at) + '] IS NULL' if str(field.get('mode', '')).upper() == 'REQUIRED' else ''}"
        for at, field in enumerate(schema, start=1)
    )
    wrong: dict[int, int] = {}
    for number, *is_wrong in over_rows(run, _json(parsed.rows), f"n, {faults}"):
        if True in is_wrong:
            wrong[number] = is_wrong.index(True)
    kept = []
    for number, cells in enumerate(parsed.rows, start=1):
        if number in wrong:
            column = schema[wrong[number]]
            kind, name, cell = column["type"], column["name"], cells[wrong[number]]
            said = f"Required field {name} is null" if cell is None else f"Could not parse '{cell}' as {kind}"
            parsed.spoil(f"{said} for field {name} (position {wrong[number]}) in row {number}")
        else:
            kept.append(cells)
    return kept


def _check_bad(parsed: Parsed, most: int) -> None:
    if parsed.bad > most:
        total = parsed.bad + len(parsed.rows)
        error = BigQueryError(
            "invalid",
            f"Error while reading data, error message: too many errors, giving up. "
            f"Rows: {total}; errors: {parsed.bad}. Please look into the errors[] collection for more details.",
        )
        error.details = [
            BigQueryError("invalid", f"Error while reading data: {one}") for one in parsed.faults
        ]
        raise error


def _write(
    engine: Engine,
    run: Run,
    target: TableName,
    schema: list[dict[str, Any]],
    rows: list[Cells],
    given: dict[str, Any],
) -> int:
    columns = ", ".join(
        f"{expression_of(f'r[{at}]', field)} AS {quoted(str(field['name']))}"
        for at, field in enumerate(schema, start=1)
    )
    put(
        engine,
        run,
        target,
        f"SELECT {columns} FROM {STAGE}",
        schema=schema,
        write=str(given.get("writeDisposition") or "WRITE_APPEND").upper(),
        create=str(given.get("createDisposition") or "CREATE_IF_NEEDED").upper(),
        stage=_json(rows),
        may_add_fields="ALLOW_FIELD_ADDITION" in (given.get("schemaUpdateOptions") or ()),
    )
    return len(rows)


def _json(rows: list[Cells]) -> str:
    return json.dumps(rows, ensure_ascii=False)
