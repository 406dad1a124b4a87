"""What the engine offers of its pools: to see them, and to change them while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from propwash.core.model import Instant, Phase
from propwash.core.pool import Place, PoolSpec, PoolView, ProjectView
from propwash.ports.records import ExecutionName


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPool:
    """A pool as stored: one that was made over the API, or what the API changed of one of the configuration's."""

    spec: PoolSpec
    version: int
    """Grows by one with every stored change; 1 at creation."""
    configured: bytes = b""
    """The digest of the configuration's definition that this replaces; empty where it has none. A configuration that
    was changed since goes before it."""
    created_at: Instant = 0.0
    updated_at: Instant = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """A pool now."""

    spec: PoolSpec
    version: int
    """0 for one of the configuration's that the API never changed, and for one that was made after a template."""
    is_configured: bool
    """Whether the configuration names it, so that the API can change it and not remove it."""
    view: PoolView
    projects: tuple[ProjectView, ...]
    """Those that hold or want units, or are named in the spec; by name."""
    created_at: Instant | None
    updated_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHolder:
    """An execution that holds units of a pool."""

    name: ExecutionName
    attempt: int
    phase: Phase
    units: int
    priority: int
    since: Instant
    """When they were granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWaiter:
    """An execution that waits for units of a pool."""

    name: ExecutionName
    attempt: int
    priority: int
    since: Instant
    place: Place


class NoSuchPool(Exception):
    """There is no pool of that name."""


class PoolExists(Exception):
    """There is one of that name."""


class PoolConflict(Exception):
    """It was changed since it was read: its version is another."""


class PoolConfigured(Exception):
    """It stands in the configuration, and is removed there."""


class PoolInUse(Exception):
    """Executions hold it or wait for it, and force was not given."""

    def __init__(self, name: str, *, holders: int, waiting: int) -> None:
        super().__init__(f"pool {name} is held by {holders} executions and {waiting} wait for it")
        self.name = name
        self.holders = holders
        self.waiting = waiting


class Pools(Protocol):
    """Every change is durable before it is answered, and holds from then on: what it sets free is granted at once."""

    def all(self) -> Sequence[PoolStatus]:
        """Every pool and template, by name."""

    def one(self, name: str) -> PoolStatus:
        """One pool. Raises NoSuchPool."""

    def holders(self, name: str) -> Sequence[PoolHolder]:
        """Who holds units, longest first. Raises NoSuchPool."""

    def waiters(self, name: str) -> Sequence[PoolWaiter]:
        """Who waits, in the order in which they would be granted. Raises NoSuchPool."""

    async def create(self, spec: PoolSpec) -> PoolStatus:
        """Make a pool or a template. Raises PoolExists or NotAccepting. One that was removed and is still held is taken
        up again."""

    async def update(self, spec: PoolSpec, *, version: int | None) -> PoolStatus:
        """Replace its definition. Below the occupancy nobody is admitted until it has sunk; nothing that runs is ended.

        version is that of the status that the change is based on; None is any. Raises NoSuchPool, PoolConflict or
        NotAccepting.
        """

    async def remove(self, name: str, *, force: bool, version: int | None) -> PoolStatus | None:
        """Remove a pool. With force also one that is in use: who holds it goes on to the end, who waits for it goes on
        waiting, until it is created anew, its deadline has come or it is aborted. None where nothing is left of it.

        Raises NoSuchPool, PoolConflict, PoolConfigured, PoolInUse or NotAccepting.
        """
