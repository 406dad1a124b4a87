"""The store: durable state behind one port, and what it says when it cannot serve."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from propwash.core.model import (
    ExecutionUid,
    Instant,
)
from propwash.ports.commits import (
    CommitResult,
    Group,
)
from propwash.ports.pools import StoredPool
from propwash.ports.queries import (
    ChangePage,
    Filter,
    Position,
    Scope,
    SnapshotPart,
)
from propwash.ports.records import ExecutionName, Record


class StoreError(Exception):
    """The store cannot serve; the message is one clear line for the operator."""


class StoreNotWritable(StoreError):
    """The data directory cannot be written to."""


class StoreLocked(StoreError):
    """Another process has the store open."""


class StoreTooNew(StoreError):
    """The schema is newer than this program knows."""


class StoreCorrupt(StoreError):
    """The file is not a store, or is damaged."""


class StoreUnavailable(StoreError):
    """The store cannot take this commit now (full disk, I/O error); nothing of it is stored. May pass."""


class Store(Protocol):
    """Durable state: one conformance suite, several adapters. Readers are never blocked by the writer."""

    @property
    def owner(self) -> str:
        """The installation's owner id, 8 of [a-z0-9], made once and kept with the data."""

    @property
    def term(self) -> int:
        """Grows with every opening; every write carries it, and a write with an old one is refused as Stale."""

    async def open(self) -> None:
        """Open or create; raises a StoreError with one clear line, and then leaves the data untouched."""

    async def close(self) -> None:
        """Finish what is being written and close; may be called twice."""

    async def commit(self, groups: Sequence[Group], *, at: Instant) -> Sequence[CommitResult]:
        """Store all groups in one transaction, one result a group. Raises StoreUnavailable where nothing was stored."""

    async def get(self, names: Sequence[ExecutionName]) -> Sequence[Record | None]:
        """Read by name."""

    async def get_by_uid(self, uids: Sequence[ExecutionUid]) -> Sequence[Record | None]:
        """Read by uid."""

    async def get_by_request_id(self, *, project: str, domain: str, request_id: str) -> Record | None:
        """Read by idempotency key."""

    async def list(
        self, scope: Scope, *, where: Filter | None, after: Position | None, limit: int
    ) -> Sequence[Record]:
        """Read a page, newest first."""

    async def load_pools(self) -> Sequence[StoredPool]:
        """Every stored pool, by name."""

    def load_active(self) -> AsyncIterator[Sequence[Record]]:
        """Every record that is not terminal, in parts, oldest first."""

    def snapshot(self, scope: Scope, *, names: Sequence[ExecutionName] = ()) -> AsyncIterator[SnapshotPart]:
        """A consistent view; at least one part, even when there are no records."""

    async def read_changes(
        self, scope: Scope, *, after: int, limit: int, names: Sequence[ExecutionName] = ()
    ) -> ChangePage:
        """Public changes after a sequence number; raises Compacted where they are no longer all there."""

    async def last_seq(self) -> int:
        """The newest sequence number."""

    async def purge(self, *, ended_before: Instant, changes_before: Instant, limit: int) -> int:
        """Forget up to limit executions that ended before, and changes committed before; how many were forgotten."""
