"""EMR on EKS: every state of a run, and every class of failure, in Propwash's words."""

from __future__ import annotations

import pytest

from propwash.sdk import RemoteName, RemotePhase, Unavailable
from propwash_aws.containers.observing import FAILURES, LIVE, OVER, observation
from propwash_aws.runs.keys import RunKey

KEY = RunKey("vc1", "run1", RemoteName("pw-battery-x-1"))
REGION = "eu-west-1"
STATES = [
    ("PENDING", RemotePhase.PENDING, ""),
    ("SUBMITTED", RemotePhase.PENDING, ""),
    ("RUNNING", RemotePhase.RUNNING, ""),
    ("CANCEL_PENDING", RemotePhase.RUNNING, ""),
    ("COMPLETED", RemotePhase.SUCCEEDED, ""),
    ("FAILED", RemotePhase.FAILED, "JOB_FAILED"),
    ("CANCELLED", RemotePhase.FAILED, "CANCELLED"),
    ("SUSPENDED", RemotePhase.RUNNING, ""),
]


@pytest.mark.parametrize(("state", "phase", "reason"), STATES)
def test_every_state_has_its_phase(state: str, phase: RemotePhase, reason: str) -> None:
    seen = observation({"state": state}, KEY, REGION)
    assert (seen.phase, seen.reason) == (phase, reason)
    if not phase.is_final and state not in LIVE:
        assert state in seen.message, "an unknown state is shown"


@pytest.mark.parametrize(
    ("failure", "is_retryable"),
    [
        ("INTERNAL_ERROR", True),
        ("USER_ERROR", False),
        ("VALIDATION_ERROR", False),
        ("CLUSTER_UNAVAILABLE", True),
        ("SOMETHING_NEW", True),
    ],
)
def test_every_failure_reason_says_whether_it_may_pass(failure: str, is_retryable: bool) -> None:
    run = {"state": "FAILED", "failureReason": failure, "stateDetails": "why"}
    seen = observation(run, KEY, REGION)
    assert (seen.reason, seen.is_retryable, seen.message) == (failure, is_retryable, "why")


def test_the_tables_hold_what_the_service_model_has() -> None:
    from botocore.session import Session  # type: ignore[import-untyped]  # botocore has no types

    model = Session().get_service_model("emr-containers")
    assert set(model.shape_for("JobRunState").enum) == set(LIVE) | OVER
    assert {state for state, _, _ in STATES} - {"SUSPENDED"} == set(LIVE) | OVER
    assert set(model.shape_for("FailureReason").enum) == set(FAILURES)


def test_an_answer_without_a_state_is_none() -> None:
    with pytest.raises(Unavailable):
        observation({}, KEY, REGION)


def test_a_completed_run_tells_where_its_logs_are() -> None:
    run = {
        "state": "COMPLETED",
        "releaseLabel": "emr-7.5.0-latest",
        "retryPolicyExecution": {"currentAttemptCount": 2},
        "configurationOverrides": {
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {"logUri": "s3://bucket/logs"},
                "cloudWatchMonitoringConfiguration": {"logGroupName": "/emr", "logStreamNamePrefix": "team"},
            }
        },
    }
    seen = observation(run, KEY, REGION)
    assert seen.outputs == {
        "virtual_cluster_id": "vc1",
        "job_run_id": "run1",
        "attempt": 2,
        "release_label": "emr-7.5.0-latest",
        "logs": {
            "s3": "s3://bucket/logs/vc1/jobs/run1/",
            "cloudwatch_log_group": "/emr",
            "cloudwatch_stream_prefix": "team/vc1/jobs/run1/",
        },
    }
    assert seen.links[0].uri.endswith("/emr/home?region=eu-west-1#/eks/clusters/vc1")
    assert [link.title for link in seen.links] == ["EMR virtual cluster", "Logs in S3", "Logs in CloudWatch"]
