"""What a task's interface declares of its inputs.

Source: flyteidl.core, interface.proto and types.proto. The SDKs mark what they pickle by the blob's format, or by the
tag of a union's variants (flytekit and flyte-sdk, FlytePickleTransformer).
"""

from __future__ import annotations

from flyteidl.core import interface_pb2, types_pb2

from propwash.sdk import FlyteInput, FlyteKind

_SIMPLE = {
    types_pb2.INTEGER: FlyteKind.INTEGER,
    types_pb2.FLOAT: FlyteKind.FLOAT,
    types_pb2.STRING: FlyteKind.STRING,
    types_pb2.BOOLEAN: FlyteKind.BOOLEAN,
    types_pb2.DATETIME: FlyteKind.DATETIME,
    types_pb2.DURATION: FlyteKind.DURATION,
    types_pb2.BINARY: FlyteKind.BINARY,
}
_PICKLED_BLOB = "PythonPickle"
_PICKLED_VARIANT = "FlytePickle"


def input_types(interface: interface_pb2.TypedInterface) -> dict[str, FlyteInput]:
    """The inputs by name."""
    return {name: declared(one.type) for name, one in interface.inputs.variables.items()}


def declared(kind: types_pb2.LiteralType) -> FlyteInput:
    """One type; what is optional is the type that it has where it is given."""
    match kind.WhichOneof("type"):
        case "simple":
            return FlyteInput(kind=_SIMPLE.get(kind.simple, FlyteKind.OTHER))
        case "collection_type":
            return FlyteInput(kind=FlyteKind.LIST, element=declared(kind.collection_type))
        case "map_value_type":
            return FlyteInput(kind=FlyteKind.MAP, element=declared(kind.map_value_type))
        case "blob" if kind.blob.format == _PICKLED_BLOB:
            return FlyteInput(kind=FlyteKind.PICKLE)
        case "enum_type" | "blob" | "structured_dataset_type" | "schema":
            return FlyteInput(kind=FlyteKind.STRING)
        case "union_type":
            return _union(kind.union_type)
        case _:
            return FlyteInput(kind=FlyteKind.OTHER)


def _union(union: types_pb2.UnionType) -> FlyteInput:
    given = [
        one for one in union.variants if one.WhichOneof("type") != "simple" or one.simple != types_pb2.NONE
    ]
    if any(one.structure.tag == _PICKLED_VARIANT for one in given):
        return FlyteInput(kind=FlyteKind.PICKLE)
    return declared(given[0]) if len(given) == 1 else FlyteInput(kind=FlyteKind.OTHER)
