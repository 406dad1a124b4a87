"""Reads EMR's answers without trusting them: what is not there, or of another type, has a harmless value."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from propwash.sdk import RemoteName
from propwash_aws.names import created_at

Answer: TypeAlias = Mapping[str, object]
EMPTY: Answer = MappingProxyType({})
_CLOCKS_DIFFER_S = 300.0
_DAY_S = 86_400.0


def mapping(value: object, *path: str) -> Answer:
    """The object at a path, empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else EMPTY


def text(value: Answer, name: str) -> str:
    """A string, empty where there is none."""
    found = value.get(name)
    return found if isinstance(found, str) else ""


def texts(value: Answer, name: str) -> list[str]:
    """The strings of a list, empty where there is none."""
    found = value.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def items(value: Answer, name: str) -> Sequence[Answer]:
    """The objects of a list, empty where there is none."""
    found = value.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else ()


def seconds(value: Answer, name: str) -> float | None:
    """An instant as UTC seconds, or None."""
    found = value.get(name)
    if isinstance(found, dt.datetime):
        return found.timestamp() if found.tzinfo else found.replace(tzinfo=dt.UTC).timestamp()
    if isinstance(found, int | float) and not isinstance(found, bool):
        return float(found)
    return None


def state_of(resource: Answer) -> str:
    """The state of a cluster or step, empty where the answer has none."""
    return text(mapping(resource, "Status"), "State")


def made_s(resource: Answer) -> float | None:
    """When EMR made a cluster or step, in UTC seconds, or None."""
    return seconds(mapping(resource, "Status", "Timeline"), "CreationDateTime")


def oldest_first(resources: Sequence[Answer]) -> list[Answer]:
    """Clusters or steps of one name, the one to keep first: by creation, then by id so that all who look agree."""
    return sorted(resources, key=lambda one: (made_s(one) or 0.0, text(one, "Id")))


def earliest_s(name: RemoteName) -> float:
    """A bound below the creation of a job of this name, in UTC seconds.

    The execution of that name began before it; five minutes are left for clocks that differ. 0 for a name that says
    nothing, or nothing that can be, as it lies in the future: then everything is searched.
    """
    at = created_at(name)
    if at is None or at > time.time() + _DAY_S:
        return 0.0
    return max(0.0, at - _CLOCKS_DIFFER_S)
