"""Reads result rows into typed values.

Source: BigQuery REST v2 reference, jobs.getQueryResults and TableFieldSchema: a row is {"f": [{"v": ...}]}, scalars
travel as text, a repeated value as a list of {"v": ...}, a RECORD as a row of its own.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Callable, Mapping

from propwash.sdk import Column, Json, ResultPage, Unavailable
from propwash_bigquery.resources import JsonMap, items, mapping, text, whole

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_RECORDS = ("RECORD", "STRUCT")


def page_of(answer: JsonMap) -> ResultPage:
    """A page of rows: integers as int, floats as float, bytes as bytes, instants as RFC 3339 text in UTC, records as
    maps, repeated values as tuples; NUMERIC, dates, JSON, INTERVAL, GEOGRAPHY and RANGE in BigQuery's own text.

    Raises Unavailable for an answer that cannot be read, and where the job has not ended.
    """
    if answer.get("jobComplete") is not True:
        raise Unavailable("JOB_NOT_COMPLETE", "the job has no result yet")
    fields = items(mapping(answer, "schema"), "fields")
    try:
        rows = tuple(_row(row, fields) for row in items(answer, "rows"))
    except (ValueError, OverflowError, binascii.Error) as error:
        raise Unavailable("UNEXPECTED_ANSWER", f"BigQuery's rows cannot be read: {error}") from error
    total = whole(answer, "totalRows")
    return ResultPage(
        columns=tuple(_column(field) for field in fields),
        rows=rows,
        next_cursor=text(answer, "pageToken"),
        total_rows=-1 if total is None else total,
    )


def _column(field: JsonMap) -> Column:
    mode = text(field, "mode").upper()
    return Column(name=text(field, "name"), type=_type_name(field), is_nullable=mode != "REQUIRED")


def _type_name(field: JsonMap) -> str:
    kind = text(field, "type").upper()
    if kind in _RECORDS:
        inner = ", ".join(f"{text(one, 'name')} {_type_name(one)}" for one in items(field, "fields"))
        kind = f"STRUCT<{inner}>"
    if kind == "RANGE":
        kind = f"RANGE<{text(mapping(field, 'rangeElementType'), 'type').upper()}>"
    return f"ARRAY<{kind}>" if text(field, "mode").upper() == "REPEATED" else kind


def _row(row: JsonMap, fields: list[JsonMap] | tuple[JsonMap, ...] | object) -> tuple[Json, ...]:
    cells = row.get("f")
    if not isinstance(cells, list) or not isinstance(fields, list | tuple) or len(cells) != len(fields):
        raise ValueError("a row has not one cell a column")
    return tuple(_cell(cell, field) for cell, field in zip(cells, fields, strict=True))


def _cell(cell: object, field: JsonMap) -> Json:
    if not isinstance(cell, Mapping):
        raise ValueError("a cell is no object")
    value = cell.get("v")
    if text(field, "mode").upper() == "REPEATED":
        if value is None:
            return ()
        if not isinstance(value, list):
            raise ValueError("a repeated value is no list")
        return tuple(_one(_inner(item), field) for item in value)
    return _one(value, field)


def _inner(item: object) -> object:
    if not isinstance(item, Mapping):
        raise ValueError("an element of a repeated value is no object")
    return item.get("v")


def _one(value: object, field: JsonMap) -> Json:
    if value is None:
        return None
    kind = text(field, "type").upper()
    if kind in _RECORDS:
        if not isinstance(value, Mapping):
            raise ValueError("a record is no object")
        fields = items(field, "fields")
        return dict(zip((text(one, "name") for one in fields), _row(value, fields), strict=True))
    if not isinstance(value, str):
        raise ValueError(f"a {kind} is no text")
    return _READERS.get(kind, _text)(value)


def _text(value: str) -> Json:
    return value


def _bool(value: str) -> Json:
    if value.lower() not in ("true", "false"):
        raise ValueError("a BOOLEAN is neither true nor false")
    return value.lower() == "true"


def _bytes(value: str) -> Json:
    return base64.b64decode(value, validate=True)


def _timestamp(value: str) -> Json:
    # Microseconds as asked for; a server that does not know the option answers seconds as a float.
    if value.removeprefix("-").isdecimal():
        since = dt.timedelta(microseconds=int(value))
    else:
        try:
            since = dt.timedelta(seconds=float(value))
        except ValueError:
            return value
    return (_EPOCH + since).isoformat(timespec="microseconds").replace("+00:00", "Z")


_READERS: Mapping[str, Callable[[str], Json]] = {
    "INTEGER": int,
    "INT64": int,
    "FLOAT": float,
    "FLOAT64": float,
    "BOOLEAN": _bool,
    "BOOL": _bool,
    "BYTES": _bytes,
    "TIMESTAMP": _timestamp,
}
