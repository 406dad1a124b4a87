"""What names a BigQuery job: the meta that the engine keeps for us, and the hint for a job without one yet.

Both are small JSON lists that begin with their version. A job's id is unique within its project and location.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

from propwash.sdk import Link

_META_VERSION = 1
_HINT_VERSION = 1


@dataclass(frozen=True, slots=True)
class JobKey:
    """A job. An empty location is one that is not known; created_ms is the creation as BigQuery tells it, or 0."""

    project: str
    location: str
    job_id: str
    created_ms: int = 0

    def meta(self) -> bytes:
        """The resource meta, without a secret."""
        return _packed([_META_VERSION, self.project, self.location, self.job_id, self.created_ms])

    def link(self) -> Link:
        """The job in Google's console. A location that is not known yet is shown as US."""
        project, place = quote(self.project, safe=":"), quote(self.location or "US", safe="")
        job = quote(self.job_id, safe="")
        return Link(
            title="BigQuery Console",
            uri=f"https://console.cloud.google.com/bigquery?project={project}&j=bq:{place}:{job}&page=queryresults",
        )


def read_meta(meta: bytes) -> JobKey:
    """The job that a meta names; raises ValueError for one that is not ours."""
    match _unpacked(meta):
        case [1, str(project), str(location), str(job_id), int(created_ms)]:
            return JobKey(project, location, job_id, created_ms)
        case _:
            raise ValueError("not a meta of a BigQuery job")


def hint_of(project: str, location: str) -> bytes:
    """The hint for jobs of a project and location, either of which may be empty."""
    return _packed([_HINT_VERSION, project, location])


def read_hint(hint: bytes) -> tuple[str, str]:
    """Project and location of a hint, both empty for an empty one; raises ValueError."""
    if not hint:
        return "", ""
    match _unpacked(hint):
        case [1, str(project), str(location)]:
            return project, location
        case _:
            raise ValueError("not a hint for a BigQuery job")


def _packed(parts: list[int | str]) -> bytes:
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()


def _unpacked(data: bytes) -> object:
    try:
        value: object = json.loads(data)
    except ValueError:
        return None
    return value
