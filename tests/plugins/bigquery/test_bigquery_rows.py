"""Result rows, type by type."""

from __future__ import annotations

import math

import pytest

from propwash.sdk import Unavailable
from propwash_bigquery.rows import page_of


def answer(field: dict[str, object], *values: object) -> dict[str, object]:
    return {
        "jobComplete": True,
        "schema": {"fields": [{"name": "c", "mode": "NULLABLE", **field}]},
        "rows": [{"f": [{"v": value}]} for value in values],
        "totalRows": str(len(values)),
    }


@pytest.mark.parametrize(
    ("kind", "wire", "value"),
    [
        ("INTEGER", "9223372036854775807", 2**63 - 1),
        ("INT64", "-1", -1),
        ("FLOAT", "1.5", 1.5),
        ("FLOAT64", "-Infinity", -math.inf),
        ("BOOLEAN", "true", True),
        ("BOOL", "false", False),
        ("STRING", "5", "5"),
        ("BYTES", "AP8=", b"\x00\xff"),
        ("TIMESTAMP", "1709208000000005", "2024-02-29T12:00:00.000005Z"),
        ("TIMESTAMP", "-1", "1969-12-31T23:59:59.999999Z"),
        ("TIMESTAMP", "1.709208E9", "2024-02-29T12:00:00.000000Z"),
        ("TIMESTAMP", "2024-02-29T12:00:00.123456789Z", "2024-02-29T12:00:00.123456789Z"),
        ("NUMERIC", "1.10", "1.10"),
        ("DATE", "2024-02-29", "2024-02-29"),
        ("JSON", '{"a":1}', '{"a":1}'),
        ("GEOGRAPHY", "POINT(1 2)", "POINT(1 2)"),
        ("SOMETHING_NEW", "x", "x"),
        ("INTEGER", None, None),
    ],
)
def test_scalar(kind: str, wire: object, value: object) -> None:
    page = page_of(answer({"type": kind}, wire))
    assert page.rows == ((value,),)
    assert page.columns[0].type == kind
    assert page.total_rows == 1


def test_nan() -> None:
    ((value,),) = page_of(answer({"type": "FLOAT"}, "NaN")).rows
    assert isinstance(value, float)
    assert math.isnan(value)


def test_records_and_repeated_values() -> None:
    fields = [{"name": "n", "type": "INTEGER"}, {"name": "l", "type": "STRING", "mode": "REPEATED"}]
    field: dict[str, object] = {"type": "RECORD", "mode": "REPEATED", "fields": fields}
    wire = [{"v": {"f": [{"v": "1"}, {"v": [{"v": "a"}, {"v": None}]}]}}]
    page = page_of(answer(field, wire, []))
    assert page.rows == ((({"n": 1, "l": ("a", None)},),), ((),))
    assert page.columns[0].type == "ARRAY<STRUCT<n INTEGER, l ARRAY<STRING>>>"


def test_required_and_range_columns() -> None:
    page = page_of(answer({"type": "RANGE", "mode": "REQUIRED", "rangeElementType": {"type": "DATE"}}))
    assert (page.columns[0].type, page.columns[0].is_nullable) == ("RANGE<DATE>", False)


def test_statement_without_rows() -> None:
    page = page_of({"jobComplete": True, "totalRows": "0"})
    assert (page.columns, page.rows, page.next_cursor, page.total_rows) == ((), (), "", 0)
    assert page_of({"jobComplete": True}).total_rows == -1


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        ("INTEGER", "one"),
        ("INTEGER", 1),
        ("BYTES", "%"),
        ("BOOLEAN", "maybe"),
        ("RECORD", "text"),
        ("TIMESTAMP", "99999999999999999999"),
    ],
)
def test_nonsense_is_no_answer(kind: str, wire: object) -> None:
    with pytest.raises(Unavailable):
        page_of(answer({"type": kind}, wire))


def test_malformed_rows_are_no_answer() -> None:
    whole = answer({"type": "INTEGER"}, "1")
    malformed: list[object] = [[{"f": []}], [{}], [{"f": ["x"]}]]
    for rows in malformed:
        with pytest.raises(Unavailable):
            page_of({**whole, "rows": rows})
    with pytest.raises(Unavailable):
        page_of(answer({"type": "INTEGER", "mode": "REPEATED"}, "1"))
    with pytest.raises(Unavailable):
        page_of(answer({"type": "INTEGER", "mode": "REPEATED"}, ["1"]))
    with pytest.raises(Unavailable, match="no result yet"):
        page_of({"jobComplete": False})
