"""Flyte's literals as values: an integer stays an integer, and what is no value is refused by its name."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgpack
import pytest
from flyteidl.core import literals_pb2, types_pb2
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from propwash.api.flyte.interfaces import declared
from propwash.api.flyte.literals import LiteralError, plain, struct_values, value_of, values_of
from propwash.sdk import FlyteInput, FlyteKind
from tests.flyte.flyte_callers import literal

NOON = dt.datetime(2024, 1, 1, 12, 0, 1, 500, tzinfo=dt.UTC)


def scalar(**fields: Any) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(**fields))


@pytest.mark.parametrize("value", [0, -(2**63), 2**63 - 1, 0.5, "", "text", True, False, NOON])
def test_a_primitive_is_itself(value: Any) -> None:
    found = value_of(literal(value), "x")
    assert (type(found), found) == (type(value), value)


def test_other_kinds_of_literals() -> None:
    generic = Struct()
    generic.update({"whole": 3, "half": 0.5, "list": [1, "a", None], "deep": {"big": 2.0**60}})
    span = literals_pb2.Literal()
    span.scalar.primitive.duration.FromTimedelta(dt.timedelta(seconds=90))
    table = literals_pb2.StructuredDataset(uri="bq://p:d.t")
    blob = literals_pb2.Blob(uri="s3://b/a")
    union = literals_pb2.Union(value=literal(7), type=types_pb2.LiteralType(simple=types_pb2.INTEGER))
    given = {
        "none": scalar(none_type=literals_pb2.Void()),
        "generic": scalar(generic=generic),
        "span": span,
        "table": scalar(structured_dataset=table),
        "blob": scalar(blob=blob),
        "union": scalar(union=union),
        "bytes": scalar(binary=literals_pb2.Binary(value=b"\x00\x01")),
        "list": literal([1, 2]),
        "map": literals_pb2.Literal(map=literals_pb2.LiteralMap(literals={"a": literal(1)})),
    }
    assert values_of(literals_pb2.LiteralMap(literals=given)) == {
        "none": None,
        "generic": {"whole": 3, "half": 0.5, "list": (1, "a", None), "deep": {"big": 2.0**60}},
        "span": dt.timedelta(seconds=90),
        "table": "bq://p:d.t",
        "blob": "s3://b/a",
        "union": 7,
        "bytes": b"\x00\x01",
        "list": (1, 2),
        "map": {"a": 1},
    }


def test_what_the_sdks_pack_is_a_map_of_values() -> None:
    given = {
        "n": 2**53 + 1,
        "half": 0.5,
        "list": [1, None, "a"],
        "deep": {"yes": True},
        "raw": b"x",
        "at": NOON,
    }
    packed = literals_pb2.Binary(value=msgpack.packb(given, datetime=True), tag="msgpack")
    assert value_of(scalar(binary=packed), "x") == {**given, "list": (1, None, "a")}


def test_a_key_that_is_no_text_becomes_one() -> None:
    packed = literals_pb2.Binary(value=msgpack.packb({1: "a"}), tag="msgpack")
    assert value_of(scalar(binary=packed), "x") == {"1": "a"}


@pytest.mark.parametrize("packed", [b"", b"\x92\x01", b"\x01\x01", msgpack.packb(msgpack.ExtType(7, b"a"))])
def test_what_cannot_be_unpacked_is_named(packed: bytes) -> None:
    with pytest.raises(LiteralError) as raised:
        value_of(scalar(binary=literals_pb2.Binary(value=packed, tag="msgpack")), "inputs.x")
    assert str(raised.value).startswith("inputs.x: is no msgpack")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ({"simple": "INTEGER"}, FlyteInput(kind=FlyteKind.INTEGER)),
        ({"simple": "STRUCT"}, FlyteInput(kind=FlyteKind.OTHER)),
        ({"enumType": {"values": ["a"]}}, FlyteInput(kind=FlyteKind.STRING)),
        ({"structuredDatasetType": {}}, FlyteInput(kind=FlyteKind.STRING)),
        ({"blob": {"format": "csv"}}, FlyteInput(kind=FlyteKind.STRING)),
        ({"blob": {"format": "PythonPickle"}}, FlyteInput(kind=FlyteKind.PICKLE)),
        (
            {"collectionType": {"simple": "DATETIME"}},
            FlyteInput(kind=FlyteKind.LIST, element=FlyteInput(kind=FlyteKind.DATETIME)),
        ),
        (
            {"mapValueType": {"simple": "FLOAT"}},
            FlyteInput(kind=FlyteKind.MAP, element=FlyteInput(kind=FlyteKind.FLOAT)),
        ),
        (
            {"unionType": {"variants": [{"simple": "INTEGER"}, {"simple": "NONE"}]}},
            FlyteInput(kind=FlyteKind.INTEGER),
        ),
        (
            {"unionType": {"variants": [{"simple": "INTEGER"}, {"simple": "STRING"}]}},
            FlyteInput(kind=FlyteKind.OTHER),
        ),
        (
            {"unionType": {"variants": [{"simple": "BINARY", "structure": {"tag": "FlytePickle"}}]}},
            FlyteInput(kind=FlyteKind.PICKLE),
        ),
        ({}, FlyteInput(kind=FlyteKind.OTHER)),
    ],
)
def test_an_input_is_declared_as_the_interface_has_it(kind: dict[str, Any], expected: FlyteInput) -> None:
    assert declared(json_format.ParseDict(kind, types_pb2.LiteralType())) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (literals_pb2.Literal(), "inputs.x: is empty"),
        (scalar(), "inputs.x: is a scalar of kind none"),
        (scalar(error=types_pb2.Error(message="no")), "inputs.x: is a scalar of kind error"),
        (scalar(primitive=literals_pb2.Primitive()), "inputs.x: is a primitive without a value"),
        (literal([1]), ""),
    ],
)
def test_what_is_no_value_is_named(given: literals_pb2.Literal, said: str) -> None:
    literals = literals_pb2.LiteralMap(literals={"x": given})
    if not said:
        assert values_of(literals) == {"x": (1,)}
        return
    with pytest.raises(LiteralError) as raised:
        values_of(literals)
    assert str(raised.value).startswith(said)


def test_a_struct_comes_back_as_it_was_but_for_bytes() -> None:
    given = {"a": 1, "b": {"c": (1, "x", b"raw")}, "raw": b"x", "none": None}
    struct = Struct()
    struct.update(plain(given))  # type: ignore[arg-type]  # JSON
    assert struct_values(struct) == {"a": 1, "b": {"c": (1, "x")}, "none": None}
