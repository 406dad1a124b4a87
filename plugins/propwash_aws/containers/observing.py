"""Turns a job run's answer into what the engine wants to know.

Source: EMR on EKS Development Guide, "Job run states"; API Reference, JobRun (failureReason, stateDetails); best
practices, "Spark Driver and Executor Logs" (the folders of logs in S3).
"""

from __future__ import annotations

from propwash.sdk import Json, Link, Observation, RemotePhase
from propwash_aws.accounts import Answer
from propwash_aws.clusters.answers import mapping, seconds, text
from propwash_aws.errors import stable_reason
from propwash_aws.runs.console import emr_link, group_link, log_link, stream_place
from propwash_aws.runs.keys import RunKey
from propwash_aws.runs.service import state_of

LIVE: dict[str, tuple[RemotePhase, str]] = {
    "PENDING": (RemotePhase.PENDING, "EMR on EKS has taken the run"),
    "SUBMITTED": (RemotePhase.PENDING, "the run is submitted to the cluster, which schedules it"),
    "RUNNING": (RemotePhase.RUNNING, "the run is running"),
    "CANCEL_PENDING": (RemotePhase.RUNNING, "the run is being cancelled"),
}
"""What each state of a live run means."""
OVER = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
FAILURES: dict[str, bool] = {
    "INTERNAL_ERROR": True,
    "USER_ERROR": False,
    "VALIDATION_ERROR": False,
    "CLUSTER_UNAVAILABLE": True,
}
"""Each documented failureReason, and whether another attempt may succeed. One that is not here may."""


def observation(run: Answer, key: RunKey, region: str) -> Observation:
    """What the answer says. A state that is not known yet ends nothing."""
    state, details = state_of(run), text(run, "stateDetails")
    links = (*cluster_links(region, key.place), *_log_links(run, key, region))
    if state in LIVE:
        phase, said = LIVE[state]
        return Observation(phase=phase, message=f"{said}: {details}" if details else said, links=links)
    match state:
        case "COMPLETED":
            return Observation(phase=RemotePhase.SUCCEEDED, links=links, outputs=_outputs(run, key))
        case "FAILED":
            failure = text(run, "failureReason")
            return Observation(
                phase=RemotePhase.FAILED,
                reason=stable_reason(failure) or "JOB_FAILED",
                message=details or "EMR on EKS gives no details",
                is_retryable=FAILURES.get(failure, True),
                links=links,
            )
        case "CANCELLED":
            said = details or "the run was cancelled"
            return Observation(phase=RemotePhase.FAILED, reason="CANCELLED", message=said, links=links)
        case _:
            said = f"EMR on EKS' state is {state[:40]}, which is not known here"
            return Observation(phase=RemotePhase.RUNNING, message=said, links=links)


def cluster_links(region: str, virtual_cluster: str) -> tuple[Link, ...]:
    """The virtual cluster's runs in AWS's console, which has no page of one run that a link could name."""
    return (emr_link(region, "EMR virtual cluster", "eks", "clusters", virtual_cluster),)


def _log_links(run: Answer, key: RunKey, region: str) -> tuple[Link, ...]:
    logs = _logs(run, key)
    links = log_link(region, "Logs in S3", logs.get("s3", ""))
    group = logs.get("cloudwatch_log_group")
    return (*links, group_link(region, group)) if group else links


def _logs(run: Answer, key: RunKey) -> dict[str, str]:
    """Where the run's logs are, as far as the run itself says so; a template may say more."""
    monitoring = mapping(run, "configurationOverrides", "monitoringConfiguration")
    made: dict[str, str] = {}
    base = text(mapping(monitoring, "s3MonitoringConfiguration"), "logUri")
    if place := stream_place(base, key.place, "jobs", key.run):
        made["s3"] = place
    watch = mapping(monitoring, "cloudWatchMonitoringConfiguration")
    if group := text(watch, "logGroupName"):
        made["cloudwatch_log_group"] = group
        prefix = text(watch, "logStreamNamePrefix")
        made["cloudwatch_stream_prefix"] = stream_place(prefix or "/", key.place, "jobs", key.run)
    return made


def _outputs(run: Answer, key: RunKey) -> dict[str, Json]:
    made: dict[str, Json] = {"virtual_cluster_id": key.place, "job_run_id": key.run}
    for name, of in (("created_ms", "createdAt"), ("ended_ms", "finishedAt")):
        at = seconds(run, of)
        if at is not None:
            made[name] = round(at * 1000)
    attempts = mapping(run, "retryPolicyExecution").get("currentAttemptCount")
    if isinstance(attempts, int) and not isinstance(attempts, bool):
        made["attempt"] = attempts
    if release := text(run, "releaseLabel"):
        made["release_label"] = release
    if logs := _logs(run, key):
        made["logs"] = dict(logs)
    return made
