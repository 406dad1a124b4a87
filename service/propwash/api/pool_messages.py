"""Pools, their holders and their waiters as the client sees them."""

from __future__ import annotations

from propwash.api.digests import digest_of
from propwash.api.names import pool_resource
from propwash.api.values import fill_instant
from propwash.api.waits import place_message
from propwash.core.model import Phase
from propwash.core.pool import Block, ProjectShare
from propwash.pb.v1 import execution_pb2
from propwash.pb.v1 import pool_service_pb2 as pb
from propwash.ports import PoolHolder, PoolStatus, PoolWaiter
from propwash.sdk.handler import Value

_BLOCKS = {block: pb.PoolBlock.Value(f"POOL_BLOCK_{block.name}") for block in Block}
_PHASES = {phase: execution_pb2.Phase.Value(f"PHASE_{phase.name}") for phase in Phase}


def pool_message(status: PoolStatus, *, with_projects: bool = True) -> pb.Pool:
    """The whole resource, or without what each project has."""
    spec, view = status.spec, status.view
    made = pb.Pool(
        name=pool_resource(spec.name),
        capacity=spec.capacity,
        default_share=_share(spec.share),
        projects={project: _share(share) for project, share in spec.projects.items()},
        description=spec.description,
        origin=_origin(status),
        template=pool_resource(view.template) if view.template else "",
        state=pb.POOL_STATE_REMOVED if view.is_removed else pb.POOL_STATE_ACTIVE,
        occupied=view.occupied,
        lent=view.lent,
        free=max(0, spec.capacity - view.occupied),
        reserved=view.reserved,
        holders=view.holders,
        waiting=view.waiting,
        granted_total=view.granted,
        etag=etag_of(status),
    )
    if view.oldest_since is not None:
        fill_instant(made.oldest_wait_start_time, view.oldest_since)
    if status.created_at is not None:
        fill_instant(made.create_time, status.created_at)
    if status.updated_at is not None:
        fill_instant(made.update_time, status.updated_at)
    if with_projects:
        for project in status.projects:
            made.project_usages.add(
                project=project.project,
                share=_share(project.share),
                held=project.held,
                nominal=project.nominal,
                borrowed=project.borrowed,
                waiting=project.waiting,
            )
    return made


def forgotten(name: str) -> pb.Pool:
    """The answer to a delete that left nothing of the pool."""
    return pb.Pool(name=pool_resource(name), state=pb.POOL_STATE_REMOVED)


def etag_of(status: PoolStatus) -> str:
    """Another one for every definition: also for one that was created anew, or changed in the configuration."""
    spec = status.spec
    told: list[Value] = [
        spec.name,
        status.created_at,
        spec.capacity,
        spec.description,
    ]
    told += [_told(spec.share), {project: _told(share) for project, share in spec.projects.items()}]
    return f"{status.version}.{digest_of(told)[:8].hex()}"


def holder_message(holder: PoolHolder) -> pb.PoolHolder:
    """One that holds units."""
    made = pb.PoolHolder(
        execution=str(holder.name),
        attempt=holder.attempt,
        phase=_PHASES[holder.phase],
        units=holder.units,
        priority=holder.priority,
    )
    fill_instant(made.grant_time, holder.since)
    return made


def waiter_message(waiter: PoolWaiter) -> pb.PoolWaiter:
    """One that waits."""
    place = waiter.place
    made = pb.PoolWaiter(
        execution=str(waiter.name),
        attempt=waiter.attempt,
        units=place.units,
        priority=waiter.priority,
        position=place.position,
        block=_BLOCKS[place.block],
        limit=place.limit,
        message=place_message(place),
    )
    fill_instant(made.wait_start_time, waiter.since)
    return made


def _origin(status: PoolStatus) -> pb.PoolOrigin.ValueType:
    if status.is_configured:
        return pb.POOL_ORIGIN_CONFIGURED
    return pb.POOL_ORIGIN_TEMPLATE if status.view.template else pb.POOL_ORIGIN_CREATED


def _share(share: ProjectShare) -> pb.ProjectShare:
    return pb.ProjectShare(weight=share.weight, limit=share.limit, namespace_limit=share.namespace_limit)


def _told(share: ProjectShare) -> list[Value]:
    return [share.weight, share.limit, share.namespace_limit]
