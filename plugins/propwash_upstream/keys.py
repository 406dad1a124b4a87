"""The meta of a job: the GetTask request that asks about it, without the values of secrets.

So it has the connector's task type, the connector's own resource meta, whatever its bytes are, and the output prefix,
which Flyte sends along. Source: flyteidl2.connector, connector.proto; version 1 has the same fields but the connection.
"""

from __future__ import annotations

from flyteidl2.connector import connector_pb2
from google.protobuf.message import DecodeError

from propwash.sdk import Unavailable

META_LIMIT = 32 * 1024
"""Connectors keep whole requests in theirs; Flyte keeps them in etcd, and so bounds them."""
_SYNC = b"sync:"


def meta_of(request: connector_pb2.GetTaskRequest) -> bytes:
    """The meta of a job that is asked about so."""
    return request.SerializeToString(deterministic=True)


def sync_meta(name: str) -> bytes:
    """The meta of a task that ended in the call that began it: nothing can be asked about it."""
    return _SYNC + name.encode()


def is_sync(meta: bytes) -> bool:
    """Whether the meta is of such a task."""
    return meta.startswith(_SYNC)


def read_meta(meta: bytes) -> connector_pb2.GetTaskRequest:
    """The request that asks about the job; raises Unavailable META_UNREADABLE."""
    try:
        request = connector_pb2.GetTaskRequest.FromString(meta)
    except DecodeError:
        request = None
    if request is None or not request.task_category.name:
        raise Unavailable("META_UNREADABLE", "the job's meta is not one that this handler wrote")
    return request
