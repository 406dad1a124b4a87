"""Builds the Job resource of jobs.insert.

Source: BigQuery REST v2 reference, jobs.insert and JobConfiguration.
"""

from __future__ import annotations

import math

from propwash.sdk import CreateRequest, Permanent
from propwash_bigquery import labels
from propwash_bigquery.binding import bound_parameters
from propwash_bigquery.connection import BigQuerySettings
from propwash_bigquery.keys import JobKey
from propwash_bigquery.spec import BigQuerySpec
from propwash_bigquery.sql_types import InputError

_OF_THE_JOB = {"project", "location", "labels", "job_timeout_ms", "reservation"}
_OURS = _OF_THE_JOB | {"query_parameters", "parameter_mode"}


def key_for(request: CreateRequest[BigQuerySpec], settings: BigQuerySettings) -> JobKey:
    """Where the job goes; raises Permanent where nobody says in which project."""
    project = request.spec.project or settings.project
    if project is None:
        raise Permanent(
            "PROJECT_MISSING", "spec.project: neither the spec nor the connection names a project"
        )
    return JobKey(project, request.spec.location or settings.location or "", request.name)


def job_resource(request: CreateRequest[BigQuerySpec], key: JobKey, *, is_dry_run: bool) -> dict[str, object]:
    """The resource to insert; raises Permanent for inputs that cannot be bound.

    A dry run leaves no job, and so has no name that could be taken.
    """
    reference = {"projectId": key.project}
    if not is_dry_run:
        reference["jobId"] = key.job_id
    if key.location:
        reference["location"] = key.location
    return {"jobReference": reference, "configuration": _configuration(request, key, is_dry_run=is_dry_run)}


def own_labels(request: CreateRequest[BigQuerySpec]) -> dict[str, str]:
    """The labels by which the request's job is known."""
    return labels.mark(owner=request.owner, uid=request.uid, attempt=request.attempt)


def _configuration(
    request: CreateRequest[BigQuerySpec], key: JobKey, *, is_dry_run: bool
) -> dict[str, object]:
    spec = request.spec
    made: dict[str, object] = {
        "query": _query(request, key),
        "labels": labels.job_labels(
            own_labels(request), of_spec=spec.labels or {}, of_execution=request.labels
        ),
    }
    if is_dry_run:
        made["dryRun"] = True
    timeouts_ms = [spec.job_timeout_ms] if spec.job_timeout_ms is not None else []
    if request.run_deadline_s is not None:
        timeouts_ms.append(max(1, math.ceil(request.run_deadline_s * 1000)))
    if timeouts_ms:
        made["jobTimeoutMs"] = str(min(timeouts_ms))
    if spec.reservation is not None:
        made["reservation"] = spec.reservation
    return made


def _query(request: CreateRequest[BigQuerySpec], key: JobKey) -> dict[str, object]:
    spec = request.spec
    query: dict[str, object] = spec.model_dump(by_alias=True, exclude_none=True, exclude=_OURS)
    for name in ("destinationTable", "defaultDataset"):
        given = query.get(name)
        # The API requires a project in a table reference and takes none from the job.
        if isinstance(given, dict):
            query[name] = {"projectId": key.project, **given}
    try:
        mode, parameters = bound_parameters(spec, request.inputs)
    except InputError as error:
        raise Permanent("INVALID_INPUTS", str(error)) from error
    if mode is not None:
        query["parameterMode"] = mode
    if parameters:
        query["queryParameters"] = parameters
    return query
