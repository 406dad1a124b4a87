"""Types of query parameters, declared or inferred from an input's value.

Source: BigQuery REST v2 reference, QueryParameterType; GoogleSQL reference, "Data types".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from propwash.sdk import Value
from propwash_bigquery.parameters import QueryParameterType


class InputError(ValueError):
    """An input that cannot be bound; path says which."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type; an empty name is that of a NULL about which nothing else is known."""

    name: str
    element: SqlType | None = None
    fields: tuple[tuple[str, SqlType], ...] = ()

    def wire(self) -> dict[str, object]:
        """The QueryParameterType. What is not known is STRING."""
        match self.name:
            case "ARRAY":
                return {"type": "ARRAY", "arrayType": (self.element or UNKNOWN).wire()}
            case "STRUCT":
                return {
                    "type": "STRUCT",
                    "structTypes": [{"name": name, "type": kind.wire()} for name, kind in self.fields],
                }
            case "RANGE":
                return {"type": "RANGE", "rangeElementType": (self.element or UNKNOWN).wire()}
            case "":
                return {"type": "STRING"}
            case _:
                return {"type": self.name}


UNKNOWN = SqlType("")
_ALIASES = {
    "INTEGER": "INT64",
    "INT": "INT64",
    "SMALLINT": "INT64",
    "BIGINT": "INT64",
    "TINYINT": "INT64",
    "BYTEINT": "INT64",
    "FLOAT": "FLOAT64",
    "BOOLEAN": "BOOL",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
    "RECORD": "STRUCT",
}


def declared(kind: QueryParameterType, path: str) -> SqlType:
    """The type that a declaration means; raises InputError for an ARRAY, STRUCT or RANGE without its parts."""
    name = kind.type.upper()
    name = _ALIASES.get(name, name)
    match name:
        case "ARRAY":
            if kind.array_type is None:
                raise InputError(path, "an ARRAY needs an arrayType")
            return SqlType(name, element=declared(kind.array_type, path))
        case "STRUCT":
            fields = tuple(
                (one.name or "", declared(one.type, f"{path}.{one.name or number}"))
                for number, one in enumerate(kind.struct_types or ())
            )
            if not fields or not all(field for field, _ in fields):
                raise InputError(path, "a STRUCT needs structTypes, each with a name")
            return SqlType(name, fields=fields)
        case "RANGE":
            if kind.range_element_type is None:
                raise InputError(path, "a RANGE needs a rangeElementType")
            return SqlType(name, element=declared(kind.range_element_type, path))
        case _:
            return SqlType(name)


def inferred(value: Value, path: str) -> SqlType:
    """The type of an undeclared input; raises InputError for one that BigQuery has no type for."""
    match value:
        case None:
            return UNKNOWN
        case bool():
            return SqlType("BOOL")
        case int():
            return SqlType("INT64")
        case float():
            return SqlType("FLOAT64")
        case str():
            return SqlType("STRING")
        case bytes():
            return SqlType("BYTES")
        case dt.datetime():
            return SqlType("TIMESTAMP")
        case dt.timedelta():
            return SqlType("INTERVAL")
        case Mapping():
            if not value:
                raise InputError(path, "an empty map has no STRUCT type")
            return SqlType(
                "STRUCT", fields=tuple((key, inferred(item, f"{path}.{key}")) for key, item in value.items())
            )
        case Sequence():
            return SqlType("ARRAY", element=_element(value, path))
        case _:
            raise InputError(path, f"a {type(value).__name__} has no type in BigQuery")


def _element(values: Sequence[Value], path: str) -> SqlType:
    common = UNKNOWN
    for number, value in enumerate(values):
        kind = inferred(value, f"{path}[{number}]")
        if kind.name == "ARRAY":
            raise InputError(
                f"{path}[{number}]", "BigQuery has no array of arrays; put the inner one in a map"
            )
        common = _unified(common, kind, f"{path}[{number}]")
    return common


def _unified(first: SqlType, second: SqlType, path: str) -> SqlType:
    if not first.name or not second.name:
        return first if first.name else second
    if first.name != second.name:
        raise InputError(path, f"a list has elements of one type, not {first.name} and {second.name}")
    if first.name == "ARRAY":
        return SqlType("ARRAY", element=_unified(first.element or UNKNOWN, second.element or UNKNOWN, path))
    if [name for name, _ in first.fields] != [name for name, _ in second.fields]:
        raise InputError(path, "the maps of a list have the same keys in the same order")
    pairs = zip(first.fields, second.fields, strict=True)
    return SqlType(
        first.name,
        fields=tuple((name, _unified(one, other, f"{path}.{name}")) for (name, one), (_, other) in pairs),
    )
