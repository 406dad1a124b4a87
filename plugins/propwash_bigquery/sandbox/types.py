"""Types and values between BigQuery and the embedded engine (DuckDB).

BigQuery's REST wire form of rows (tabledata.list, getQueryResults): {"f": [{"v": ...}]} with scalars as strings, a
repeated value as a list of {"v": ...}, a struct as a nested {"f": [...]}.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import math
from enum import Enum
from typing import Any

from duckdb.sqltypes import DuckDBPyType

from propwash_bigquery.sandbox.errors import BigQueryError

# BIGNUMERIC has no counterpart of its own; its scale tells it from NUMERIC, which is DECIMAL(38, 9).
NUMERIC_TYPE = "DECIMAL(38, 9)"
BIGNUMERIC_TYPE = "DECIMAL(38, 18)"
_TO_ENGINE: dict[str, str] = {
    "INT64": "BIGINT", "INTEGER": "BIGINT", "INT": "BIGINT", "SMALLINT": "BIGINT", "BIGINT": "BIGINT",
    "TINYINT": "BIGINT", "BYTEINT": "BIGINT", "FLOAT64": "DOUBLE", "FLOAT": "DOUBLE", "BOOL": "BOOLEAN",
    "BOOLEAN": "BOOLEAN", "STRING": "VARCHAR", "BYTES": "BLOB", "DATE": "DATE", "TIME": "TIME",
    "DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMPTZ", "NUMERIC": NUMERIC_TYPE, "DECIMAL": NUMERIC_TYPE,
    "BIGNUMERIC": BIGNUMERIC_TYPE, "BIGDECIMAL": BIGNUMERIC_TYPE, "JSON": "JSON", "INTERVAL": "INTERVAL",
}  # fmt: skip
_FROM_ENGINE: dict[str, str] = {
    "bigint": "INTEGER", "integer": "INTEGER", "smallint": "INTEGER", "tinyint": "INTEGER", "hugeint": "INTEGER",
    "ubigint": "INTEGER", "uinteger": "INTEGER", "usmallint": "INTEGER", "utinyint": "INTEGER",
    "uhugeint": "INTEGER", "double": "FLOAT", "float": "FLOAT", "boolean": "BOOLEAN", "varchar": "STRING",
    "uuid": "STRING", "blob": "BYTES", "date": "DATE", "time": "TIME", "timestamp": "DATETIME",
    "timestamp with time zone": "TIMESTAMP", "json": "JSON", "interval": "INTERVAL", "enum": "STRING",
}  # fmt: skip


class TimestampForm(Enum):
    """How a TIMESTAMP is written: seconds as a float by default, or as the caller's formatOptions ask."""

    FLOAT_SECONDS = "float"
    INT64_MICROSECONDS = "int64"
    ISO8601 = "iso"


def engine_type(name: str) -> str:
    """The engine's name of a scalar BigQuery type. Raises BigQueryError for one that there is none for."""
    plain = name.upper()
    try:
        return _TO_ENGINE[plain]
    except KeyError:
        raise BigQueryError("invalid", f"Invalid value for type: {name} is not a valid value") from None


def quoted(identifier: str) -> str:
    """An identifier as the engine reads it."""
    return '"' + identifier.replace('"', '""') + '"'


def column_type(field: dict[str, Any]) -> str:
    """The engine's type for a TableFieldSchema."""
    kind = str(field.get("type", "")).upper()
    if kind in {"RECORD", "STRUCT"}:
        inner = ", ".join(f"{quoted(str(sub['name']))} {column_type(sub)}" for sub in field.get("fields", []))
        name = f"STRUCT({inner})"
    else:
        name = engine_type(kind)
    return f"{name}[]" if str(field.get("mode", "")).upper() == "REPEATED" else name


