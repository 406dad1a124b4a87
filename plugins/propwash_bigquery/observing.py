"""Turns a Job resource into what the engine wants to know.

Source: BigQuery REST v2 reference, Job (JobStatus: DONE with errorResult has failed, DONE without has succeeded;
JobStatistics, JobStatistics2), and the same fields in the entries of jobs.list.
"""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sdk import Job, Json, Observation, RemotePhase, Unavailable
from propwash_bigquery.errors import is_job_retryable, stable_reason
from propwash_bigquery.keys import JobKey
from propwash_bigquery.resources import JsonMap, items, mapping, text, whole

_COUNTS = (
    ("bytes_processed", "totalBytesProcessed"),
    ("bytes_billed", "totalBytesBilled"),
    ("slot_ms", "totalSlotMs"),
    ("dml_affected_rows", "numDmlAffectedRows"),
)
_DML_COUNTS = (
    ("inserted_rows", "insertedRowCount"),
    ("updated_rows", "updatedRowCount"),
    ("deleted_rows", "deletedRowCount"),
)


def key_of(resource: JsonMap, asked: JobKey) -> JobKey:
    """The job that an answer is about; raises Unavailable where it is not the one that was asked about."""
    reference = mapping(resource, "jobReference")
    if text(reference, "jobId") != asked.job_id:
        raise Unavailable("UNEXPECTED_ANSWER", "BigQuery's answer is about no job, or another one")
    return JobKey(
        asked.project,
        text(reference, "location") or asked.location,
        asked.job_id,
        whole(mapping(resource, "statistics"), "creationTime") or 0,
    )


def job_of(resource: JsonMap, asked: JobKey) -> Job:
    """The job as create and find answer it; raises Unavailable for an answer that cannot be understood."""
    key = key_of(resource, asked)
    return Job(meta=key.meta(), observation=observation(resource, key))


def state_of(resource: JsonMap) -> str:
    """PENDING, RUNNING, DONE, or whatever BigQuery says; raises Unavailable where it says nothing."""
    state = text(mapping(resource, "status"), "state") or text(resource, "state")
    if not state:
        raise Unavailable("UNEXPECTED_ANSWER", "BigQuery's answer has no job state")
    return state


def labels_of(resource: JsonMap) -> JsonMap:
    """The job's labels."""
    return mapping(resource, "configuration", "labels")


def failure_of(resource: JsonMap) -> JsonMap | None:
    """The error with which a job ended, or None."""
    for holder in (mapping(resource, "status"), resource):
        if holder.get("errorResult") is not None:
            return mapping(holder, "errorResult")
    return None


def observation(resource: JsonMap, key: JobKey, *, children: Sequence[JsonMap] = ()) -> Observation:
    """What the resource says; children are a script's, oldest first. A state that is not known yet ends nothing."""
    links = (key.link(),)
    match state_of(resource):
        case "PENDING":
            return Observation(phase=RemotePhase.PENDING, message="BigQuery has queued the job", links=links)
        case "RUNNING":
            return Observation(phase=RemotePhase.RUNNING, message="BigQuery runs the job", links=links)
        case "DONE":
            failure = failure_of(resource)
            if failure is not None:
                return failed(failure, key)
            return Observation(
                phase=RemotePhase.SUCCEEDED, links=links, outputs=_outputs(resource, key, children)
            )
        case state:
            said = f"BigQuery's state is {state[:40]}, which is not known here"
            return Observation(phase=RemotePhase.RUNNING, message=said, links=links)


def failed(failure: JsonMap, key: JobKey) -> Observation:
    """A job that ended with this ErrorProto."""
    reason = text(failure, "reason")
    return Observation(
        phase=RemotePhase.FAILED,
        reason=stable_reason(reason) or "JOB_FAILED",
        message=text(failure, "message") or "BigQuery gives no message",
        is_retryable=is_job_retryable(reason),
        links=(key.link(),),
    )


def child_count(resource: JsonMap) -> int:
    """How many child jobs a script has."""
    return whole(mapping(resource, "statistics"), "numChildJobs") or 0


def has_destination(resource: JsonMap) -> bool:
    """Whether the job has a table with its result."""
    return bool(_table(mapping(resource, "configuration", "query", "destinationTable")))


def _outputs(resource: JsonMap, key: JobKey, children: Sequence[JsonMap]) -> dict[str, Json]:
    statistics = mapping(resource, "statistics")
    query = mapping(statistics, "query")
    made: dict[str, Json] = {"project": key.project, "location": key.location, "job_id": key.job_id}
    table = _table(mapping(resource, "configuration", "query", "destinationTable")) or _key_result(
        resource, children
    )
    if table:
        made["results"] = table
    if kind := text(query, "statementType"):
        made["statement_type"] = kind
    for name, field in _COUNTS:
        count = whole(query, field)
        count = whole(statistics, field) if count is None else count
        if count is not None:
            made[name] = count
    if isinstance(query.get("cacheHit"), bool):
        made["is_cache_hit"] = query.get("cacheHit") is True
    made.update(_times(statistics))
    dml = mapping(query, "dmlStats")
    counted = {name: count for name, field in _DML_COUNTS if (count := whole(dml, field)) is not None}
    if counted:
        made["dml"] = counted
    if operation := text(query, "ddlOperationPerformed"):
        made["ddl_operation"] = operation
    if target := _table(mapping(query, "ddlTargetTable")):
        made["ddl_target"] = target
    if session := text(mapping(statistics, "sessionInfo"), "sessionId"):
        made["session_id"] = session
    if fields := items(mapping(query, "schema"), "fields"):
        made["schema"] = tuple({"name": text(one, "name"), "type": text(one, "type")} for one in fields)
    if child_count(resource):
        made["child_job_count"] = child_count(resource)
    if children:
        made["child_jobs"] = tuple(_child(one) for one in children)
    return made


def _times(statistics: JsonMap) -> dict[str, Json]:
    named = (("created_ms", "creationTime"), ("started_ms", "startTime"), ("ended_ms", "endTime"))
    return {name: at for name, field in named if (at := whole(statistics, field)) is not None}


def _key_result(script: JsonMap, children: Sequence[JsonMap]) -> str:
    """The table of a script's key result: the last statement that has one, or the first SELECT where so asked."""
    options = mapping(script, "configuration", "query", "scriptOptions")
    tables = [
        _table(mapping(child, "configuration", "query", "destinationTable"))
        for child in children
        if text(mapping(child, "statistics", "query"), "statementType") == "SELECT"
        and text(mapping(child, "statistics", "scriptStatistics"), "evaluationKind") != "EXPRESSION"
    ]
    found = [table for table in tables if table]
    if not found:
        return ""
    return found[0] if text(options, "keyResultStatement") == "FIRST_SELECT" else found[-1]


def _child(resource: JsonMap) -> dict[str, Json]:
    made: dict[str, Json] = {
        "job_id": text(mapping(resource, "jobReference"), "jobId"),
        "state": text(resource, "state") or text(mapping(resource, "status"), "state"),
        "statement_type": text(mapping(resource, "statistics", "query"), "statementType"),
    }
    if table := _table(mapping(resource, "configuration", "query", "destinationTable")):
        made["results"] = table
    if failure := failure_of(resource):
        made["reason"] = stable_reason(text(failure, "reason"))
    return made


def _table(reference: JsonMap) -> str:
    parts = [text(reference, name) for name in ("projectId", "datasetId", "tableId")]
    return f"bq://{'.'.join(parts)}" if all(parts) else ""
