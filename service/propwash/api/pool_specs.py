"""What a client gives of a pool, checked field by field and turned into a definition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from propwash.api.errors import invalid
from propwash.api.names import PART_RULE, is_part
from propwash.api.reasons import Reason
from propwash.core.pool import PoolSpec, ProjectShare
from propwash.pb.v1 import pool_service_pb2 as pb

MOST_PROJECTS = 1000
LONGEST_DESCRIPTION = 1024
FIELDS = ("capacity", "default_share", "projects", "description")
"""What a mask may name."""
_ALL = "*"
_SHARE_FIELDS = ("weight", "limit", "namespace_limit")
_SHOWN_CHARS = 63
_T = TypeVar("_T")


def spec_of(name: str, message: pb.Pool) -> PoolSpec:
    """The definition of a new pool; raises ApiError with the first faulty field."""
    return _changed(PoolSpec(name=name, capacity=0), message, frozenset(FIELDS))


def changed(spec: PoolSpec, request: pb.UpdatePoolRequest) -> PoolSpec:
    """The definition with the fields that the request's mask names; raises ApiError with the first faulty field."""
    return _changed(spec, request.pool, _paths(request))


def _changed(spec: PoolSpec, message: pb.Pool, paths: frozenset[str]) -> PoolSpec:
    capacity, share, projects = spec.capacity, spec.share, dict(spec.projects)
    if "capacity" in paths:
        if not message.HasField("capacity"):
            raise invalid("pool.capacity", "is required", Reason.FIELD_REQUIRED)
        capacity = message.capacity
    if "default_share" in paths:
        share = _share(message.default_share, "pool.default_share")
    elif below := paths.intersection(f"default_share.{field}" for field in _SHARE_FIELDS):
        share = _share_with(share, message.default_share, below)
    if "projects" in paths:
        projects = _shares(message.projects, message.projects)
    elif named := {path.partition(".")[2] for path in paths if path.startswith("projects.")}:
        given = named.intersection(message.projects)
        projects = {name: kept for name, kept in projects.items() if name not in named}
        projects |= _shares(message.projects, given)
    if len(projects) > MOST_PROJECTS:
        raise invalid("pool.projects", f"at most {MOST_PROJECTS} projects, not {len(projects)}")
    description = message.description if "description" in paths else spec.description
    if len(description) > LONGEST_DESCRIPTION:
        raise invalid("pool.description", f"at most {LONGEST_DESCRIPTION} characters")
    return _checked(
        "pool",
        lambda: PoolSpec(
            name=spec.name, capacity=capacity, share=share, projects=projects, description=description
        ),
    )


def _paths(request: pb.UpdatePoolRequest) -> frozenset[str]:
    given, pool = tuple(request.update_mask.paths), request.pool
    if _ALL in given:
        if len(given) > 1:
            raise invalid("update_mask", f"{_ALL} stands for all fields, and so it stands alone")
        return frozenset(FIELDS)
    if not given:
        is_set = {
            "capacity": pool.HasField("capacity"),
            "default_share": pool.HasField("default_share"),
            "projects": bool(pool.projects),
            "description": bool(pool.description),
        }
        given = tuple(field for field in FIELDS if is_set[field])
        if not given:
            raise invalid(
                "update_mask", "names no field, and the pool sets none to change", Reason.FIELD_REQUIRED
            )
    for path in given:
        if not _is_known(path):
            known = ", ".join((*FIELDS, *(f"default_share.{field}" for field in _SHARE_FIELDS)))
            raise invalid(
                "update_mask", f"{path[:200]!r} cannot be changed; there are {known} and projects.PROJECT"
            )
    return frozenset(given)


def _is_known(path: str) -> bool:
    field, _, below = path.partition(".")
    match field:
        case "default_share" if below:
            return below in _SHARE_FIELDS
        case "projects" if below:
            return is_part(below)
        case _:
            return path in FIELDS


def _shares(messages: Mapping[str, pb.ProjectShare], names: Iterable[str]) -> dict[str, ProjectShare]:
    shares: dict[str, ProjectShare] = {}
    for name in sorted(names):
        path = f"pool.projects.{name[:_SHOWN_CHARS]}"
        if not is_part(name):
            raise invalid(path, f"a project is {PART_RULE}", Reason.NAME_MALFORMED)
        shares[name] = _share(messages[name], path)
    return shares


def _share(message: pb.ProjectShare, path: str) -> ProjectShare:
    return _checked(
        path,
        lambda: ProjectShare(
            weight=message.weight if message.HasField("weight") else 1.0,
            limit=message.limit if message.HasField("limit") else None,
            namespace_limit=message.namespace_limit if message.HasField("namespace_limit") else None,
        ),
    )


def _share_with(share: ProjectShare, message: pb.ProjectShare, paths: frozenset[str]) -> ProjectShare:
    given = _share(message, "pool.default_share")
    if "default_share.weight" in paths:
        share = replace(share, weight=given.weight)
    if "default_share.limit" in paths:
        share = replace(share, limit=given.limit)
    if "default_share.namespace_limit" in paths:
        share = replace(share, namespace_limit=given.namespace_limit)
    return share


def _checked(path: str, make: Callable[[], _T]) -> _T:
    try:
        return make()
    except ValueError as error:
        # The core names the field first, and then what was expected.
        field, _, rule = str(error).partition(" ")
        raise invalid(f"{path}.{field}", rule) from None
