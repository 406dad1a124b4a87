"""Files into rows of text: CSV and newline-delimited JSON, and what is bad about a row. Parquet is in parquet.

A cell is text that the engine can cast to the column's type, or None; a nested or repeated cell is JSON text.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from typing import Any

from propwash_bigquery.sandbox.errors import BigQueryError

Cells = list[str | None]
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?( ?UTC|Z|[+-][0-9:]+)?"
)
Field = dict[str, Any]


@dataclass(slots=True)
class Parsed:
    """Rows in the order of the schema, and how many records were bad, with the first faults in words."""

    rows: list[Cells] = field(default_factory=list)
    bad: int = 0
    faults: list[str] = field(default_factory=list)

    def spoil(self, fault: str) -> None:
        """Count a bad record."""
        self.bad += 1
        if len(self.faults) < 5:
            self.faults.append(fault)


def csv_table(content: bytes, load: dict[str, Any]) -> list[list[str]]:
    """The raw cells of a CSV file. Raises BigQueryError for one that cannot be decoded."""
    delimiter = {"\\t": "\t", "tab": "\t"}.get(
        str(load.get("fieldDelimiter") or ","), load.get("fieldDelimiter") or ","
    )
    quote = load.get("quote", '"')
    text = decoded(content, load)
    reader = (
        csv.reader(io.StringIO(text), delimiter=delimiter, quotechar=quote)
        if quote
        else csv.reader(io.StringIO(text), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    )
    rows = [row for row in reader if row]
    return rows[int(load.get("skipLeadingRows") or 0) :]


def decoded(content: bytes, load: dict[str, Any]) -> str:
    """The text of a file in the encoding that the job names. Raises BigQueryError (invalid)."""
    try:
        return content.decode(str(load.get("encoding") or "UTF-8"))
    except (UnicodeDecodeError, LookupError) as error:
        raise BigQueryError("invalid", f"Error while reading data, error message: {error}") from None


def csv_rows(table: list[list[str]], schema: list[Field], load: dict[str, Any]) -> Parsed:
    """The cells of a table by the schema, by position."""
    parsed = Parsed()
    nulls = set(load.get("nullMarkers") or [load.get("nullMarker") or ""])
    is_jagged, ignores = bool(load.get("allowJaggedRows")), bool(load.get("ignoreUnknownValues"))
    for number, row in enumerate(table, start=1):
        if len(row) > len(schema) and not ignores:
            parsed.spoil(f"Too many values in line. Found {len(row)} column(s) while expected {len(schema)}.")
        elif len(row) < len(schema) and not is_jagged:
            parsed.spoil(f"Row {number} has only {len(row)} columns while {len(schema)} are needed.")
        else:
            cells: Cells = [None if cell in nulls else cell for cell in row[: len(schema)]]
            parsed.rows.append(cells + [None] * (len(schema) - len(cells)))
    return parsed


def json_records(content: bytes, load: dict[str, Any], parsed: Parsed) -> list[dict[str, Any]]:
    """The records of a newline-delimited JSON file; what is none is counted as bad."""
    records: list[dict[str, Any]] = []
    for number, line in enumerate(decoded(content, load).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            parsed.spoil(f"JSON parsing error in row {number}: {error}")
            continue
        if isinstance(record, dict):
            records.append(record)
        else:
            parsed.spoil(f"JSON parsing error in row {number}: Start of object expected.")
    return records


def json_rows(
    records: list[dict[str, Any]], schema: list[Field], load: dict[str, Any], parsed: Parsed
) -> Parsed:
    """The cells of records by the schema, by name; case does not count."""
    names = [str(one["name"]).lower() for one in schema]
    for number, record in enumerate(records, start=1):
        given = {str(name).lower(): value for name, value in record.items()}
        unknown = sorted(set(given) - set(names))
        if unknown and not load.get("ignoreUnknownValues"):
            parsed.spoil(f"JSON parsing error in row {number}: No such field: {unknown[0]}.")
            continue
        parsed.rows.append([_cell(given.get(name)) for name in names])
    return parsed


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def csv_schema(table: list[list[str]]) -> tuple[list[Field], bool]:
    """The schema that autodetect sees, and whether the first row is a header: one of text over columns that are not all
    text.
    """
    if not table:
        raise BigQueryError("invalid", "Schema has no fields: the files are empty")
    width = max(len(row) for row in table)
    first, rest = table[0], table[1:]
    kinds = [_kind([row[at] for row in rest if at < len(row)]) for at in range(width)]
    has_header = bool(rest) and all(_kind([cell]) == "STRING" for cell in first) and set(kinds) != {"STRING"}
    if not has_header:
        kinds = [_kind([row[at] for row in table if at < len(row)]) for at in range(width)]
    names = first if has_header else [f"{kind.lower()}_field_{at}" for at, kind in enumerate(kinds)]
    return [
        {"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in zip(names, kinds, strict=False)
    ], has_header


def _kind(cells: list[str]) -> str:
    given = [cell for cell in cells if cell]
    for kind, fits in (
        ("INTEGER", _WHOLE.fullmatch),
        ("FLOAT", _NUMBER.fullmatch),
        ("BOOLEAN", re.compile(r"true|false", re.IGNORECASE).fullmatch),
        ("DATE", _DATE.fullmatch),
        ("TIMESTAMP", _INSTANT.fullmatch),
    ):
        if given and all(fits(cell) for cell in given):
            return kind
    return "STRING"


def json_schema(records: list[dict[str, Any]]) -> list[Field]:
    """The schema that autodetect sees in records, columns in the order in which they are met."""
    merged: dict[str, list[Any]] = {}
    for record in records:
        for name, value in record.items():
            merged.setdefault(name, []).append(value)
    if not merged:
        raise BigQueryError("invalid", "Schema has no fields: the files are empty")
    return [_json_field(name, values) for name, values in merged.items()]


def _json_field(name: str, values: list[Any]) -> Field:
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, list) for value in given):
        return {**_json_field(name, [item for value in given for item in value]), "mode": "REPEATED"}
    if given and all(isinstance(value, dict) for value in given):
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": json_schema(given)}
    kinds = {type(value) for value in given}
    if kinds == {bool}:
        kind = "BOOLEAN"
    elif kinds == {int}:
        kind = "INTEGER"
    elif kinds and kinds <= {int, float}:
        kind = "FLOAT"
    else:
        kind = _kind([value for value in given if isinstance(value, str)]) if kinds == {str} else "STRING"
        kind = kind if kind in ("DATE", "TIMESTAMP") else "STRING"
    return {"name": name, "type": kind, "mode": "NULLABLE"}
