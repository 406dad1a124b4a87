"""All jobs by project: looked up by id and location, listed newest first. An id once taken stays taken."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.jobs import Job

# Where jobs.get looks when it is not told a location (jobs.get: "required except for US and EU").
_MULTI_REGIONS = ("us", "eu")


class ProjectJobs:
    """The jobs of one project."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._by_id: dict[tuple[str, str], Job] = {}
        self._top: list[Job] = []
        self._created_ms: list[int] = []

    def is_taken(self, job_id: str, location: str) -> bool:
        """Whether the id was ever used at this location, by a deleted job also."""
        return (location.lower(), job_id) in self._by_id

    def add(self, job: Job) -> None:
        """Enter a job whose id is free."""
        self._by_id[job.location.lower(), job.job_id] = job
        if job.parent is None:
            self._top.append(job)
            self._created_ms.append(int(job.created_at * 1000))

    def find(self, job_id: str, location: str | None, now: float) -> Job:
        """The job as a caller may see it now. Raises BigQueryError (notFound)."""
        for place in (location.lower(),) if location else _MULTI_REGIONS:
            job = self._by_id.get((place, job_id))
            if job is not None and not job.is_deleted and now >= job.hidden_until:
                return job
        where = f"{location}." if location else ""
        raise BigQueryError("notFound", f"Not found: Job {self._project}:{where}{job_id}")

    def newest_first(
        self, *, before: int | None, min_ms: int | None, max_ms: int | None, now: float
    ) -> Iterator[tuple[int, Job]]:
        """The visible top-level jobs with their positions, from below the position on, within creation times."""
        high = len(self._top) if before is None else min(before, len(self._top))
        low = 0
        if max_ms is not None:
            high = min(high, bisect_right(self._created_ms, max_ms))
        if min_ms is not None:
            low = bisect_left(self._created_ms, min_ms)
        for position in range(high - 1, low - 1, -1):
            job = self._top[position]
            if not job.is_deleted and now >= job.hidden_until:
                yield position, job


class Registry:
    """The projects; one exists as soon as it is named."""

    def __init__(self) -> None:
        self._projects: dict[str, ProjectJobs] = {}

    def project(self, name: str) -> ProjectJobs:
        """The jobs of the project."""
        found = self._projects.get(name)
        if found is None:
            found = self._projects[name] = ProjectJobs(name)
        return found

    def clear(self) -> None:
        """Forget all jobs."""
        self._projects.clear()
