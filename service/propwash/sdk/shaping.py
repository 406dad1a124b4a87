"""Gives typed input values the containers that a spec's annotations ask for.

The wire knows one kind of list and no enums, while strict validation tells list from tuple and an enum from
its value. Without this, whether `tuple[str, ...]` or `list[str]` validates would depend on how the server
decodes.
"""

from __future__ import annotations

import enum
import functools
import typing
from collections.abc import Mapping

_SEQUENCES: tuple[type, ...] = (list, tuple, set, frozenset)
_SCALARS = (str, int, float, bytes, type(None))


def shape(annotation: object, value: object) -> object:
    """The value with lists as the annotated containers and enum members for their values; anything else
    unchanged.
    """
    if isinstance(value, _SCALARS) and not _may_hold_enum(annotation):
        return value
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return shape(arguments[0], value)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _member(annotation, value)
    if isinstance(value, list | tuple):
        return _sequence(annotation, value)
    if isinstance(value, Mapping) and len(arguments) == 2 and _is_mapping(origin):
        return {key: shape(arguments[1], item) for key, item in value.items()}
    for member in arguments if _is_union(origin) else ():
        shaped = shape(member, value)
        if shaped is not value:
            return shaped
    return value


def _may_hold_enum(annotation: object) -> bool:
    """Whether a scalar may have to become an enum's member: most fields of most specs are scalars that need not."""
    try:
        return _holds_enum(annotation)
    except TypeError:
        # Annotated with what has no hash.
        return True


@functools.lru_cache(maxsize=4096)
def _holds_enum(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return True
    origin = typing.get_origin(annotation)
    if origin is not typing.Annotated and not _is_union(origin):
        return False
    return any(_holds_enum(one) for one in typing.get_args(annotation))


def _sequence(annotation: object, value: list[object] | tuple[object, ...]) -> object:
    origin = typing.get_origin(annotation) or annotation
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return _sequence(arguments[0], value)
    if _is_union(origin):
        wanted = next((member for member in arguments if _takes_sequence(member)), None)
        return value if wanted is None else _sequence(wanted, value)
    if not isinstance(origin, type) or origin not in _SEQUENCES:
        return value
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        items = [shape(one, item) for one, item in zip(arguments, value, strict=False)]
        return (*items, *value[len(items) :])
    items = [shape(arguments[0], item) for item in value] if arguments else list(value)
    try:
        return origin(items)
    except TypeError:
        # Unhashable items of a set: the validator says so, with the field's path.
        return value


def _takes_sequence(annotation: object) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        return _takes_sequence(typing.get_args(annotation)[0])
    origin = typing.get_origin(annotation) or annotation
    return isinstance(origin, type) and origin in _SEQUENCES


def _is_union(origin: object) -> bool:
    return origin is typing.Union or getattr(origin, "__name__", "") == "UnionType"


def _is_mapping(origin: object) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _member(kind: type[enum.Enum], value: object) -> object:
    try:
        return value if isinstance(value, enum.Enum) else kind(value)
    except ValueError:
        return value
