"""Turns a job run's answer into what the engine wants to know.

Source: EMR Serverless User Guide, "Job run states", "Storing logs" (the folders of logs in S3 and CloudWatch); API
Reference, JobRun and JobRunSummary.
"""

from __future__ import annotations

from propwash.sdk import Json, Link, Observation, RemotePhase
from propwash_aws.accounts import Answer
from propwash_aws.clusters.answers import mapping, seconds, text
from propwash_aws.names import DIFFERS
from propwash_aws.runs.console import emr_link, group_link, log_link, stream_place
from propwash_aws.runs.keys import RunKey
from propwash_aws.runs.service import state_of
from propwash_aws.serverless.reasons import cancellation_of, failure_of

LIVE: dict[str, tuple[RemotePhase, str]] = {
    "SUBMITTED": (RemotePhase.PENDING, "EMR Serverless has taken the run"),
    "QUEUED": (RemotePhase.PENDING, "the run waits: as many run on the application as it allows at once"),
    "PENDING": (RemotePhase.PENDING, "EMR Serverless schedules the run"),
    "SCHEDULED": (RemotePhase.PENDING, "EMR Serverless makes resources ready for the run"),
    "RUNNING": (RemotePhase.RUNNING, "the run is running"),
    "CANCELLING": (RemotePhase.RUNNING, "the run is being cancelled"),
}
"""What each state of a live run means."""
OVER = frozenset({"SUCCESS", "FAILED", "CANCELLED"})
_USED = (
    ("vcpu_hours", "vCPUHour"),
    ("memory_gb_hours", "memoryGBHour"),
    ("storage_gb_hours", "storageGBHour"),
)
DEFAULT_LOG_GROUP = "/aws/emr-serverless"


def observation(run: Answer, key: RunKey, region: str) -> Observation:
    """What the answer says. A state that is not known yet ends nothing."""
    state, details = state_of(run), text(run, "stateDetails")
    links = (run_link(region, key), *_log_links(run, key, region))
    if state in LIVE:
        phase, said = LIVE[state]
        said = f"{said}: {details}" if details else said
        return Observation(phase=phase, message=_and_differs(said, run), links=links)
    match state:
        case "SUCCESS":
            return Observation(
                phase=RemotePhase.SUCCEEDED,
                message=_and_differs("", run),
                links=links,
                outputs=_outputs(run, key),
            )
        case "FAILED":
            reason, is_retryable = failure_of(details)
            return Observation(
                phase=RemotePhase.FAILED,
                reason=reason,
                message=_and_differs(details or "EMR Serverless gives no details", run),
                is_retryable=is_retryable,
                links=links,
            )
        case "CANCELLED":
            said = _and_differs(details or "the run was cancelled", run)
            reason = cancellation_of(details)
            return Observation(phase=RemotePhase.FAILED, reason=reason, message=said, links=links)
        case _:
            said = f"EMR Serverless' state is {state[:40]}, which is not known here"
            return Observation(phase=RemotePhase.RUNNING, message=said, links=links)


def _and_differs(said: str, run: Answer) -> str:
    differs = text(mapping(run, "tags"), DIFFERS)
    told = f"the application differs from what is described in {differs}" if differs else ""
    return "; ".join(one for one in (said, told) if one)


def run_link(region: str, key: RunKey) -> Link:
    """The run in AWS's console. The dashboard's own address (GetDashboardForJobRun) is good for an hour only."""
    return emr_link(
        region, "EMR Serverless job run", "serverless", "applications", key.place, "job-runs", key.run
    )


def _log_links(run: Answer, key: RunKey, region: str) -> tuple[Link, ...]:
    logs = _logs(run, key)
    links = log_link(region, "Logs in S3", logs.get("s3", ""))
    group = logs.get("cloudwatch_log_group")
    return (*links, group_link(region, group)) if group else links


def _logs(run: Answer, key: RunKey) -> dict[str, str]:
    """Where the run's logs are, as far as the run itself says so; the application may say more."""
    monitoring = mapping(run, "configurationOverrides", "monitoringConfiguration")
    folders = ("applications", key.place, "jobs", key.run)
    made: dict[str, str] = {}
    if place := stream_place(text(mapping(monitoring, "s3MonitoringConfiguration"), "logUri"), *folders):
        made["s3"] = place
    watch = mapping(monitoring, "cloudWatchLoggingConfiguration")
    if watch.get("enabled") is True:
        made["cloudwatch_log_group"] = text(watch, "logGroupName") or DEFAULT_LOG_GROUP
        made["cloudwatch_stream_prefix"] = stream_place(text(watch, "logStreamNamePrefix") or "/", *folders)
    return made


def _outputs(run: Answer, key: RunKey) -> dict[str, Json]:
    made: dict[str, Json] = {"application_id": key.place, "job_run_id": key.run}
    for prefix, field in (("", "totalResourceUtilization"), ("billed_", "billedResourceUtilization")):
        used = mapping(run, field)
        for name, of in _USED:
            amount = used.get(of)
            if isinstance(amount, int | float) and not isinstance(amount, bool):
                made[prefix + name] = float(amount)
    for name, of in (("duration_s", "totalExecutionDurationSeconds"), ("attempt", "attempt")):
        count = run.get(of)
        if isinstance(count, int) and not isinstance(count, bool):
            made[name] = count
    for name, of in (("created_ms", "createdAt"), ("started_ms", "startedAt"), ("ended_ms", "endedAt")):
        at = seconds(run, of)
        if at is not None:
            made[name] = round(at * 1000)
    told = {
        "release_label": text(run, "releaseLabel"),
        "image": text(mapping(run, "imageConfiguration"), "imageUri"),
        "application_differs": text(mapping(run, "tags"), DIFFERS),
    }
    made |= {name: found for name, found in told.items() if found}
    if logs := _logs(run, key):
        made["logs"] = dict(logs)
    return made
