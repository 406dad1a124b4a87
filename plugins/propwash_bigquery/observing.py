"""Turns a Job resource into what the engine wants to know.

Source: BigQuery REST v2 reference, Job (JobStatus: DONE with errorResult has failed, DONE without has succeeded;
JobStatistics), and the same fields in the entries of jobs.list.
"""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sdk import Job, Json, Observation, RemotePhase, Unavailable
from propwash_bigquery.errors import is_job_retryable, stable_reason
from propwash_bigquery.forms import Form
from propwash_bigquery.keys import JobKey
from propwash_bigquery.resources import JsonMap, error_of, items, mapping, text, whole

_MOST_DETAILS = 3
_MOST_MESSAGE = 4000


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


def job_of(resource: JsonMap, asked: JobKey, form: Form) -> Job:
    """The job as create and find answer it; raises Unavailable for an answer that cannot be understood."""
    key = key_of(resource, asked)
    return Job(meta=key.meta(), observation=observation(resource, key, form))


def state_of(resource: JsonMap) -> str:
    """PENDING, RUNNING, DONE, or whatever BigQuery says; raises Unavailable where it says nothing."""
    state = text(mapping(resource, "status"), "state") or text(resource, "state")
    if not state:
        raise Unavailable("UNEXPECTED_ANSWER", "BigQuery's answer has no job state")
    return state


def labels_of(resource: JsonMap) -> JsonMap:
    """The job's labels."""
    return mapping(resource, "configuration", "labels")


def observation(
    resource: JsonMap, key: JobKey, form: Form, *, children: Sequence[JsonMap] = ()
) -> Observation:
    """What the resource says; children are a script's, oldest first. A state that is not known yet ends nothing."""
    links = (key.link(),)
    match state_of(resource):
        case "PENDING":
            return Observation(phase=RemotePhase.PENDING, message="BigQuery has queued the job", links=links)
        case "RUNNING":
            return Observation(phase=RemotePhase.RUNNING, message="BigQuery runs the job", links=links)
        case "DONE":
            failure = error_of(resource)
            if failure is not None:
                return failed(failure, key, more=items(mapping(resource, "status"), "errors"))
            return Observation(
                phase=RemotePhase.SUCCEEDED,
                links=links,
                outputs={**_common(resource, key), **form.outputs(resource, children)},
            )
        case state:
            said = f"BigQuery's state is {state[:40]}, which is not known here"
            return Observation(phase=RemotePhase.RUNNING, message=said, links=links)


def failed(failure: JsonMap, key: JobKey, *, more: Sequence[JsonMap] = ()) -> Observation:
    """A job that ended with this ErrorProto; more are the errors on the way there, of which a load's message may only
    say that they are to be looked at.
    """
    reason = text(failure, "reason")
    said = [text(failure, "message") or "BigQuery gives no message"]
    for one in more:
        detail = text(one, "message")
        if detail and detail not in said and len(said) <= _MOST_DETAILS:
            said.append(detail)
    return Observation(
        phase=RemotePhase.FAILED,
        reason=stable_reason(reason) or "JOB_FAILED",
        message="; ".join(said)[:_MOST_MESSAGE],
        is_retryable=is_job_retryable(reason),
        links=(key.link(),),
    )


def _common(resource: JsonMap, key: JobKey) -> dict[str, Json]:
    statistics = mapping(resource, "statistics")
    made: dict[str, Json] = {"project": key.project, "location": key.location, "job_id": key.job_id}
    named = (
        ("created_ms", "creationTime"),
        ("started_ms", "startTime"),
        ("ended_ms", "endTime"),
        ("slot_ms", "totalSlotMs"),
    )
    made.update({name: at for name, field in named if (at := whole(statistics, field)) is not None})
    if session := text(mapping(statistics, "sessionInfo"), "sessionId"):
        made["session_id"] = session
    return made
