"""Admission: how many executions may be in, and how many of one project may queue.

A Census is an index over rows, as the ledger of pools is: it knows of each execution that is not terminal whether it is
in, and whether it queues, which it does until an attempt is granted what it claims. It is told of an execution as often
as anybody likes, and ``audit`` compares it with the rows.

Who comes in counts as queued, also where nothing would keep it waiting: a project whose queue may have no member takes
nothing. How long until there is room again is estimated from how many have left lately. Where none has left since the
queue began, it is as long again, so that who is turned away again and again comes ever less often.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from propwash.core.backoff import fraction
from propwash.core.model import Done, Execution, ExecutionUid, Instant, Queued, Waiting

SOONEST_S = 1.0
LATEST_S = 60.0
"""The shortest and the longest time after which another try is advised."""
_MEMORY_S = 30.0
"""How far back what has left is remembered; it fades."""
_JITTER = 0.25
_MOST_FLOWS = 4096
"""Projects whose pace is remembered; clients choose their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLimits:
    """What a project has of its own in place of what is for all."""

    max_queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """How many executions may be in; 0 lets nothing in. Raises ValueError for a negative number."""

    max_active: int = 200_000
    """Executions that are not terminal, of all projects: what bounds the server's memory."""
    max_queued_per_project: int = 50_000
    """Executions of one project that are not granted their pools yet."""
    projects: Mapping[str, ProjectLimits] = field(default_factory=dict)
    """Projects that may have more in their queue, or less."""

    def __post_init__(self) -> None:
        numbers = {"max_active": self.max_active, "max_queued_per_project": self.max_queued_per_project}
        numbers |= {f"projects.{name}.max_queued": one.max_queued for name, one in self.projects.items()}
        for name, number in numbers.items():
            if number < 0:
                raise ValueError(f"{name} must not be negative, not {number}")

    def max_queued(self, project: str) -> int:
        """How many of the project may be in its queue."""
        own = self.projects.get(project)
        return self.max_queued_per_project if own is None else own.max_queued


class Limit(enum.Enum):
    """The limits; the value is the reason that a client is told."""

    PROJECT_QUEUE = "PROJECT_QUEUE_FULL"
    ACTIVE = "TOO_MANY_EXECUTIONS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """Why what comes may not come in."""

    limit: Limit
    project: str
    """Empty where the limit is not a project's."""
    most: int
    count: int
    """How many are in."""
    arriving: int
    """How many want to come in together."""
    retry_after_s: float | None
    """When there may be room; None where there never is, as more come together than may be in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How many have left lately: a count that fades."""

    since: Instant
    at: Instant
    level: float = 0.0

    def plus_one(self, now: Instant) -> Flow:
        """After one more has left."""
        return Flow(since=self.since, at=now, level=self._faded(now) + 1.0)

    def per_s(self, now: Instant) -> float:
        """How many leave a second, as if one left now."""
        seen_s = max(now - self.since, SOONEST_S)
        return (self._faded(now) + 1.0) / (_MEMORY_S * (1.0 - math.exp(-seen_s / _MEMORY_S)))

    def resumed(self, now: Instant) -> Flow:
        """After the first has come into what was empty; what is all but forgotten tells nothing of it."""
        return self if self._faded(now) >= 1.0 else Flow(since=now, at=now)

    def _faded(self, now: Instant) -> float:
        return self.level * math.exp(-max(now - self.at, 0.0) / _MEMORY_S)


_NO_FLOW = Flow(since=-math.inf, at=-math.inf)


def room_for(
    limit: Limit, *, most: int, count: int, arriving: int, leaving_per_s: float, project: str = "", key: str
) -> Full | None:
    """None where so many may come in, all together, else why not.

    leaving_per_s is more than 0, as Flow tells it; key spreads those who are told to come again.
    """
    missing = count + arriving - most
    if missing <= 0 or arriving == 0:
        return None
    return Full(
        limit=limit,
        project=project,
        most=most,
        count=count,
        arriving=arriving,
        retry_after_s=None if arriving > most else _retry_after_s(missing, leaving_per_s, key),
    )


