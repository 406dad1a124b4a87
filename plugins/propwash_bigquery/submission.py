"""Builds the Job resource of jobs.insert.

Source: BigQuery REST v2 reference, jobs.insert and JobConfiguration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from propwash.sdk import CreateRequest, Permanent
from propwash_bigquery import labels
from propwash_bigquery.forms import Form
from propwash_bigquery.job_spec import OF_THE_JOB, JobSpec
from propwash_bigquery.keys import JobKey

SpecT = TypeVar("SpecT", bound=JobSpec)
_TABLES = frozenset({"destinationTable", "defaultDataset", "sourceTable", "sourceModel"})


def job_resource(
    request: CreateRequest[SpecT],
    key: JobKey,
    form: Form,
    configuration: Mapping[str, object],
    *,
    is_dry_run: bool,
) -> dict[str, object]:
    """The resource to insert. A dry run leaves no job, and so has no name that could be taken."""
    reference = {"projectId": key.project}
    if not is_dry_run:
        reference["jobId"] = key.job_id
    if key.location:
        reference["location"] = key.location
    made: dict[str, object] = {
        form.key: _with_projects(configuration, key.project),
        "labels": labels.job_labels(
            own_labels(request), of_spec=request.spec.labels or {}, of_execution=request.labels
        ),
        **_of_the_job(request),
    }
    if is_dry_run:
        made["dryRun"] = True
    return {"jobReference": reference, "configuration": made}


def own_labels(request: CreateRequest[SpecT]) -> dict[str, str]:
    """The labels by which the request's job is known."""
    return labels.mark(owner=request.owner, uid=request.uid, attempt=request.attempt)


def own_part(spec: JobSpec, *, without: frozenset[str] = frozenset()) -> dict[str, object]:
    """What a spec says of its form's own configuration, by the API's names; without leaves fields out."""
    return spec.model_dump(by_alias=True, exclude_none=True, exclude=set(OF_THE_JOB | without))


def key_for(project: str, location: str, name: str) -> JobKey:
    """Where a job goes; raises Permanent where nobody says in which project."""
    if not project:
        raise Permanent(
            "PROJECT_MISSING", "spec.project: neither the spec nor the connection names a project"
        )
    return JobKey(project, location, name)


def _of_the_job(request: CreateRequest[SpecT]) -> dict[str, object]:
    spec = request.spec
    made: dict[str, object] = {}
    timeouts_ms = [spec.job_timeout_ms] if spec.job_timeout_ms is not None else []
    if request.run_deadline_s is not None:
        timeouts_ms.append(max(1, math.ceil(request.run_deadline_s * 1000)))
    if timeouts_ms:
        made["jobTimeoutMs"] = str(min(timeouts_ms))
    if spec.reservation is not None:
        made["reservation"] = spec.reservation
    if spec.max_slots is not None:
        made["maxSlots"] = spec.max_slots
    return made


def _with_projects(configuration: Mapping[str, object], project: str) -> dict[str, object]:
    # The API requires a project in a reference and takes none from the job.
    def whole(name: str, value: object) -> object:
        if name in _TABLES and isinstance(value, Mapping):
            return {"projectId": project, **value}
        if name == "sourceTables" and isinstance(value, list | tuple):
            return [{"projectId": project, **one} for one in value]
        return value

    return {name: whole(name, value) for name, value in configuration.items()}
