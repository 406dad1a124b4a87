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
