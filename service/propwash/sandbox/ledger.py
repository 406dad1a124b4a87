"""The job ledger: every job that any stand-in ever created, so that a leak or a double create cannot hide."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

EXECUTION_LABEL = "propwash-execution"
ATTEMPT_LABEL = "propwash-attempt"
OWNER_LABEL = "propwash-owner"
# A remote system without labels shows the execution in the job's name alone: pw-{owner}-{uid}-{attempt}.
_NAME = re.compile(r"pw-([a-z0-9]{1,16})-([0-9a-hjkmnp-tv-z]{26})-([1-9][0-9]{0,2})")


class LedgerState(StrEnum):
    """Where a job stands. Only LIVE costs its owner money."""

    LIVE = "live"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"


_OF_A_SYSTEM = ("total", *(state.value for state in LedgerState), "created_twice")


@dataclass(slots=True, kw_only=True, eq=False)
class LedgerJob:
    """One job. Instants are seconds since the Unix epoch; ended_at is when the remote side knew the outcome."""

    number: int
    system: str
    account: str
    name: str
    parent: str | None
    owner: str | None
    execution: str | None
    attempt: str | None
    labels: Mapping[str, str]
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    state: LedgerState = LedgerState.LIVE

    def as_json(self) -> dict[str, Any]:
        """The job as the admin endpoint shows it."""
        return {
            "number": self.number,
            "system": self.system,
            "account": self.account,
            "name": self.name,
            "parent": self.parent,
            "owner": self.owner,
            "execution": self.execution,
            "attempt": self.attempt,
            "labels": dict(self.labels),
            "created_at": self.created_at,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "state": self.state.value,
        }


class Ledger:
    """Counts and remembers. A stand-in reports to it; nothing is ever taken out except by clear()."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, as at start."""
        self._jobs: list[LedgerJob] = []
        self._states: Counter[LedgerState] = Counter()
        self._systems: dict[str, Counter[str]] = {}
        self._live_names: Counter[tuple[str, str, str]] = Counter()
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._live_executions: Counter[str] = Counter()
        self._overlapping: set[str] = set()
        self._requests: dict[str, dict[str, Counter[str]]] = {}
        self._faults: Counter[str] = Counter()
        self._created_twice = 0
        self._duplicate_requests = 0
        self._children = 0
        self._peak_live = 0

    def created(
        self,
        *,
        system: str,
        account: str,
        name: str,
        labels: Mapping[str, str],
        at: float,
        parent: str | None = None,
    ) -> LedgerJob:
        """Enter a job that now exists. A child of another job is no create of its own, so it counts as live only."""
        named = _NAME.fullmatch(name)
        job = LedgerJob(
            number=len(self._jobs) + 1,
            system=system,
            account=account,
            name=name,
            parent=parent,
            owner=labels.get(OWNER_LABEL) or (named[1] if named else None),
            execution=labels.get(EXECUTION_LABEL) or (named[2] if named else None),
            attempt=labels.get(ATTEMPT_LABEL) or (named[3] if named else None),
            labels=labels,
            created_at=at,
        )
        self._jobs.append(job)
        self._states[LedgerState.LIVE] += 1
        of_system = self._systems.setdefault(system, Counter())
        of_system.update(("total", LedgerState.LIVE.value))
        self._peak_live = max(self._peak_live, self._states[LedgerState.LIVE])
        if parent is not None:
            self._children += 1
            return job
        twice = self._live_names[system, account, name] > 0
        self._live_names[system, account, name] += 1
        if job.execution is not None:
            pair = (job.execution, job.attempt or "")
            twice = twice or self._attempts[pair] > 0
            self._attempts[pair] += 1
            self._live_executions[job.execution] += 1
            if self._live_executions[job.execution] > 1:
                self._overlapping.add(job.execution)
        self._created_twice += twice
        of_system["created_twice"] += twice
        return job

    def started(self, job: LedgerJob, *, at: float) -> None:
        """The job began to run."""
        job.started_at = at

    def ended(self, job: LedgerJob, *, state: LedgerState, at: float) -> None:
        """The job is over. Only the first ending counts."""
        if job.state is not LedgerState.LIVE:
            return
        job.state, job.ended_at = state, at
        self._states[LedgerState.LIVE] -= 1
        self._states[state] += 1
        self._systems[job.system][LedgerState.LIVE.value] -= 1
        self._systems[job.system][state.value] += 1
        if job.parent is not None:
            return
        self._live_names[job.system, job.account, job.name] -= 1
        if job.execution is not None:
            self._live_executions[job.execution] -= 1

    def live(self, system: str) -> int:
        """How many jobs of the system are live."""
        figures = self._systems.get(system)
        return 0 if figures is None else figures[LedgerState.LIVE.value]

    def duplicate_request(self) -> None:
        """A create was refused because its id exists: proof that the system's ids did their work."""
        self._duplicate_requests += 1

    def request(self, *, system: str, method: str, code: str) -> None:
        """A request was answered with an HTTP code, or with a word such as "dropped" where no answer was sent."""
        self._requests.setdefault(system, {}).setdefault(method, Counter())[code] += 1

    def fault(self, kind: str) -> None:
        """A fault was injected."""
        self._faults[kind] += 1

    @property
    def jobs(self) -> list[LedgerJob]:
        """Every job in the order of creation; not to be changed by the caller."""
        return self._jobs

    def summary(self) -> dict[str, Any]:
        """The figures as the admin endpoint shows them."""
        return {
            "total": len(self._jobs),
            **{state.value: self._states[state] for state in LedgerState},
            "children": self._children,
            "peak_live": self._peak_live,
            "created_twice": self._created_twice,
            "duplicate_requests": self._duplicate_requests,
            "overlapping": len(self._overlapping),
            "overlapping_executions": sorted(self._overlapping)[:100],
            "systems": {
                system: {name: figures[name] for name in _OF_A_SYSTEM}
                for system, figures in sorted(self._systems.items())
            },
            "requests": {
                system: {method: dict(codes) for method, codes in sorted(methods.items())}
                for system, methods in sorted(self._requests.items())
            },
            "faults": dict(self._faults),
        }

    def page(self, *, after: int, size: int, wanted: Mapping[str, str]) -> tuple[list[LedgerJob], int | None]:
        """Up to size jobs numbered above after whose fields equal those wanted, and the number to go on from."""
        found: list[LedgerJob] = []
        for job in self._matching(after, wanted):
            if len(found) == size:
                return found, found[-1].number
            found.append(job)
        return found, None

    def _matching(self, after: int, wanted: Mapping[str, str]) -> Iterator[LedgerJob]:
        for index in range(after, len(self._jobs)):
            job = self._jobs[index]
            if all(getattr(job, field) == value for field, value in wanted.items()):
                yield job
