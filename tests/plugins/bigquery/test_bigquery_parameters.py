"""Inputs and declarations become query parameters."""

from __future__ import annotations

import datetime as dt

import pytest

from propwash.sdk import Value
from propwash_bigquery.binding import bound_parameters
from propwash_bigquery.spec import BigQuerySpec
from propwash_bigquery.sql_types import InputError
from propwash_bigquery.texts import interval_text, timestamp_text

CET = dt.timezone(dt.timedelta(hours=1))
AT = dt.datetime(2024, 2, 29, 13, 0, 0, 5, tzinfo=CET)


def bind(inputs: dict[str, Value], *declared: dict[str, object], **fields: object) -> list[dict[str, object]]:
    given = {"query": "q", **fields}
    if declared:
        given["queryParameters"] = list(declared)
    return bound_parameters(BigQuerySpec.model_validate(given), inputs)[1]


@pytest.mark.parametrize(
    ("value", "kind", "wire"),
    [
        (5, {"type": "INT64"}, {"value": "5"}),
        (True, {"type": "BOOL"}, {"value": "true"}),
        (1.5, {"type": "FLOAT64"}, {"value": "1.5"}),
        (float("nan"), {"type": "FLOAT64"}, {"value": "nan"}),
        (float("-inf"), {"type": "FLOAT64"}, {"value": "-inf"}),
        ("x", {"type": "STRING"}, {"value": "x"}),
        (b"\x00\xff", {"type": "BYTES"}, {"value": "AP8="}),
        (AT, {"type": "TIMESTAMP"}, {"value": "2024-02-29 12:00:00.000005+00:00"}),
        (dt.timedelta(days=1, hours=2), {"type": "INTERVAL"}, {"value": "0-0 1 2:0:0"}),
        (None, {"type": "STRING"}, {"value": None}),
        (
            [1, None],
            {"type": "ARRAY", "arrayType": {"type": "INT64"}},
            {"arrayValues": [{"value": "1"}, {"value": None}]},
        ),
        ([], {"type": "ARRAY", "arrayType": {"type": "STRING"}}, {"arrayValues": []}),
        (
            {"a": 1, "b": [{"c": None}, {"c": 2.5}]},
            {
                "type": "STRUCT",
                "structTypes": [
                    {"name": "a", "type": {"type": "INT64"}},
                    {
                        "name": "b",
                        "type": {
                            "type": "ARRAY",
                            "arrayType": {
                                "type": "STRUCT",
                                "structTypes": [{"name": "c", "type": {"type": "FLOAT64"}}],
                            },
                        },
                    },
                ],
            },
            {
                "structValues": {
                    "a": {"value": "1"},
                    "b": {
                        "arrayValues": [
                            {"structValues": {"c": {"value": None}}},
                            {"structValues": {"c": {"value": "2.5"}}},
                        ]
                    },
                }
            },
        ),
    ],
)
def test_input_is_bound_by_its_type(value: Value, kind: object, wire: object) -> None:
    assert bind({"p": value}) == [{"name": "p", "parameterType": kind, "parameterValue": wire}]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("DATE", "2024-01-01", "2024-01-01"),
        ("DATE", AT, "2024-02-29"),
        ("DATETIME", AT, "2024-02-29 12:00:00.000005"),
        ("TIME", AT, "12:00:00.000005"),
        ("TIMESTAMP", "2024-01-01 00:00:00+00", "2024-01-01 00:00:00+00"),
        ("NUMERIC", "1.10", "1.10"),
        ("BIGNUMERIC", 2**70, str(2**70)),
        ("INTEGER", "-7", "-7"),
        ("FLOAT64", 1, "1"),
        ("BOOL", "TRUE", "true"),
        ("JSON", {"a": [1, None]}, '{"a": [1, null]}'),
        ("JSON", '{"a":1}', '{"a":1}'),
        ("GEOGRAPHY", "POINT(1 2)", "POINT(1 2)"),
        ("INTERVAL", "1-0 0 0:0:0", "1-0 0 0:0:0"),
        ("SOMETHING_NEW", "x", "x"),
    ],
)
def test_declared_input_takes_the_exact_type(kind: str, value: Value, text: str) -> None:
    (made,) = bind({"P": value}, {"name": "p", "parameterType": {"type": kind}})
    assert made == {"name": "p", "parameterType": {"type": kind}, "parameterValue": {"value": text}}


def test_declared_null_and_nested_types() -> None:
    array = {"type": "ARRAY", "arrayType": {"type": "DATE"}}
    span = {"type": "RANGE", "rangeElementType": {"type": "DATE"}}
    pair = {"type": "STRUCT", "structTypes": [{"name": "d", "type": {"type": "DATE"}}]}
    made = bind(
        {
            "a": None,
            "n": None,
            "r": {"start": "2024-01-01", "end": None},
            "t": "[2024-01-01, UNBOUNDED)",
            "s": {},
        },
        {"name": "a", "parameterType": array},
        {"name": "n", "parameterType": {"type": "INT64"}},
        {"name": "r", "parameterType": span},
        {"name": "t", "parameterType": span},
        {"name": "s", "parameterType": pair},
    )
    assert [one["parameterValue"] for one in made] == [
        {"arrayValues": []},
        {"value": None},
        {"rangeValue": {"start": {"value": "2024-01-01"}}},
        {"value": "[2024-01-01, UNBOUNDED)"},
        {"structValues": {"d": {"value": None}}},
    ]


