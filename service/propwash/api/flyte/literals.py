"""Flyte's literals as values.

Source: flyteidl.core, literals.proto. The SDKs write a dict or a dataclass as msgpack, in a binary literal with that
tag (flytekit and flyte-sdk, type engine: DictTransformer, DataclassTransformer).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping

import msgpack
from flyteidl.core import literals_pb2
from google.protobuf.struct_pb2 import Struct
from google.protobuf.struct_pb2 import Value as StructValue

from propwash.core.model import Json
from propwash.sdk import Value

_EXACT = 2**53
"""Whole numbers of a Struct are exact up to here."""
_MSGPACK = "msgpack"
_AS_DATETIME = 3
"""msgpack's own word for an instant with its zone."""


class LiteralError(ValueError):
    """A literal that is no value; the message names the input and what it is."""


def values_of(literals: literals_pb2.LiteralMap, path: str = "inputs") -> dict[str, Value]:
    """All inputs by name; raises LiteralError."""
    return {name: value_of(one, f"{path}.{name}") for name, one in literals.literals.items()}


def value_of(literal: literals_pb2.Literal, path: str) -> Value:
    """One literal: an integer stays an integer, an instant has its zone, files and tables are their addresses."""
    match literal.WhichOneof("value"):
        case "scalar":
            return _scalar(literal.scalar, path)
        case "collection":
            return tuple(
                value_of(one, f"{path}[{index}]") for index, one in enumerate(literal.collection.literals)
            )
        case "map":
            return values_of(literal.map, path)
        case kind:
            raise LiteralError(f"{path}: is {kind or 'empty'}, and should be a scalar, a collection or a map")


def struct_values(struct: Struct) -> dict[str, Json]:
    """A Struct as JSON. Its numbers are all floats on the wire: those that are whole are integers again."""
    return {name: _json(one) for name, one in struct.fields.items()}


def _scalar(scalar: literals_pb2.Scalar, path: str) -> Value:
    match scalar.WhichOneof("value"):
        case "primitive":
            return _primitive(scalar.primitive, path)
        case "none_type":
            return None
        case "generic":
            return struct_values(scalar.generic)
        case "blob":
            return scalar.blob.uri
        case "structured_dataset":
            return scalar.structured_dataset.uri
        case "schema":
            return scalar.schema.uri
        case "union":
            return value_of(scalar.union.value, path)
        case "binary" if scalar.binary.tag == _MSGPACK:
            return _unpacked(scalar.binary.value, path)
        case "binary":
            return scalar.binary.value
        case kind:
            raise LiteralError(f"{path}: is a scalar of kind {kind or 'none'}, which cannot be an input")


def _unpacked(packed: bytes, path: str) -> Value:
    try:
        return _value(msgpack.unpackb(packed, strict_map_key=False, timestamp=_AS_DATETIME))
    except (ValueError, msgpack.UnpackException) as error:
        raise LiteralError(f"{path}: is no msgpack, as its tag says: {error}") from error


def _value(unpacked: object) -> Value:
    match unpacked:
        case None | bool() | int() | float() | str() | bytes() | dt.datetime():
            return unpacked
        case Mapping():
            return {str(name): _value(one) for name, one in unpacked.items()}
        case list():
            return tuple(_value(one) for one in unpacked)
        case _:
            raise ValueError(f"a {type(unpacked).__name__} is no value")


def _primitive(primitive: literals_pb2.Primitive, path: str) -> Value:
    match primitive.WhichOneof("value"):
        case "integer":
            return primitive.integer
        case "float_value":
            return primitive.float_value
        case "string_value":
            return primitive.string_value
        case "boolean":
            return primitive.boolean
        case "datetime":
            return primitive.datetime.ToDatetime(tzinfo=dt.UTC)
        case "duration":
            return primitive.duration.ToTimedelta()
        case _:
            raise LiteralError(f"{path}: is a primitive without a value")


def _json(value: StructValue) -> Json:
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            is_whole = math.isfinite(number) and number.is_integer() and abs(number) <= _EXACT
            return int(number) if is_whole else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return struct_values(value.struct_value)
        case "list_value":
            return tuple(_json(one) for one in value.list_value.values)
        case _:
            return None


def plain(values: Mapping[str, Json]) -> dict[str, object]:
    """JSON as a Struct takes it: bytes have no place there and are left out."""
    return {name: _plain(one) for name, one in values.items() if not isinstance(one, bytes)}


def _plain(value: Json) -> object:
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value if not isinstance(one, bytes)]
    return value