def schema_field(name: str, kind: DuckDBPyType, *, mode: str = "NULLABLE") -> dict[str, Any]:
    """The TableFieldSchema of a column of the engine."""
    match kind.id:
        case "list" | "array":
            return schema_field(name, _parts(kind)[0][1], mode="REPEATED")
        case "struct":
            fields = [schema_field(child, sub) for child, sub in _parts(kind)]
            return {"name": name, "type": "RECORD", "mode": mode, "fields": fields}
        case "decimal":
            return {"name": name, "type": "BIGNUMERIC" if _scale(kind) > 9 else "NUMERIC", "mode": mode}
        case _:
            text = "JSON" if str(kind) == "JSON" else _FROM_ENGINE.get(kind.id, "STRING")
            if str(kind) == '"NULL"':
                text = "INTEGER"
            return {"name": name, "type": text, "mode": mode}


def _scale(kind: DuckDBPyType) -> int:
    return next(int(str(value)) for name, value in kind.children if name == "scale")


def _parts(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    return [(name, part) for name, part in kind.children if isinstance(part, DuckDBPyType)]


def reading(expression: str, kind: DuckDBPyType) -> str:
    """An expression of the engine that gives this column in values that Python can hold: instants as microseconds."""
    if not _holds_instant(kind):
        return expression
    match kind.id:
        case "list" | "array":
            return f"list_transform({expression}, lambda item: {reading('item', _parts(kind)[0][1])})"
        case "struct":
            packed = ", ".join(
                f"{quoted(name)} := {reading(f'{expression}.{quoted(name)}', sub)}"
                for name, sub in _parts(kind)
            )
            return f"CASE WHEN {expression} IS NULL THEN NULL ELSE struct_pack({packed}) END"
        case _:
            return f"epoch_us({expression})"


def _holds_instant(kind: DuckDBPyType) -> bool:
    if kind.id in {"list", "array", "struct"}:
        return any(_holds_instant(sub) for _, sub in _parts(kind))
    return bool(kind.id == "timestamp with time zone")


def wire_row(row: tuple[Any, ...], schema: list[dict[str, Any]], form: TimestampForm) -> dict[str, Any]:
    """One row as the REST API writes it."""
    return {"f": [{"v": _wire(value, field, form)} for value, field in zip(row, schema, strict=True)]}


def _wire(value: Any, field: dict[str, Any], form: TimestampForm) -> Any:
    if field["mode"] == "REPEATED":
        one = {**field, "mode": "NULLABLE"}
        return [{"v": _wire(item, one, form)} for item in value or ()]
    if value is None:
        return None
    match field["type"]:
        case "RECORD":
            return wire_row(tuple(value.values()), field["fields"], form)
        case "TIMESTAMP":
            return _instant(int(value), form)
        case _:
            return _scalar(value)


def _scalar(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            if math.isnan(value):
                return "NaN"
            return repr(value) if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")
        case decimal.Decimal():
            text = format(value, "f")
            return text.rstrip("0").rstrip(".") if "." in text else text
        case bytes():
            return base64.b64encode(value).decode()
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return _interval(value)
        case _:
            return str(value)


def _interval(value: datetime.timedelta) -> str:
    # Days and time have their signs apart: minus 90 minutes are no days and -1:30:0.
    whole, day = abs(value), datetime.timedelta(days=1)
    sign = "-" if value < datetime.timedelta() else ""
    days, rest = whole.days, whole % day
    seconds, fraction = rest.seconds, f".{rest.microseconds:06d}" if rest.microseconds else ""
    time = f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}{fraction}"
    return f"0-0 {sign if days else ''}{days} {sign if rest else ''}{time}"


def _instant(microseconds: int, form: TimestampForm) -> str:
    match form:
        case TimestampForm.INT64_MICROSECONDS:
            return str(microseconds)
        case TimestampForm.ISO8601:
            epoch = datetime.datetime(1970, 1, 1)
            return (epoch + datetime.timedelta(microseconds=microseconds)).isoformat(
                timespec="microseconds"
            ) + "Z"
        case TimestampForm.FLOAT_SECONDS:
            return repr(microseconds / 1e6)
