"""Reads JSON answers without trusting them: what is not there, or of another type, has a harmless value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

JsonMap: TypeAlias = Mapping[str, object]
EMPTY: JsonMap = {}


def mapping(value: JsonMap, name: str) -> JsonMap:
    """An object, empty where there is none."""
    found = value.get(name)
    return found if isinstance(found, Mapping) else EMPTY


def text(value: JsonMap, name: str) -> str:
    """A string, empty where there is none."""
    found = value.get(name)
    return found if isinstance(found, str) else ""


def whole(value: JsonMap, name: str) -> int | None:
    """A whole number, or None."""
    found = value.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def items(value: JsonMap, name: str) -> Sequence[JsonMap]:
    """The objects of a list, empty where there is none."""
    found = value.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else ()


def texts(value: JsonMap, name: str) -> tuple[str, ...]:
    """The strings of a list, empty where there is none."""
    found = value.get(name)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()
