"""What the engine offers to the API."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from propwash.core.admission import Full
from propwash.core.model import Link, Policy
from propwash.core.overload import Measure
from propwash.ports.commits import (
    DuplicateOf,
)
from propwash.ports.records import ExecutionName, Record, TaskRequest
from propwash.ports.waits import Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedJob:
    """A remote job that runs already and that another service began: it is watched and ended, never created. It holds
    no tokens, as none were asked for when it began.
    """

    meta: bytes
    links: tuple[Link, ...] = ()


class HeldBy(enum.Enum):
    """Which limits hold for what comes in."""

    ALL = 1
    """That of its project's queue, and those of the server."""
    SERVER = 2
    """Those of the server: its caller would take a full queue for a failure of the task, as Flyte does."""
    NOTHING = 3
    """None: it is taken over from another service, which has begun it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An execution that a client asks for."""

    name: ExecutionName
    request: TaskRequest
    policy: Policy
    priority: int = 0
    """Who waits for a pool with a higher one is served first; -1000 to 1000."""
    adopts: AdoptedJob | None = None
    connection: str = ""
    """What the plan has in place of the request's: one that the host derived from it for secrets of this task."""
    held_by: HeldBy = HeldBy.ALL


class AlreadyExists(Exception):
    """A draft collides: its name is taken, or its request id was used with another body.

    existing is what is there; differences are the paths of the fields that differ.
    """

    def __init__(self, index: int, of: DuplicateOf, existing: Record, differences: Sequence[str]) -> None:
        super().__init__(
            f"{existing.name} exists and differs in: {', '.join(differences) or 'its name alone'}"
        )
        self.index = index
        self.of = of
        self.existing = existing
        self.differences = tuple(differences)


class Hearing(enum.Enum):
    """What became of a completion hint."""

    HEARD = 1
    """The execution is under way: it is asked for as soon as its pace and the budget allow."""
    ENDED = 2
    """There is nothing to do: the execution, or the attempt that the remote name is of, is over."""
    UNKNOWN = 3
    """No such execution is here; a remote name may be another installation's."""


class NoSuchExecution(Exception):
    """There is no execution of that name."""


class AlreadyEnded(Exception):
    """The execution is terminal and was not ended by an abort."""

    def __init__(self, record: Record) -> None:
        super().__init__(f"{record.name} is {record.execution.phase.name}")
        self.record = record


class NotAccepting(Exception):
    """The engine takes nothing new now: it drains, starts, or its store does not take commits. Safe to repeat."""


class Overloaded(NotAccepting):
    """The engine is behind with its work and takes nothing new until it has caught up. Safe to repeat."""

    def __init__(
        self, message: str, *, measure: Measure, value: float, limit: float, retry_after_s: float
    ) -> None:
        super().__init__(message)
        self.measure = measure
        self.value = value
        self.limit = limit
        self.retry_after_s = retry_after_s


class LimitReached(Exception):
    """As many executions are there as may be; full says which limit it is, and when to try again."""

    def __init__(self, message: str, full: Full) -> None:
        super().__init__(message)
        self.full = full


class Executions(Protocol):
    """What the engine offers to the API. Every answer is durable before it is given."""

    async def create(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        """Accept all drafts in one commit, or none; a repeat of a request id answers what is there.

        Raises Refused, AlreadyExists, LimitReached or NotAccepting.
        """

    async def validate(self, draft: Draft) -> Record:
        """Check all that create checks, with a dry run at the remote system, and store nothing.

        Raises Refused (also for what the remote system refuses), AlreadyExists, LimitReached or NotAccepting.
        """

    async def abort(self, name: ExecutionName, *, message: str, allow_missing: bool) -> Record | None:
        """Ask for the end; None where the abort was buried for a name that is not there yet.

        Raises NoSuchExecution, AlreadyEnded or NotAccepting. An abort of an aborted execution answers it.
        """

    async def hint(self, targets: Sequence[ExecutionName | str]) -> Sequence[Hearing]:
        """Have executions asked for soon, by their names or the remote names of their jobs, and say what became of each
        hint. A hint ends nothing and stores nothing. No remote system is waited for. Raises NotAccepting.
        """

    def waits(self, record: Record) -> Wait | None:
        """What an execution that was just read waits for at this moment, from memory and at once.

        None where its state tells all, where it has moved on since it was read, and where it is not known here.
        """

    async def newer_than(self, seq: int) -> int:
        """Return the newest committed sequence number as soon as it is greater than seq."""

    @property
    def is_accepting(self) -> bool:
        """Whether create is taken now."""
