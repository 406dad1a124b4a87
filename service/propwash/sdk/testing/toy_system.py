"""A remote system in memory: its own clock, a ledger of every job, faults and delays on command."""

from __future__ import annotations

import asyncio
import enum
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

Operation: TypeAlias = Literal["submit", "describe", "lookup", "cancel", "list"]
Ending: TypeAlias = Literal["succeed", "fail", "fail_retryable"]


class ToyState(enum.Enum):
    """What the toy system calls its states."""

    ACCEPTED = "ACCEPTED"
    ACTIVE = "ACTIVE"
    GOOD = "GOOD"
    BAD = "BAD"
    PREEMPTED = "PREEMPTED"
    STOPPED = "STOPPED"

    @property
    def is_over(self) -> bool:
        """Whether the job is over."""
        return self not in (ToyState.ACCEPTED, ToyState.ACTIVE)


class ToyFault(enum.Enum):
    """What an operation can be made to do once."""

    THROTTLE = "answers 429 and does nothing"
    DOWN = "answers 503 and does nothing"
    LOSE_ANSWER = "takes effect, and the answer is lost"
    LATE = "takes effect late_s later, and the answer is lost"
    REFUSE = "answers 400 and does nothing"
    CRASH = "raises something that is no answer at all"


class ToyError(Exception):
    """An answer of the toy system that is not a success; status is in the manner of HTTP."""

    def __init__(self, status: int, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyJob:
    """A job as the toy system shows it."""

    number: int
    name: str
    owner: str
    ending: Ending
    starts_at: float
    ends_at: float
    stops_at: float | None = None
    """When an accepted cancel takes effect."""
    is_vanished: bool = False

    def state(self, now: float) -> ToyState:
        """The state at an instant."""
        if self.stops_at is not None and self.stops_at <= now and self.stops_at < self.ends_at:
            return ToyState.STOPPED
        if self.ends_at <= now:
            return {"succeed": ToyState.GOOD, "fail": ToyState.BAD, "fail_retryable": ToyState.PREEMPTED}[
                self.ending
            ]
        return ToyState.ACCEPTED if now < self.starts_at else ToyState.ACTIVE


class ToyGate:
    """Holds one operation of the asynchronous handler: reached is set when a call stands at it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Let every call pass."""
        self._opened.set()

    async def _pass(self) -> None:
        self.reached.set()
        await self._opened.wait()


@dataclass(slots=True)
class _Planned:
    fault: ToyFault
    retry_after_s: float | None
    late_s: float


@dataclass(slots=True)
class ToySystem:
    """The system. Every operation takes the key, answers at once, and may be called from any thread.

    now gives the system's time in seconds; by default it stands still until advance moves it.
    """

    key: str = "toy-key"
    now: Callable[[], float] | None = None
    has_unique_names: bool = True
    start_s: float = 0.0
    """How long a job is ACCEPTED before it is ACTIVE."""
    cancel_s: float = 0.0
    """How long a cancel takes to take effect."""
    calls: dict[str, int] = field(default_factory=dict)
    """How often each operation was called."""
    _jobs: dict[int, ToyJob] = field(default_factory=dict)
    _late: list[tuple[float, ToyJob]] = field(default_factory=list)
    _faults: dict[str, deque[_Planned]] = field(default_factory=dict)
    _any: tuple[frozenset[str], _Planned] | None = None
    _gates: dict[str, ToyGate] = field(default_factory=dict)
    _time: float = 0.0
    _count: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    async def reach(self, operation: Operation) -> None:
        """Wait at the operation's gate, where one is held; the asynchronous handler calls it first."""
        gate = self._gates.get(operation)
        if gate is not None:
            await gate._pass()

    def submit(self, key: str, *, name: str, owner: str, duration_s: float, ending: Ending) -> ToyJob:
        """Make a job; raises ToyError 409 for a name that is there, where names are unique."""
        with self._lock:
            fault = self._enter("submit", key)
            if self.has_unique_names and self._named(name):
                raise ToyError(409, f"there is a job {name}")
            starts_at = self.time() + self.start_s + (fault.late_s if fault else 0.0)
            self._count += 1
            job = ToyJob(
                number=self._count,
                name=name,
                owner=owner,
                ending=ending,
                starts_at=starts_at,
                ends_at=starts_at + duration_s,
            )
            if fault and fault.fault is ToyFault.LATE:
                self._late.append((self.time() + fault.late_s, job))
            else:
                self._jobs[job.number] = job
            self._lose(fault)
            return job

    def describe(self, key: str, *, numbers: list[int]) -> dict[int, ToyJob]:
        """Read jobs; a number that is not known is not in the answer."""
        with self._lock:
            self._lose(self._enter("describe", key))
            return {n: self._jobs[n] for n in numbers if n in self._jobs and not self._jobs[n].is_vanished}

    def lookup(self, key: str, *, name: str) -> list[ToyJob]:
        """Every job of a name, oldest first."""
        with self._lock:
            self._lose(self._enter("lookup", key))
            return self._named(name)

    def cancel(self, key: str, *, number: int) -> ToyJob:
        """Ask for a job's end, which comes cancel_s later; raises ToyError 404 for an unknown number."""
        with self._lock:
            fault = self._enter("cancel", key)
            job = self._jobs.get(number)
            if job is None or job.is_vanished:
                raise ToyError(404, f"there is no job {number}")
            if job.stops_at is None:
                job = replace(job, stops_at=self.time() + self.cancel_s)
                self._jobs[number] = job
            self._lose(fault)
            return job

    def live_of(self, key: str, *, owner: str) -> list[ToyJob]:
        """The jobs of an owner that are not over, oldest first."""
        with self._lock:
            self._lose(self._enter("list", key))
            return [job for job in self.live_jobs() if job.owner == owner]

    def time(self) -> float:
        """The system's time, in seconds."""
        return self._time if self.now is None else self.now()

    def advance(self, seconds: float) -> None:
        """Move the system's own clock on."""
        self._time += seconds

    def plan(
        self,
        operation: Operation,
        fault: ToyFault,
        *,
        times: int = 1,
        retry_after_s: float | None = None,
        late_s: float = 0.0,
    ) -> None:
        """Make the next calls of an operation go wrong."""
        queue = self._faults.setdefault(operation, deque())
        queue.extend(_Planned(fault, retry_after_s, late_s) for _ in range(times))

    def plan_any(
        self, operations: Sequence[Operation], fault: ToyFault, *, retry_after_s: float | None = None
    ) -> None:
        """Make the very next call go wrong, whichever of these operations it is."""
        self._any = (frozenset(operations), _Planned(fault, retry_after_s, 0.0))

    def hold(self, operation: Operation) -> ToyGate:
        """Make every call of an operation wait until the gate is opened."""
        gate = self._gates[operation] = ToyGate()
        return gate

    def finish(self, name: str) -> None:
        """End the live jobs of a name now, each in its own way."""
        with self._lock:
            for job in self._named(name):
                if not job.state(self.time()).is_over:
                    self._jobs[job.number] = replace(job, ends_at=self.time())

    def vanish(self, name: str) -> None:
        """Forget the jobs of a name without a trace but the ledger's."""
        with self._lock:
            for job in self._named(name):
                self._jobs[job.number] = replace(job, is_vanished=True)

    def ledger(self) -> tuple[ToyJob, ...]:
        """Every job ever made, in order."""
        with self._lock:
            self._apply_late()
            return tuple(self._jobs.values())

    def live_jobs(self, name: str | None = None) -> tuple[ToyJob, ...]:
        """The jobs that are not over, of one name or of all."""
        now = self.time()
        return tuple(
            job
            for job in self.ledger()
            if not job.is_vanished and not job.state(now).is_over and name in (None, job.name)
        )

    def _enter(self, operation: Operation, key: str) -> _Planned | None:
        self._apply_late()
        self.calls[operation] = self.calls.get(operation, 0) + 1
        if key != self.key:
            raise ToyError(401, "the key is wrong")
        queue = self._faults.get(operation)
        planned = queue.popleft() if queue else None
        if self._any is not None and operation in self._any[0]:
            planned, self._any = self._any[1], None
        match planned and planned.fault:
            case ToyFault.THROTTLE:
                assert planned is not None
                raise ToyError(429, "slow down", retry_after_s=planned.retry_after_s)
            case ToyFault.DOWN:
                raise ToyError(503, "not now")
            case ToyFault.REFUSE:
                raise ToyError(400, "not like this")
            case ToyFault.CRASH:
                raise RuntimeError("the toy broke")
            case _:
                return planned

    def _lose(self, planned: _Planned | None) -> None:
        if planned is not None:
            raise ConnectionResetError("the answer is lost")

    def _named(self, name: str) -> list[ToyJob]:
        return [job for job in self.ledger() if job.name == name and not job.is_vanished]

    def _apply_late(self) -> None:
        due = [job for at, job in self._late if at <= self.time()]
        self._late = [(at, job) for at, job in self._late if at > self.time()]
        for job in due:
            if not (self.has_unique_names and any(other.name == job.name for other in self._jobs.values())):
                self._jobs[job.number] = job
