"""What the store is asked: which executions, after what, and where from."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

from propwash.core.model import (
    ExecutionUid,
    Instant,
    Phase,
)
from propwash.ports.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which executions a list or a watch is about; None stands for any."""

    project: str | None = None
    domain: str | None = None


class Comparator(enum.Enum):
    """How a comparison compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One field against one value.

    field is one of phase (value Phase), task_type, connection, reason (str), attempt (int), create_time, update_time,
    end_time (Instant), or labels.KEY (str). A label or end time that is not there equals nothing.
    """

    field: str
    comparator: Comparator
    value: str | int | float | Phase


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter


Filter: TypeAlias = Comparison | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a list page ended: newest first, by creation and uid."""

    created_at: Instant
    uid: ExecutionUid


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChange:
    """One public change, in the order of commits."""

    seq: int
    committed_at: Instant
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Changes after a sequence number."""

    changes: tuple[StoredChange, ...]
    last_seq: int
    """Everything up to here was considered, whether or not it is in scope."""


class Compacted(Exception):
    """The changes after the given sequence number are no longer all there: begin with a fresh snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPart:
    """A part of a consistent view; seq is the same in all parts: changes after it are not in the snapshot."""

    seq: int
    records: tuple[Record, ...]
