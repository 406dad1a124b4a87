"""Messages of pools to the client's values and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from propwash.client.model import Phase
from propwash.client.pool_model import (
    Pool,
    PoolBlock,
    PoolHolder,
    PoolOrigin,
    PoolState,
    PoolWaiter,
    ProjectShare,
    ProjectUsage,
)
from propwash.client.translate import instant
from propwash.pb.v1 import pool_service_pb2 as pb

# The members stand in the order of the contract's numbers.
_ORIGINS = dict(enumerate(PoolOrigin))
_STATES = dict(enumerate(PoolState))
_BLOCKS = dict(enumerate(PoolBlock))
_PHASES = dict(enumerate(Phase))


def to_pool(
    *,
    capacity: int | None,
    default_share: ProjectShare | None,
    projects: Mapping[str, ProjectShare],
    description: str,
) -> pb.Pool:
    """What a client gives of a pool; None is left unset."""
    return pb.Pool(
        capacity=capacity,
        default_share=None if default_share is None else _to_share(default_share),
        projects={project: _to_share(share) for project, share in projects.items()},
        description=description,
    )


def from_pool(message: pb.Pool) -> Pool:
    """The message as a value."""
    return Pool(
        name=message.name,
        capacity=message.capacity,
        default_share=_from_share(message.default_share),
        projects={project: _from_share(share) for project, share in message.projects.items()},
        description=message.description,
        origin=_ORIGINS.get(message.origin, PoolOrigin.UNSPECIFIED),
        template=message.template,
        state=_STATES.get(message.state, PoolState.UNSPECIFIED),
        occupied=message.occupied,
        lent=message.lent,
        free=message.free,
        reserved=message.reserved,
        holders=message.holders,
        waiting=message.waiting,
        oldest_wait_start_time=instant(message.oldest_wait_start_time),
        granted_total=message.granted_total,
        project_usages=tuple(
            ProjectUsage(
                project=one.project,
                share=_from_share(one.share),
                held=one.held,
                nominal=one.nominal,
                borrowed=one.borrowed,
                waiting=one.waiting,
            )
            for one in message.project_usages
        ),
        create_time=instant(message.create_time),
        update_time=instant(message.update_time),
        etag=message.etag,
    )


def from_holder(message: pb.PoolHolder) -> PoolHolder:
    """The message as a value."""
    return PoolHolder(
        execution=message.execution,
        attempt=message.attempt,
        phase=_PHASES.get(message.phase, Phase.UNSPECIFIED),
        units=message.units,
        priority=message.priority,
        grant_time=instant(message.grant_time),
    )


def from_waiter(message: pb.PoolWaiter) -> PoolWaiter:
    """The message as a value."""
    return PoolWaiter(
        execution=message.execution,
        attempt=message.attempt,
        units=message.units,
        priority=message.priority,
        wait_start_time=instant(message.wait_start_time),
        position=message.position,
        block=_BLOCKS.get(message.block, PoolBlock.UNSPECIFIED),
        limit=message.limit if message.HasField("limit") else None,
        message=message.message,
    )


def holds(pool: Pool, given: pb.Pool, paths: Sequence[str]) -> bool:
    """Whether a pool has all that was given for the fields of a mask."""
    wanted = from_pool(given)
    return all(_value(pool, path) == _value(wanted, path) for path in paths)


def _value(pool: Pool, path: str) -> object:
    field, _, below = path.partition(".")
    match field:
        case "projects" if below:
            return pool.projects.get(below)
        case "default_share" if below:
            return getattr(pool.default_share, below, None)
        case _:
            return getattr(pool, field, None)


def _to_share(share: ProjectShare) -> pb.ProjectShare:
    return pb.ProjectShare(weight=share.weight, limit=share.limit, namespace_limit=share.namespace_limit)


def _from_share(message: pb.ProjectShare) -> ProjectShare:
    return ProjectShare(
        weight=message.weight if message.HasField("weight") else 1.0,
        limit=message.limit if message.HasField("limit") else None,
        namespace_limit=message.namespace_limit if message.HasField("namespace_limit") else None,
    )
