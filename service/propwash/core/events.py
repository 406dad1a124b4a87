"""What can happen to an execution: facts, in the past tense. Every reply names the attempt that it answers."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

from propwash.core.model import Fault, Instant, Observation


class Verb(enum.Enum):
    """The kinds of remote effect; with execution and attempt, the key of an effect in flight."""

    CREATE = "create"
    FIND = "find"
    OBSERVE = "observe"
    DELETE = "delete"


class Deletion(enum.Enum):
    """What a delete found."""

    GONE = 1
    """The job is over: it ended, or was cancelled and the remote system says so."""
    ABSENT = 2
    """The remote system knows no such job. A create that is still under way could yet make one."""
    PENDING = 3
    """The remote system accepted the wish; the job is not over yet."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The row was loaded by a process that does not know what was in flight for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The pools have granted all claims, in the same commit as this event."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hinted:
    """Somebody said that the remote job may be over, or there: nothing but a reason to ask soon. It may be wrong."""

    attempt: int | None = None
    """None where it was said of the execution, whichever attempt that is at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortRequested:
    """The user wants the execution to end."""

    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The remote system told of the job, as the answer to a create."""

    attempt: int
    meta: bytes
    observation: Observation
    asked_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """The create was not sent after all: it was no longer wanted when its turn came."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A look-up by name found the job."""

    attempt: int
    meta: bytes
    observation: Observation
    asked_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundNothing:
    """A look-up by name, asked at asked_at, found no job."""

    attempt: int
    asked_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The remote system said how the job is."""

    attempt: int
    observation: Observation
    asked_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """The remote system, asked at asked_at, said that it knows no such job."""

    attempt: int
    asked_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A delete, asked at asked_at, was answered."""

    attempt: int
    deletion: Deletion
    asked_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulted:
    """A call gave no usable answer; a lost answer is one of kind UNAVAILABLE."""

    attempt: int
    verb: Verb
    fault: Fault
    asked_at: Instant


Event: TypeAlias = (
    Ticked
    | Resumed
    | Granted
    | AbortRequested
    | Hinted
    | Created
    | Unsent
    | Found
    | FoundNothing
    | Observed
    | Missed
    | Deleted
    | Faulted
)
