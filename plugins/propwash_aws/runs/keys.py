"""What names a job run: the meta that the engine keeps for us, and the hint for a run without one yet.

Both are small JSON lists that begin with their version. A run's id is unique within its place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from propwash.sdk import RemoteName, Unavailable

_VERSION = 1


@dataclass(frozen=True, slots=True)
class RunKey:
    """A job run that the service has an id for. place is the id of its application or virtual cluster."""

    place: str
    run: str
    name: RemoteName

    def meta(self) -> bytes:
        """The resource meta, without a secret."""
        return _packed([_VERSION, self.place, self.run, self.name])


def read_meta(meta: bytes) -> RunKey:
    """The job run that a meta names; raises Unavailable for one that is not ours."""
    match _unpacked(meta):
        case [1, str(place), str(run), str(name)]:
            return RunKey(place, run, RemoteName(name))
        case _:
            raise Unavailable("META_UNREADABLE", "not a meta of a job run")


def hint_of(place: str) -> bytes:
    """The hint for runs of a place, by id or name; empty where nobody names one."""
    return _packed([_VERSION, place]) if place else b""


def read_hint(hint: bytes) -> str:
    """The place of a hint, by id or name; empty for an empty one. Raises Unavailable."""
    if not hint:
        return ""
    match _unpacked(hint):
        case [1, str(place)]:
            return place
        case _:
            raise Unavailable("HINT_UNREADABLE", "not a hint for a job run")


def _packed(parts: list[int | str]) -> bytes:
    return json.dumps(parts, separators=(",", ":")).encode()


def _unpacked(data: bytes) -> object:
    try:
        value: object = json.loads(data)
    except ValueError:
        return None
    return value
