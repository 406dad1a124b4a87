"""Reads JSON answers without trusting them: what is not there, or of another type, has a harmless value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

JsonMap: TypeAlias = Mapping[str, object]
EMPTY: JsonMap = {}


def mapping(value: object, *path: str) -> JsonMap:
    """The object at a path, empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else EMPTY


def text(value: JsonMap, name: str) -> str:
    """A string, empty where there is none."""
    found = value.get(name)
    return found if isinstance(found, str) else ""


def whole(value: JsonMap, name: str) -> int | None:
    """An int64, which travels as a decimal string, or None."""
    found = value.get(name)
    if isinstance(found, bool):
        return None
    if isinstance(found, int):
        return found
    if isinstance(found, str) and found.removeprefix("-").isdecimal():
        return int(found)
    return None


def items(value: JsonMap, name: str) -> Sequence[JsonMap]:
    """The objects of a list, empty where there is none."""
    found = value.get(name)
    if not isinstance(found, list):
        return ()
    return [one for one in found if isinstance(one, Mapping)]


def texts(value: JsonMap, name: str) -> tuple[str, ...]:
    """The strings of a list, or the one string that stands in its place; empty where there is none."""
    found = value.get(name)
    if isinstance(found, str):
        return (found,)
    if not isinstance(found, list):
        return ()
    return tuple(one for one in found if isinstance(one, str))


def table_of(reference: JsonMap) -> str:
    """bq://project.dataset.table of a TableReference, empty where it is not whole."""
    parts = [text(reference, name) for name in ("projectId", "datasetId", "tableId")]
    return f"bq://{'.'.join(parts)}" if all(parts) else ""


def error_of(resource: JsonMap) -> JsonMap | None:
    """The error with which a job ended, or None: in its status, or beside it in an entry of a list."""
    for holder in (mapping(resource, "status"), resource):
        if holder.get("errorResult") is not None:
            return mapping(holder, "errorResult")
    return None


def child_count(resource: JsonMap) -> int:
    """How many child jobs a script has."""
    return whole(mapping(resource, "statistics"), "numChildJobs") or 0
