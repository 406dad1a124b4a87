"""What names a step: the meta that the engine keeps for us, and the hint for a step without one yet.

Both are small JSON lists that begin with their version. A step's id is unique within its cluster.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from propwash.sdk import RemoteName, Unavailable

_VERSION = 1


@dataclass(frozen=True, slots=True)
class StepKey:
    """A step that EMR has an id for."""

    cluster: str
    step: str
    name: RemoteName

    def meta(self) -> bytes:
        """The resource meta, without a secret."""
        return _packed([_VERSION, self.cluster, self.step, self.name])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step is, by the cluster's id or else its name, and how it is to be cancelled."""

    cluster: str = ""
    cluster_name: str = ""
    cancellation: str = ""

    def hint(self) -> bytes:
        """The hint for steps of this place."""
        return _packed([_VERSION, self.cluster, self.cluster_name, self.cancellation])


def read_meta(meta: bytes) -> StepKey:
    """The step that a meta names; raises Unavailable for one that is not ours."""
    match _unpacked(meta):
        case [1, str(cluster), str(step), str(name)]:
            return StepKey(cluster, step, RemoteName(name))
        case _:
            raise Unavailable("META_UNREADABLE", "not a meta of an EMR step")


def read_hint(hint: bytes) -> Place:
    """The place that a hint names, an empty one for an empty hint; raises Unavailable for one that is not ours."""
    if not hint:
        return Place()
    match _unpacked(hint):
        case [1, str(cluster), str(name), str(cancellation)]:
            return Place(cluster, name, cancellation)
        case _:
            raise Unavailable("HINT_UNREADABLE", "not a hint for an EMR step")


def _packed(parts: list[int | str]) -> bytes:
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()


def _unpacked(data: bytes) -> object:
    try:
        value: object = json.loads(data)
    except ValueError:
        return None
    return value
