"""Every state and end of a cluster, and what the engine is told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from propwash.sdk import Deletion, RemotePhase, Unavailable, Verdict
from propwash_aws.clusters.handler import ClusterHandler
from propwash_aws.clusters.reasons import stable_reason
from propwash_aws.clusters.refusals import Refusal, refusal
from tests.plugins.aws.emr_fake import CLOSED, FULL, LOST, FakeEmr, refused
from tests.plugins.aws.emr_requests import CONNECTION, cluster_handler, cluster_request, seen


@pytest.fixture
def emr() -> FakeEmr:
    return FakeEmr()


@pytest.fixture
async def handler(emr: FakeEmr) -> AsyncIterator[ClusterHandler]:
    handler = cluster_handler(emr)
    yield handler
    await handler.close()


STATES = [
    ("STARTING", RemotePhase.PENDING),
    ("BOOTSTRAPPING", RemotePhase.PENDING),
    ("RUNNING", RemotePhase.RUNNING),
    ("WAITING", RemotePhase.RUNNING),
    ("TERMINATING", RemotePhase.RUNNING),
    ("RESIZING_BY_NEWS", RemotePhase.RUNNING),
]


@pytest.mark.parametrize(("state", "phase"), STATES)
async def test_live_state(emr: FakeEmr, handler: ClusterHandler, state: str, phase: RemotePhase) -> None:
    request = cluster_request(emr)
    job = await handler.create(request)
    emr.set_cluster(next(iter(emr.clusters)), state, "STEP_FAILURE")
    observed = await seen(handler, job.meta)
    assert observed.phase is phase
    assert state in observed.message or state != "RESIZING_BY_NEWS"
    emr.ignores_cancel = True
    for meta in (job.meta, None):
        assert await handler.delete(CONNECTION, request.name, meta, b"") is Deletion.PENDING


ENDS = [
    ("TERMINATED", "ALL_STEPS_COMPLETED", RemotePhase.SUCCEEDED, "", False),
    ("TERMINATED_WITH_ERRORS", "ALL_STEPS_COMPLETED", RemotePhase.FAILED, "CLUSTER_TERMINATED", True),
    ("TERMINATED", "USER_REQUEST", RemotePhase.FAILED, "USER_REQUEST", False),
    ("TERMINATED_WITH_ERRORS", "USER_REQUEST", RemotePhase.FAILED, "USER_REQUEST", False),
    ("TERMINATED_WITH_ERRORS", "STEP_FAILURE", RemotePhase.FAILED, "STEP_FAILURE", False),
    ("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE", RemotePhase.FAILED, "INSTANCE_FAILURE", True),
    ("TERMINATED_WITH_ERRORS", "INSTANCE_FLEET_TIMEOUT", RemotePhase.FAILED, "INSTANCE_FLEET_TIMEOUT", True),
    ("TERMINATED_WITH_ERRORS", "BOOTSTRAP_FAILURE", RemotePhase.FAILED, "BOOTSTRAP_FAILURE", True),
    ("TERMINATED_WITH_ERRORS", "VALIDATION_ERROR", RemotePhase.FAILED, "VALIDATION_ERROR", False),
    ("TERMINATED_WITH_ERRORS", "INTERNAL_ERROR", RemotePhase.FAILED, "INTERNAL_ERROR", True),
    ("TERMINATED", "", RemotePhase.FAILED, "CLUSTER_TERMINATED", True),
    ("TERMINATED", "SOMETHING_NEW", RemotePhase.FAILED, "SOMETHING_NEW", True),
]


@pytest.mark.parametrize(("state", "code", "phase", "reason", "is_retryable"), ENDS)
async def test_end_of_a_cluster(
    emr: FakeEmr,
    handler: ClusterHandler,
    state: str,
    code: str,
    phase: RemotePhase,
    reason: str,
    is_retryable: bool,
) -> None:
    request = cluster_request(emr)
    job = await handler.create(request)
    number = next(iter(emr.clusters))
    emr.set_step(str(emr.steps[number][0]["Id"]), "COMPLETED")
    emr.set_cluster(number, state, code, "said so")
    observed = await seen(handler, job.meta)
    assert (observed.phase, observed.reason, observed.is_retryable) == (phase, reason, is_retryable)
    assert phase is RemotePhase.SUCCEEDED or not code or "said so" in observed.message
    for meta in (job.meta, None):
        assert await handler.delete(CONNECTION, request.name, meta, b"") is Deletion.GONE


DETAILS = [
    ("INTERNAL_ERROR", "INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ", True),
    ("INTERNAL_ERROR", "INTERNAL_ERROR_SPOT_PRICE_INCREASE_PRIMARY", True),
    ("VALIDATION_ERROR", "VALIDATION_ERROR_INVALID_SSH_KEY_NAME", False),
    ("BOOTSTRAP_FAILURE", "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE", True),
    ("BOOTSTRAP_FAILURE", "BOOTSTRAP_FAILURE_FILE_NOT_FOUND_PRIMARY", False),
    ("BOOTSTRAP_FAILURE", "BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED_PRIMARY", False),
]


@pytest.mark.parametrize(("code", "detail", "is_retryable"), DETAILS)
async def test_error_details_are_the_reason(
    emr: FakeEmr, handler: ClusterHandler, code: str, detail: str, is_retryable: bool
) -> None:
    job = await handler.create(cluster_request(emr))
    details = [{"ErrorCode": detail, "ErrorMessage": "more of it"}]
    emr.set_cluster(next(iter(emr.clusters)), "TERMINATED_WITH_ERRORS", code, "said so", ErrorDetails=details)
    observed = await seen(handler, job.meta)
    assert (observed.reason, observed.is_retryable) == (detail, is_retryable)
    assert observed.message.endswith("said so; more of it")


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "INTERRUPTED"])
async def test_steps_that_did_not_complete_fail_the_job(
    emr: FakeEmr, handler: ClusterHandler, state: str
) -> None:
    step = {"name": "a", "action_on_failure": "CONTINUE", "hadoop_jar_step": {"jar": "command-runner.jar"}}
    job = await handler.create(cluster_request(emr, steps=[step, {**step, "name": "b"}]))
    number = next(iter(emr.clusters))
    first, last = (str(one["Id"]) for one in emr.steps[number])
    emr.set_step(first, "COMPLETED")
    emr.set_step(last, state)
    emr.set_cluster(number, "TERMINATED", "ALL_STEPS_COMPLETED", "Steps completed")
    observed = await seen(handler, job.meta)
    assert (observed.phase, observed.reason, observed.is_retryable) == (
        RemotePhase.FAILED,
        "STEPS_FAILED",
        False,
    )
    assert "1 of 2 steps" in observed.message
    assert state in observed.message


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "CANCEL_PENDING", "A_NEW_STATE"])
async def test_a_cluster_whose_steps_are_not_known_to_have_ended_has_not_ended(
    emr: FakeEmr, handler: ClusterHandler, state: str
) -> None:
    job = await handler.create(cluster_request(emr))
    number = next(iter(emr.clusters))
    step = str(emr.steps[number][0]["Id"])
    emr.set_step(step, state)
    emr.set_cluster(number, "TERMINATED", "ALL_STEPS_COMPLETED", "Steps completed")
    observed = await seen(handler, job.meta)
    assert observed.phase is RemotePhase.RUNNING
    assert state in observed.message
    emr.set_step(step, "COMPLETED")
    assert (await seen(handler, job.meta)).phase is RemotePhase.SUCCEEDED


async def test_success_tells_steps_and_logs(emr: FakeEmr, handler: ClusterHandler) -> None:
    job = await handler.create(cluster_request(emr))
    number = next(iter(emr.clusters))
    step = str(emr.steps[number][0]["Id"])
    emr.set_step(step, "COMPLETED")
    emr.set_cluster(number, "TERMINATED", "ALL_STEPS_COMPLETED")
    observed = await seen(handler, job.meta)
    assert observed.outputs["cluster_id"] == number
    assert observed.outputs["steps"] == ({"name": "one", "id": step},)
    assert observed.outputs["log_uri"] == f"s3://logs/emr/{number}/"
    assert [link.title for link in observed.links] == ["EMR cluster", "Cluster logs"]


async def test_success_is_not_told_before_the_steps_are_read(emr: FakeEmr, handler: ClusterHandler) -> None:
    job = await handler.create(cluster_request(emr))
    number = next(iter(emr.clusters))
    emr.set_step(str(emr.steps[number][0]["Id"]), "COMPLETED")
    emr.set_cluster(number, "TERMINATED", "ALL_STEPS_COMPLETED")
    emr.before["ListSteps"] = [LOST]
    assert isinstance((await handler.get(CONNECTION, [job.meta]))[job.meta], Verdict)
    assert (await seen(handler, job.meta)).phase is RemotePhase.SUCCEEDED


async def test_cluster_without_a_state_says_nothing(emr: FakeEmr, handler: ClusterHandler) -> None:
    request = cluster_request(emr)
    job = await handler.create(request)
    next(iter(emr.clusters.values()))["Status"] = {"Timeline": {}, "State": "WAITING"}
    emr.ListClusters = lambda params: {  # type: ignore[method-assign]
        "Clusters": [{"Id": "j-0001", "Name": request.name, "Status": {}}]
    }
    with pytest.raises(Unavailable):
        await handler.find(CONNECTION, request.name, b"")
    assert (await seen(handler, job.meta)).phase is RemotePhase.RUNNING


TEXTS = [
    (CLOSED, Refusal.CLUSTER_CLOSED),
    ("Cluster j-1 is already terminated", Refusal.CLUSTER_CLOSED),
    (FULL, Refusal.CLUSTER_FULL),
    ("Cluster id 'j-1' is not valid.", Refusal.NO_SUCH_CLUSTER),
    ("Specified job flow ID does not exist.", Refusal.NO_SUCH_CLUSTER),
    ("Specified job flow ID not valid", Refusal.NO_SUCH_CLUSTER),
    ("Step id 's-1' is not valid.", Refusal.NO_SUCH_STEP),
    (
        "Could not shut down one or more job flows since they are termination protected.",
        Refusal.PROTECTED,
    ),
    ("Cannot add steps with ActionOnFailure TERMINATE_CLUSTER", Refusal.OTHER),
]


@pytest.mark.parametrize("code", ["ValidationException", "InvalidRequestException"])
@pytest.mark.parametrize(("text", "meaning"), TEXTS, ids=[text[:30] for text, _ in TEXTS])
def test_text_of_a_refusal(code: str, text: str, meaning: Refusal) -> None:
    assert refusal(refused(text, code)) is meaning


def test_text_counts_for_refusals_alone() -> None:
    assert refusal(refused(CLOSED, "InternalServerException", 500)) is Refusal.OTHER


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Main Class not found.", "MAIN_CLASS_NOT_FOUND"),
        ("exitCode", "EXIT_CODE"),
        ("42", ""),
        ("x" * 99, "X" * 63),
    ],
)
def test_stable_reason(said: str, reason: str) -> None:
    assert stable_reason(said) == reason
