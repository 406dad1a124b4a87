"""The remote system of the simulated world: jobs with names, made late, shown late, ended late."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from propwash.core.events import Deletion
from propwash.core.model import ExecutionUid, Observation, RemotePhase


class Refused(Exception):
    """The system will never make this job: its name was deleted before it came."""


class Invisible(Exception):
    """The name is taken by a job that the system does not show yet."""


@dataclass(slots=True)
class Job:
    """A job at the remote side; instants are virtual seconds."""

    uid: ExecutionUid
    attempt: int
    number: int
    visible_at: float
    starts_at: float
    ends_at: float
    ending: str
    cancelled_at: float | None = None
    cancels_ignored: int = 0
    is_vanished: bool = False

    def is_live(self, now: float) -> bool:
        """Whether it runs or will run."""
        over_at = self.ends_at if self.cancelled_at is None else min(self.ends_at, self.cancelled_at)
        return not self.is_vanished and now < over_at

    def has_ended(self, ending: str, now: float) -> bool:
        """Whether it ended so by itself."""
        was_cancelled = self.cancelled_at is not None and self.cancelled_at < self.ends_at
        return self.ending == ending and now >= self.ends_at and not was_cancelled


@dataclass(slots=True)
class Remote:
    """Jobs by (uid, attempt), which stands for the name."""

    rng: Random
    has_unique_names: bool
    remembers_deleted_names: bool
    faults: frozenset[str]
    settle_s: float
    jobs: dict[tuple[ExecutionUid, int], list[Job]] = field(default_factory=dict)
    by_number: dict[int, Job] = field(default_factory=dict)
    deleted_names: set[tuple[ExecutionUid, int]] = field(default_factory=set)
    may_live: list[Job] = field(default_factory=list)

    def create(self, uid: ExecutionUid, attempt: int, now: float) -> Job:
        """Make the job, or answer the one that has the name."""
        key = (uid, attempt)
        if key in self.deleted_names:
            raise Refused
        there = self.jobs.setdefault(key, [])
        if there and self.has_unique_names:
            if there[0].visible_at > now or there[0].is_vanished:
                raise Invisible
            return there[0]
        rng, faults = self.rng, self.faults
        lag = rng.uniform(0, self.settle_s * 0.39) if "lag" in faults and rng.random() < 0.5 else 0.0
        starts_at = now + rng.choice((0.0, 2.0, 10.0))
        endings = ["good", "good", "bad", "again"] if "failures" in faults else ["good"]
        job = Job(
            uid=uid,
            attempt=attempt,
            number=len(self.by_number) + 1,
            visible_at=now + (0.0 if self.remembers_deleted_names else lag),
            starts_at=starts_at,
            ends_at=starts_at + rng.choice((0.0, 3.0, 30.0, 90.0)),
            ending=rng.choice(endings),
            cancels_ignored=rng.choice((0, 1, 2)) if "deaf" in faults else 0,
        )
        there.append(job)
        self.by_number[job.number] = job
        self.may_live.append(job)
        return job

    def visible(self, uid: ExecutionUid, attempt: int, now: float) -> list[Job]:
        """What the system shows of a name, oldest first."""
        return [j for j in self.jobs.get((uid, attempt), ()) if j.visible_at <= now and not j.is_vanished]

    def find(self, uid: ExecutionUid, attempt: int, now: float) -> Job | None:
        """Look up as a handler does: keep the oldest, cancel the others."""
        shown = self.visible(uid, attempt, now)
        for other in shown[1:]:
            other.cancelled_at = now if other.cancelled_at is None else other.cancelled_at
        return shown[0] if shown else None

    def observe(self, number: int, now: float) -> Observation | None:
        """How a job is; None where the system shows none."""
        job = self.by_number[number]
        if job.visible_at > now or job.is_vanished:
            return None
        if job.is_live(now):
            is_stale = (
                "lag" in self.faults and now < job.starts_at + self.settle_s and self.rng.random() < 0.3
            )
            is_pending = is_stale or now < job.starts_at
            return Observation(phase=RemotePhase.PENDING if is_pending else RemotePhase.RUNNING)
        if job.has_ended("good", now):
            return Observation(phase=RemotePhase.SUCCEEDED)
        if job.has_ended("again", now):
            return Observation(phase=RemotePhase.FAILED, reason="JOB_BROKE_ONCE", is_retryable=True)
        return Observation(phase=RemotePhase.FAILED, reason="JOB_BROKE")

    def delete(self, uid: ExecutionUid, attempt: int, now: float, number: int | None = None) -> Deletion:
        """Cancel all of a name, or the one of the number alone, and say what their states then are."""
        shown = [job for job in self.visible(uid, attempt, now) if number in (None, job.number)]
        if not shown:
            if self.remembers_deleted_names:
                self.deleted_names.add((uid, attempt))
            return Deletion.ABSENT
        for job in shown:
            if job.cancels_ignored:
                job.cancels_ignored -= 1
            elif job.cancelled_at is None:
                job.cancelled_at = now + (self.rng.choice((0.0, 5.0)) if "deaf" in self.faults else 0.0)
        return Deletion.PENDING if any(job.is_live(now) for job in shown) else Deletion.GONE

    def live(self, now: float) -> dict[ExecutionUid, list[Job]]:
        """The live jobs, by execution."""
        self.may_live = [job for job in self.may_live if job.is_live(now)]
        live: dict[ExecutionUid, list[Job]] = {}
        for job in self.may_live:
            live.setdefault(job.uid, []).append(job)
        return live
