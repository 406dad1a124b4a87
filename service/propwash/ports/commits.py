"""What is written to the store, and what a commit answers."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

from propwash.core.model import (
    Execution,
    ExecutionUid,
    Instant,
)
from propwash.ports.pools import StoredPool
from propwash.ports.records import ExecutionName, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """Store a new execution (with version 1). Duplicate where its name or (parent, request_id) is taken."""

    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Replace the execution where its stored version is expected_version; the version grows by one."""

    uid: ExecutionUid
    expected_version: int
    execution: Execution
    is_public: bool = True
    """Whether a watcher is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bury:
    """Remember an abort of a name that is not there (a tombstone). Duplicate where the name is taken."""

    name: ExecutionName
    message: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPool:
    """Store a pool, by its name. Stale where the stored version is not the one before; 1 where nothing is stored."""

    pool: StoredPool


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPool:
    """Forget a pool. Stale where its stored version is not expected_version."""

    name: str
    expected_version: int


Change: TypeAlias = Insert | Update | Bury | PutPool | DropPool
Group: TypeAlias = "tuple[Change, ...]"
"""Changes that are stored together or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The group is durable. seqs has one number a change, 0 for a change that is not public."""

    seqs: tuple[int, ...]


class DuplicateOf(enum.Enum):
    """What a new execution collides with."""

    NAME = 1
    REQUEST_ID = 2
    TOMBSTONE = 3
    """The name was aborted before it was created. existing is None, message is the abort's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """Nothing of the group is stored: the change at index collides."""

    index: int
    of: DuplicateOf
    existing: Record | None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """Nothing of the group is stored: another writer has been there."""

    index: int


CommitResult: TypeAlias = Committed | Duplicate | Stale