def test_explicit_values_are_sent_as_given() -> None:
    given = {"parameterType": {"type": "TIMESTAMP"}, "parameterValue": {"value": AT}}
    spec = BigQuerySpec.model_validate({"query": "q", "queryParameters": [given]})
    mode, made = bound_parameters(spec, {})
    assert mode == "POSITIONAL"
    assert made == [{"parameterType": {"type": "TIMESTAMP"}, "parameterValue": {"value": timestamp_text(AT)}}]


def test_mode_follows_from_the_inputs() -> None:
    spec = BigQuerySpec(query="q")
    assert bound_parameters(spec, {}) == (None, [])
    assert bound_parameters(spec, {"a": 1})[0] == "NAMED"


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"n": 2**63}, "inputs.n"),
        ({"l": [1, "a"]}, "inputs.l[1]"),
        ({"l": [1, 1.5]}, "inputs.l[1]"),
        ({"l": [[1]]}, "inputs.l[0]"),
        ({"l": [{"a": 1}, {"b": 1}]}, "inputs.l[1]"),
        ({"l": [{"a": 1}, {"a": "x"}]}, "inputs.l[1].a"),
        ({"m": {}}, "inputs.m"),
        ({"m": {"a": {"b": 2**64}}}, "inputs.m.a.b"),
        ({"a-b": 1}, "inputs['a-b']"),
        ({"a": 1, "A": 2}, "inputs.A"),
    ],
)
def test_input_that_does_not_fit_is_named(inputs: dict[str, Value], path: str) -> None:
    with pytest.raises(InputError) as raised:
        bind(inputs)
    assert raised.value.path == path


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("INT64", 1.0),
        ("INT64", True),
        ("NUMERIC", "one"),
        ("NUMERIC", float("inf")),
        ("FLOAT64", "one"),
        ("BOOL", 1),
        ("STRING", 1),
        ("BYTES", "text"),
        ("DATE", 5),
        ("JSON", {"a": b"x"}),
        ("SOMETHING_NEW", 1),
    ],
)
def test_declared_input_that_does_not_fit_is_named(kind: str, value: Value) -> None:
    with pytest.raises(InputError, match=rf"inputs\.p: .* does not fit {kind}"):
        bind({"p": value}, {"name": "p", "parameterType": {"type": kind}})


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ({"type": "ARRAY"}, [1], "arrayType"),
        ({"type": "STRUCT"}, {"a": 1}, "structTypes"),
        ({"type": "RANGE"}, {}, "rangeElementType"),
        ({"type": "ARRAY", "arrayType": {"type": "INT64"}}, "text", "is a list"),
        ({"type": "STRUCT", "structTypes": [{"name": "a", "type": {"type": "INT64"}}]}, {"b": 1}, "no field"),
        ({"type": "STRUCT", "structTypes": [{"name": "a", "type": {"type": "INT64"}}]}, 1, "is a map"),
        ({"type": "RANGE", "rangeElementType": {"type": "DATE"}}, {"from": "x"}, "start and end"),
    ],
)
def test_bad_declaration_is_named(kind: dict[str, object], value: Value, said: str) -> None:
    with pytest.raises(InputError, match=said):
        bind({"p": value}, {"name": "p", "parameterType": kind})


def test_inputs_that_collide_are_refused() -> None:
    fixed: dict[str, object] = {
        "name": "a",
        "parameterType": {"type": "INT64"},
        "parameterValue": {"value": 1},
    }
    with pytest.raises(InputError, match="a value already"):
        bind({"a": 2}, fixed)
    with pytest.raises(InputError, match="is missing"):
        bind({}, {"name": "a", "parameterType": {"type": "INT64"}})
    with pytest.raises(InputError, match="positional"):
        bind({"a": 2}, {"parameterType": {"type": "INT64"}, "parameterValue": {"value": 1}})
    with pytest.raises(InputError, match="legacy SQL"):
        bind({"a": 2}, useLegacySql=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.timedelta(0), "0-0 0 0:0:0"),
        (dt.timedelta(seconds=-1.5), "0-0 0 -0:0:1.500000"),
        (dt.timedelta(days=-2, hours=-3), "0-0 -2 -3:0:0"),
        (dt.timedelta(microseconds=1), "0-0 0 0:0:0.000001"),
    ],
)
def test_interval_has_signs_of_its_own(value: dt.timedelta, text: str) -> None:
    assert interval_text(value) == text
