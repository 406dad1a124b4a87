"""EMR Serverless: every state of a run, and every class of failure, in Propwash's words."""

from __future__ import annotations

import pytest

from propwash.sdk import RemoteName, RemotePhase, Unavailable
from propwash_aws.runs.keys import RunKey
from propwash_aws.serverless.observing import LIVE, OVER, observation
from propwash_aws.serverless.reasons import RULES

KEY = RunKey("00app", "00run", RemoteName("pw-battery-x-1"))
REGION = "eu-west-1"
STATES = [
    ("SUBMITTED", RemotePhase.PENDING, ""),
    ("QUEUED", RemotePhase.PENDING, ""),
    ("PENDING", RemotePhase.PENDING, ""),
    ("SCHEDULED", RemotePhase.PENDING, ""),
    ("RUNNING", RemotePhase.RUNNING, ""),
    ("CANCELLING", RemotePhase.RUNNING, ""),
    ("SUCCESS", RemotePhase.SUCCEEDED, ""),
    ("FAILED", RemotePhase.FAILED, "JOB_FAILED"),
    ("CANCELLED", RemotePhase.FAILED, "CANCELLED"),
    ("DEFERRED", RemotePhase.RUNNING, ""),
]


@pytest.mark.parametrize(("state", "phase", "reason"), STATES)
def test_every_state_has_its_phase(state: str, phase: RemotePhase, reason: str) -> None:
    seen = observation({"state": state, "stateDetails": ""}, KEY, REGION)
    assert (seen.phase, seen.reason) == (phase, reason)
    if not phase.is_final and state not in LIVE:
        assert state in seen.message, "an unknown state is shown"


def test_the_table_holds_every_state_that_the_service_model_has() -> None:
    from botocore.session import Session  # type: ignore[import-untyped]  # botocore has no types

    shape = Session().get_service_model("emr-serverless").shape_for("JobRunState")
    assert set(shape.enum) == set(LIVE) | OVER == {state for state, _, _ in STATES} - {"DEFERRED"}


def test_an_answer_without_a_state_is_none() -> None:
    with pytest.raises(Unavailable):
        observation({}, KEY, REGION)


FAILURES = [
    (
        "Job failed, please check complete logs in configured logging destination. ExitCode: 1.",
        "USER_ERROR",
        False,
    ),
    ("Last few exceptions: Exception in thread main java.lang.IllegalStateException", "USER_ERROR", False),
    ("An internal error occurred. Please retry", "INTERNAL_ERROR", True),
    ("Job execution failed: INTERNAL_ERROR", "INTERNAL_ERROR", True),
    (
        "Worker could not be allocated as the application has exceeded maximumCapacity settings",
        "CAPACITY_EXCEEDED",
        True,
    ),
    ("ApplicationMaxCapacityExceededException: Job failed", "CAPACITY_EXCEEDED", True),
    ("Worker could not be allocated due to the vCPU limit of the account", "CAPACITY_EXCEEDED", True),
    ("subnet-1 has insufficient free addresses", "CAPACITY_EXCEEDED", True),
    ("The run was queued; queue timeout was reached", "CAPACITY_EXCEEDED", True),
    ("ExecutorLostFailure (executor 3 exited)", "WORKER_LOST", True),
    ("Execution role arn:aws:iam::1:role/r cannot be assumed", "ACCESS_DENIED", False),
    ("Access Denied (Service: Amazon S3; Status Code: 403)", "ACCESS_DENIED", False),
    ("The specified key: NoSuchKey s3://bucket/job.py", "INPUT_NOT_FOUND", False),
    ("ValidationException: invalid parameter", "VALIDATION_ERROR", False),
    ("Something that nobody has seen", "JOB_FAILED", True),
    ("", "JOB_FAILED", True),
]


@pytest.mark.parametrize(("details", "reason", "is_retryable"), FAILURES)
def test_every_class_of_failure_has_its_reason(details: str, reason: str, is_retryable: bool) -> None:
    seen = observation({"state": "FAILED", "stateDetails": details}, KEY, REGION)
    assert (seen.reason, seen.is_retryable) == (reason, is_retryable)
    assert details in seen.message


def test_every_rule_has_a_row() -> None:
    assert {rule.reason for rule in RULES} | {"JOB_FAILED"} == {reason for _, reason, _ in FAILURES}


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ("JobRun cancelled by the user", "CANCELLED"),
        ("Job run exceeded the execution timeout of 5 minutes", "EXECUTION_TIMEOUT"),
        ("JobRun timed out", "EXECUTION_TIMEOUT"),
    ],
)
def test_a_cancelled_run_says_whether_it_took_too_long(details: str, reason: str) -> None:
    seen = observation({"state": "CANCELLED", "stateDetails": details}, KEY, REGION)
    assert (seen.phase, seen.reason, seen.is_retryable) == (RemotePhase.FAILED, reason, False)


def test_a_succeeded_run_tells_what_it_used_and_where_its_logs_are() -> None:
    run = {
        "state": "SUCCESS",
        "releaseLabel": "emr-7.5.0",
        "totalResourceUtilization": {"vCPUHour": 1.5, "memoryGBHour": 6, "storageGBHour": 0.0},
        "billedResourceUtilization": {"vCPUHour": 2.0},
        "totalExecutionDurationSeconds": 61,
        "attempt": 1,
        "configurationOverrides": {
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {"logUri": "s3://bucket/logs/"},
                "cloudWatchLoggingConfiguration": {"enabled": True, "logStreamNamePrefix": "team"},
            }
        },
    }
    seen = observation(run, KEY, REGION)
    assert seen.outputs == {
        "application_id": "00app",
        "job_run_id": "00run",
        "vcpu_hours": 1.5,
        "memory_gb_hours": 6.0,
        "storage_gb_hours": 0.0,
        "billed_vcpu_hours": 2.0,
        "duration_s": 61,
        "attempt": 1,
        "release_label": "emr-7.5.0",
        "logs": {
            "s3": "s3://bucket/logs/applications/00app/jobs/00run/",
            "cloudwatch_log_group": "/aws/emr-serverless",
            "cloudwatch_stream_prefix": "team/applications/00app/jobs/00run/",
        },
    }
    uris = [link.uri for link in seen.links]
    assert uris == [
        "https://eu-west-1.console.aws.amazon.com/emr/home?region=eu-west-1"
        "#/serverless/applications/00app/job-runs/00run",
        "https://eu-west-1.console.aws.amazon.com/s3/buckets/bucket?region=eu-west-1"
        "&prefix=logs/applications/00app/jobs/00run/",
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#logsV2:log-groups/log-group/$252Faws$252Femr-serverless",
    ]
