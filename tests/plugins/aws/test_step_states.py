"""Every state of a step and every refusal, and what the engine is told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from propwash.sdk import (
    Deletion,
    RemotePhase,
    Unavailable,
)
from propwash_aws.steps.handler import StepHandler
from tests.plugins.aws.emr_fake import LOST, FakeEmr
from tests.plugins.aws.emr_requests import CONNECTION, seen, step_handler, step_request


@pytest.fixture
def emr() -> FakeEmr:
    return FakeEmr()


@pytest.fixture
async def handler(emr: FakeEmr) -> AsyncIterator[StepHandler]:
    handler = step_handler(emr)
    yield handler
    await handler.close()


STATES = [
    ("PENDING", RemotePhase.PENDING, "", False, Deletion.PENDING),
    ("RUNNING", RemotePhase.RUNNING, "", False, Deletion.PENDING),
    ("CANCEL_PENDING", RemotePhase.RUNNING, "", False, Deletion.PENDING),
    ("SUSPENDED_BY_NEWS", RemotePhase.RUNNING, "", False, Deletion.PENDING),
    ("COMPLETED", RemotePhase.SUCCEEDED, "", False, Deletion.GONE),
    ("FAILED", RemotePhase.FAILED, "STEP_FAILED", False, Deletion.GONE),
    ("CANCELLED", RemotePhase.FAILED, "STEP_CANCELLED", False, Deletion.GONE),
    ("INTERRUPTED", RemotePhase.FAILED, "STEP_INTERRUPTED", True, Deletion.GONE),
]


@pytest.mark.parametrize(("state", "phase", "reason", "is_retryable", "deletion"), STATES)
async def test_state_of_a_step(
    emr: FakeEmr,
    handler: StepHandler,
    state: str,
    phase: RemotePhase,
    reason: str,
    is_retryable: bool,
    deletion: Deletion,
) -> None:
    request = step_request(emr, cluster_id=emr.add_cluster())
    job = await handler.create(request)
    emr.ignores_cancel = True
    for steps in emr.steps.values():
        emr.set_step(str(steps[0]["Id"]), state)
    observed = await seen(handler, job.meta)
    assert (observed.phase, observed.reason, observed.is_retryable) == (phase, reason, is_retryable)
    assert state in observed.message or state != "SUSPENDED_BY_NEWS"
    hint = handler.hint(CONNECTION, request.spec)
    for meta in (job.meta, None):
        # A state that is not known is live, and so is cancelled.
        assert await handler.delete(CONNECTION, request.name, meta, hint) is deletion


FAILURES = [
    ("Unknown Error.", "UNKNOWN_ERROR", False),
    ("Main Class not found.", "MAIN_CLASS_NOT_FOUND", False),
    ("Output directory already exists.", "OUTPUT_DIRECTORY_ALREADY_EXISTS", False),
    ("Internal error of the service", "INTERNAL_ERROR_OF_THE_SERVICE", True),
    ("Service Unavailable", "SERVICE_UNAVAILABLE", True),
    ("ThrottlingException from S3", "THROTTLING_EXCEPTION_FROM_S3", True),
    ("!!", "STEP_FAILED", False),
]


@pytest.mark.parametrize(("said", "reason", "is_retryable"), FAILURES)
async def test_failure_details(
    emr: FakeEmr, handler: StepHandler, said: str, reason: str, is_retryable: bool
) -> None:
    cluster = emr.add_cluster()
    job = await handler.create(step_request(emr, cluster_id=cluster))
    details = {"Reason": said, "Message": "exit code 1", "LogFile": "s3://logs/stderr.gz"}
    emr.set_step(str(emr.steps[cluster][0]["Id"]), "FAILED", FailureDetails=details)
    observed = await seen(handler, job.meta)
    assert (observed.reason, observed.is_retryable) == (reason, is_retryable)
    assert "exit code 1" in observed.message
    assert "s3://logs/stderr.gz" in observed.message


ENDS = [
    ("INSTANCE_FAILURE", "CLUSTER_INSTANCE_FAILURE", True),
    ("INTERNAL_ERROR", "CLUSTER_INTERNAL_ERROR", True),
    ("BOOTSTRAP_FAILURE", "CLUSTER_BOOTSTRAP_FAILURE", True),
    ("INSTANCE_FLEET_TIMEOUT", "CLUSTER_INSTANCE_FLEET_TIMEOUT", True),
    ("USER_REQUEST", "STEP_CANCELLED", False),
    ("STEP_FAILURE", "STEP_CANCELLED", False),
    ("VALIDATION_ERROR", "STEP_CANCELLED", False),
    ("ALL_STEPS_COMPLETED", "STEP_CANCELLED", False),
]


@pytest.mark.parametrize(("code", "reason", "is_retryable"), ENDS)
@pytest.mark.parametrize("state", ["TERMINATED", "TERMINATED_WITH_ERRORS", "TERMINATING"])
async def test_step_that_its_cluster_took_along(
    emr: FakeEmr, handler: StepHandler, code: str, reason: str, is_retryable: bool, state: str
) -> None:
    cluster = emr.add_cluster()
    job = await handler.create(step_request(emr, cluster_id=cluster))
    emr.set_step(str(emr.steps[cluster][0]["Id"]), "CANCELLED")
    emr.set_cluster(cluster, state, code, "the master was lost")
    observed = await seen(handler, job.meta)
    assert (observed.reason, observed.is_retryable) == (reason, is_retryable)


async def test_failure_of_the_step_itself_goes_before_its_clusters(
    emr: FakeEmr, handler: StepHandler
) -> None:
    cluster = emr.add_cluster()
    job = await handler.create(step_request(emr, cluster_id=cluster))
    emr.set_step(
        str(emr.steps[cluster][0]["Id"]), "FAILED", FailureDetails={"Reason": "Main Class not found."}
    )
    emr.set_cluster(cluster, "TERMINATED_WITH_ERRORS", "INTERNAL_ERROR")
    assert (await seen(handler, job.meta)).reason == "MAIN_CLASS_NOT_FOUND"


async def test_end_is_not_told_while_the_cluster_cannot_be_asked_why(
    emr: FakeEmr, handler: StepHandler
) -> None:
    cluster = emr.add_cluster()
    job = await handler.create(step_request(emr, cluster_id=cluster))
    emr.set_step(str(emr.steps[cluster][0]["Id"]), "CANCELLED")
    emr.before["DescribeCluster"] = [LOST]
    assert isinstance((await handler.get(CONNECTION, [job.meta]))[job.meta], Unavailable)
    assert (await seen(handler, job.meta)).phase is RemotePhase.FAILED


async def test_success_tells_where_it_ran_and_its_logs(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    job = await handler.create(step_request(emr, cluster_id=cluster))
    step = str(emr.steps[cluster][0]["Id"])
    emr.set_step(step, "COMPLETED")
    observed = await seen(handler, job.meta)
    assert observed.outputs["cluster_id"] == cluster
    assert observed.outputs["step_id"] == step
    assert observed.outputs["log_uri"] == f"s3://logs/emr/{cluster}/steps/{step}/"
    assert observed.outputs["created_ms"] == round(emr.now_s * 1000)
    assert [link.title for link in observed.links] == ["EMR cluster", "Step logs"]


async def test_success_waits_for_no_log_location(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    job = await handler.create(step_request(emr, cluster_id=cluster))
    emr.set_step(str(emr.steps[cluster][0]["Id"]), "COMPLETED")
    emr.before["DescribeCluster"] = [LOST]
    observed = await seen(handler, job.meta)
    assert observed.phase is RemotePhase.SUCCEEDED
    assert "log_uri" not in observed.outputs


async def test_step_without_a_state_says_nothing(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    job = await handler.create(step_request(emr, cluster_id=cluster))
    emr.steps[cluster][0]["Status"] = {}
    answer = (await handler.get(CONNECTION, [job.meta]))[job.meta]
    assert isinstance(answer, Unavailable)
