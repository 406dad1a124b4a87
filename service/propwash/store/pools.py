"""Pools as the records of propwash.internal.v1, and back, exactly."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from propwash.core.pool import PoolSpec, ProjectShare
from propwash.pb.internal.v1 import record_pb2 as pb
from propwash.ports import StoreCorrupt, StoredPool
from propwash.store.codec import FORMAT, check_format


def encode_pool(pool: StoredPool) -> bytes:
    """The whole pool; raises ValueError where a text of it is not Unicode."""
    spec = pool.spec
    record = pb.PoolRecord(
        format=FORMAT,
        name=spec.name,
        version=pool.version,
        capacity=spec.capacity,
        share=_share(spec.share),
        projects={project: _share(share) for project, share in spec.projects.items()},
        description=spec.description,
        configured=pool.configured,
        created_at=pool.created_at,
        updated_at=pool.updated_at,
    )
    return record.SerializeToString()


def decode_pool(body: bytes) -> StoredPool:
    """The pool in a record; raises StoreTooNew or StoreCorrupt."""
    try:
        record = pb.PoolRecord.FromString(body)
    except DecodeError:
        raise StoreCorrupt("a stored pool is damaged") from None
    check_format(record.format)
    try:
        spec = PoolSpec(
            name=record.name,
            capacity=record.capacity,
            share=_share_of(record.share),
            projects={project: _share_of(share) for project, share in record.projects.items()},
            description=record.description,
        )
    except ValueError as error:
        raise StoreCorrupt(f"the stored pool {record.name!r} is damaged: {error}") from None
    return StoredPool(
        spec=spec,
        version=record.version,
        configured=record.configured,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _share(share: ProjectShare) -> pb.ShareRecord:
    return pb.ShareRecord(weight=share.weight, limit=share.limit, namespace_limit=share.namespace_limit)


def _share_of(record: pb.ShareRecord) -> ProjectShare:
    return ProjectShare(
        weight=record.weight,
        limit=record.limit if record.HasField("limit") else None,
        namespace_limit=record.namespace_limit if record.HasField("namespace_limit") else None,
    )
