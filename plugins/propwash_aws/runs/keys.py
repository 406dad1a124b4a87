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


@dataclass(frozen=True, slots=True)
class PlaceHint:
    """The place of a run, empty where nobody names one. is_name says that it is no id, whatever it looks like."""

    named: str = ""
    is_name: bool = False

    def packed(self) -> bytes:
        """As the engine keeps it; empty where nobody names a place."""
        if not self.named:
            return b""
        return _packed([_VERSION, self.named, 1] if self.is_name else [_VERSION, self.named])


def read_hint(hint: bytes) -> PlaceHint:
    """The opposite of packed; raises Unavailable."""
    if not hint:
        return PlaceHint()
    match _unpacked(hint):
        case [1, str(place)]:
            return PlaceHint(place)
        case [1, str(name), 1]:
            return PlaceHint(name, is_name=True)
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
