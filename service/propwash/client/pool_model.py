"""Pools as the client gives and takes them: frozen values with Python fields, named as in propwash.v1."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass

from propwash.client.model import Phase


class PoolOrigin(enum.StrEnum):
    """Where a pool's definition comes from; propwash.v1.PoolOrigin documents each."""

    UNSPECIFIED = "UNSPECIFIED"
    CONFIGURED = "CONFIGURED"
    CREATED = "CREATED"
    TEMPLATE = "TEMPLATE"


class PoolState(enum.StrEnum):
    """Whether a pool is granted from."""

    UNSPECIFIED = "UNSPECIFIED"
    ACTIVE = "ACTIVE"
    REMOVED = "REMOVED"


class PoolBlock(enum.StrEnum):
    """Why a claim is not granted now; propwash.v1.PoolBlock documents each."""

    UNSPECIFIED = "UNSPECIFIED"
    CAPACITY = "CAPACITY"
    TURN = "TURN"
    PROJECT_LIMIT = "PROJECT_LIMIT"
    NAMESPACE_LIMIT = "NAMESPACE_LIMIT"
    OTHER_POOL = "OTHER_POOL"
    TOO_LARGE = "TOO_LARGE"
    REMOVED = "REMOVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectShare:
    """What one project may have of a pool; limits are units that it may hold at once, None is no limit."""

    weight: float = 1.0
    limit: int | None = None
    namespace_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectUsage:
    """What one project has of a pool, in units; waiting are executions."""

    project: str
    share: ProjectShare
    held: int
    nominal: float
    borrowed: float
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool as the server last told, in units; holders and waiting are executions. Lists have no project_usages."""

    name: str
    capacity: int
    default_share: ProjectShare
    projects: Mapping[str, ProjectShare]
    description: str
    origin: PoolOrigin
    template: str
    state: PoolState
    occupied: int
    lent: int
    free: int
    reserved: int
    holders: int
    waiting: int
    oldest_wait_start_time: dt.datetime | None
    granted_total: int
    project_usages: tuple[ProjectUsage, ...]
    create_time: dt.datetime | None
    update_time: dt.datetime | None
    etag: str

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.partition("/")[2]

    @property
    def is_template(self) -> bool:
        """Whether it stands for pools to be, and is none itself."""
        return self.name.endswith("*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHolder:
    """An execution that holds units of a pool."""

    execution: str
    attempt: int
    phase: Phase
    units: int
    priority: int
    grant_time: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWaiter:
    """An execution that waits for units of a pool; limit is the one that it has met, where it is one that blocks it."""

    execution: str
    attempt: int
    units: int
    priority: int
    wait_start_time: dt.datetime | None
    position: int
    block: PoolBlock
    limit: int | None
    message: str
