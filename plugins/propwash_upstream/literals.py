"""The inputs of an execution as Flyte's literals. Source: flyteidl.core, literals.proto."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from flyteidl.core import literals_pb2
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from propwash.sdk import Value


def literal_of(value: Value) -> literals_pb2.Literal:
    """One value: an integer stays an integer, a map becomes a structure. Raises ValueError for what has no literal."""
    scalar = literals_pb2.Scalar()
    primitive = scalar.primitive
    match value:
        case None:
            scalar.none_type.SetInParent()
        case bool():
            primitive.boolean = value
        case int():
            primitive.integer = value
        case float():
            primitive.float_value = value
        case str():
            primitive.string_value = value
        case bytes():
            scalar.binary.value = value
        case dt.datetime():
            primitive.datetime.FromDatetime(value)
        case dt.timedelta():
            primitive.duration.FromTimedelta(value)
        case Mapping():
            scalar.generic.CopyFrom(json_format.ParseDict(_plain(value), Struct()))  # type: ignore[arg-type]  # JSON
        case _:
            collection = literals_pb2.LiteralCollection(literals=[literal_of(one) for one in value])
            return literals_pb2.Literal(collection=collection)
    return literals_pb2.Literal(scalar=scalar)


def _plain(value: Value) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {name: _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            raise ValueError(f"a {type(value).__name__} has no place in a structure")
