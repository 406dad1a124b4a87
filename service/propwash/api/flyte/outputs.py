"""Outputs of succeeded tasks as Flyte's literals.

Source: flyteidl.core, literals.proto, types.proto and interface.proto. A structured dataset carries the type that the
task's interface declares for it; where that names no columns, those that the remote system told of.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

from flyteidl.admin import agent_pb2
from flyteidl.core import interface_pb2, literals_pb2, tasks_pb2, types_pb2
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

from propwash.api.flyte.literals import plain
from propwash.sdk import Column, FlyteDataset, FlyteOutputs, Value

_COLUMNS: dict[str, types_pb2.SimpleType] = {
    **dict.fromkeys(
        ("INT64", "INTEGER", "INT", "BIGINT", "FIXED", "NUMBER", "SMALLINT", "TINYINT", "BYTEINT"),
        types_pb2.INTEGER,
    ),
    **dict.fromkeys(
        ("FLOAT64", "FLOAT", "REAL", "DOUBLE", "NUMERIC", "BIGNUMERIC", "DECIMAL", "BIGDECIMAL"),
        types_pb2.FLOAT,
    ),
    **dict.fromkeys(
        ("STRING", "TEXT", "VARCHAR", "CHAR", "TIME", "GEOGRAPHY", "GEOMETRY", "RANGE"), types_pb2.STRING
    ),
    **dict.fromkeys(("BOOL", "BOOLEAN"), types_pb2.BOOLEAN),
    **dict.fromkeys(
        ("TIMESTAMP", "DATETIME", "DATE", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ"),
        types_pb2.DATETIME,
    ),
    **dict.fromkeys(("INTERVAL",), types_pb2.DURATION),
    **dict.fromkeys(("BYTES", "BINARY"), types_pb2.BINARY),
}
"""The remote systems' own names of types. What is not here, such as nested data, is a STRUCT; a time of day has no type
in Flyte, and is a text.
"""
_TYPE = re.compile(r"(?P<name>\w+) *(?:\( *\d+ *(?:, *(?P<scale>\d+) *)?\))?(?:<(?P<inner>.*)>)?")
"""Such as FIXED(38,2), ARRAY<INT64>, STRUCT<a INT64>."""


def memo_of(template: tasks_pb2.TaskTemplate) -> bytes:
    """What is kept of a template for its outputs: their declared types."""
    declared = template.interface.outputs
    return declared.SerializeToString(deterministic=True) if declared.variables else b""


def fill_outputs(resource: agent_pb2.Resource, outputs: FlyteOutputs, *, memo: bytes) -> None:
    """Put the outputs into a resource; memo is memo_of's. Left unset, Flyte looks for a file of outputs."""
    if outputs is None:
        return
    # Set even where it is empty: see above.
    resource.outputs.SetInParent()
    if isinstance(outputs, bytes):
        resource.outputs.MergeFromString(outputs)
        return
    declared = interface_pb2.VariableMap()
    try:
        declared.MergeFromString(memo)
    except DecodeError:
        # Of another make: the outputs themselves are known without it.
        declared.Clear()
    for name, value in outputs.items():
        kind = declared.variables[name].type if name in declared.variables else types_pb2.LiteralType()
        literal = _dataset(value, kind) if isinstance(value, FlyteDataset) else literal_of(value)
        resource.outputs.literals[name].CopyFrom(literal)


def literal_of(value: Value) -> literals_pb2.Literal:
    """A value as a literal; the opposite of literals.value_of."""
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
            scalar.generic.CopyFrom(json_format.ParseDict(plain(value), Struct()))  # type: ignore[arg-type]  # JSON
        case _:
            collection = literals_pb2.LiteralCollection(literals=[literal_of(one) for one in value])
            return literals_pb2.Literal(collection=collection)
    return literals_pb2.Literal(scalar=scalar)


def _dataset(dataset: FlyteDataset, declared: types_pb2.LiteralType) -> literals_pb2.Literal:
    kind = types_pb2.StructuredDatasetType()
    kind.CopyFrom(declared.structured_dataset_type)
    if not kind.columns:
        kind.columns.extend(_column(one) for one in dataset.columns)
    metadata = literals_pb2.StructuredDatasetMetadata(structured_dataset_type=kind)
    made = literals_pb2.StructuredDataset(uri=dataset.uri, metadata=metadata)
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(structured_dataset=made))


def _column(column: Column) -> types_pb2.StructuredDatasetType.DatasetColumn:
    return types_pb2.StructuredDatasetType.DatasetColumn(
        name=column.name, literal_type=_literal_type(column.type)
    )


def _literal_type(told: str) -> types_pb2.LiteralType:
    found = _TYPE.fullmatch(told.strip().upper())
    if found is None:
        return types_pb2.LiteralType(simple=types_pb2.STRUCT)
    if found["name"] == "ARRAY" and found["inner"]:
        return types_pb2.LiteralType(collection_type=_literal_type(found["inner"]))
    kind = _COLUMNS.get(found["name"], types_pb2.STRUCT)
    if kind == types_pb2.INTEGER and int(found["scale"] or 0):
        # Flyte has no exact fractions.
        kind = types_pb2.FLOAT
    return types_pb2.LiteralType(simple=kind)