def _retry_after_s(missing: int, leaving_per_s: float, key: str) -> float:
    longest_s = LATEST_S / (1.0 + _JITTER)
    wait_s = missing / leaving_per_s if leaving_per_s > 0.0 else longest_s
    return min(longest_s, max(SOONEST_S, wait_s)) * (1.0 + _JITTER * fraction(key))


class Census:
    """Who is in and who queues. Every method but audit takes the same time however many there are."""

    def __init__(self) -> None:
        self._active: set[ExecutionUid] = set()
        self._queued: dict[str, set[ExecutionUid]] = {}
        self._left: dict[str, Flow] = {}
        """How many have left each project's queue; the project that was longest without one goes first."""
        self._ended = _NO_FLOW
        self._all_queued = 0

    @property
    def active(self) -> int:
        """How many are in."""
        return len(self._active)

    @property
    def queued(self) -> int:
        """How many queue, of all projects."""
        return self._all_queued

    def queued_of(self, project: str) -> int:
        """How many of a project queue."""
        return len(self._queued.get(project, ()))

    def note(self, execution: Execution, now: Instant) -> None:
        """Put an execution where it is now."""
        uid, project = execution.uid, execution.plan.project
        match execution.state:
            case Queued() | Waiting():
                self._activate(uid, now)
                self._enqueue(uid, project, now)
            case Done():
                self._dequeue(uid, project, now)
                if uid in self._active:
                    self._active.discard(uid)
                    self._ended = self._ended.plus_one(now)
            case _:
                self._activate(uid, now)
                self._dequeue(uid, project, now)

    def forget(self, execution: Execution) -> None:
        """Have an execution nowhere, as if it had never come."""
        self._active.discard(execution.uid)
        self._take_out(execution.uid, execution.plan.project)

    def full(
        self, limits: AdmissionLimits, *, arriving: Mapping[str, int], active: int, key: str, now: Instant
    ) -> Full | None:
        """Which limit keeps out what would come in together; None where all may.

        arriving is how many each project's queue would get, active how many more would be in; see room_for for the key.
        """
        for project, count in arriving.items():
            found = room_for(
                Limit.PROJECT_QUEUE,
                most=limits.max_queued(project),
                count=self.queued_of(project),
                arriving=count,
                leaving_per_s=self._left.get(project, _NO_FLOW).per_s(now),
                project=project,
                key=key,
            )
            if found is not None:
                return found
        return room_for(
            Limit.ACTIVE,
            most=limits.max_active,
            count=self.active,
            arriving=active,
            leaving_per_s=self._ended.per_s(now),
            key=key,
        )

    def audit(self, executions: Iterable[Execution]) -> tuple[str, ...]:
        """Every difference between this index and the rows; empty when all is well."""
        rows = Census()
        for execution in executions:
            rows.note(execution, 0.0)
        faults = []
        if self._active != rows._active:
            faults.append(f"active: {sorted(self._active)} but rows say {sorted(rows._active)}")
        if self._queued != rows._queued:
            faults.append(f"queued: {self._queued} but rows say {rows._queued}")
        if self._all_queued != sum(map(len, rows._queued.values())):
            faults.append(f"queued in all: {self._all_queued} but rows say {rows._queued}")
        return tuple(faults)

    def _activate(self, uid: ExecutionUid, now: Instant) -> None:
        if not self._active:
            self._ended = self._ended.resumed(now)
        self._active.add(uid)

    def _enqueue(self, uid: ExecutionUid, project: str, now: Instant) -> None:
        members = self._queued.get(project)
        if members is None:
            members = self._queued[project] = set()
            self._remember(project, self._left.get(project, _NO_FLOW).resumed(now))
        self._all_queued += uid not in members
        members.add(uid)

    def _dequeue(self, uid: ExecutionUid, project: str, now: Instant) -> None:
        if self._take_out(uid, project):
            self._remember(project, self._left.get(project, Flow(since=now, at=now)).plus_one(now))

    def _remember(self, project: str, flow: Flow) -> None:
        self._left.pop(project, None)
        self._left[project] = flow
        if len(self._left) > _MOST_FLOWS:
            del self._left[next(iter(self._left))]

    def _take_out(self, uid: ExecutionUid, project: str) -> bool:
        members = self._queued.get(project)
        if members is None or uid not in members:
            return False
        members.discard(uid)
        self._all_queued -= 1
        if not members:
            del self._queued[project]
        return True
