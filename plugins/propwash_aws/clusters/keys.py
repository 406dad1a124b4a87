"""What names a cluster: the meta that the engine keeps for us. No hint is needed: the account and region say all."""

from __future__ import annotations

import json
from dataclasses import dataclass

from propwash.sdk import RemoteName, Unavailable

_VERSION = 1


@dataclass(frozen=True, slots=True)
class ClusterKey:
    """A cluster that EMR has an id for."""

    cluster: str
    name: RemoteName

    def meta(self) -> bytes:
        """The resource meta, without a secret."""
        return json.dumps([_VERSION, self.cluster, self.name], separators=(",", ":")).encode()


def read_meta(meta: bytes) -> ClusterKey:
    """The cluster that a meta names; raises Unavailable for one that is not ours."""
    try:
        parts: object = json.loads(meta)
    except ValueError:
        parts = None
    match parts:
        case [1, str(cluster), str(name)]:
            return ClusterKey(cluster, RemoteName(name))
        case _:
            raise Unavailable("META_UNREADABLE", "not a meta of an EMR cluster")
