"""EMR on EC2 at the stand-in, as botocore parses it: steps, their limits, transient clusters, lists, faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import (  # type: ignore[import-untyped]  # botocore has no types
    ClientError,
    ConnectionClosedError,
)

from propwash.sandbox import FaultKind
from tests.sandbox.aws_sandbox_rig import CLUSTER, AwsServices, aws_services, listed

LASTING = "--sandbox-duration-ms=2000"
ENDLESS = "--sandbox-stuck=true"


@pytest.fixture
async def aws() -> AsyncIterator[AwsServices]:
    async with aws_services() as made:
        yield made


async def steps(aws: AwsServices, **asked: Any) -> list[dict[str, Any]]:
    return await listed(
        aws.emr.list_steps, "Steps", token="Marker", more="Marker", ClusterId=CLUSTER, **asked
    )


async def transient(aws: AwsServices, *words: str, **more: Any) -> str:
    given = {
        "Name": "pw-a",
        "ReleaseLabel": "emr-7.5.0",
        "Instances": {"InstanceCount": 1, "MasterInstanceType": "m5.xlarge"},
        "JobFlowRole": "EMR_EC2_DefaultRole",
        "ServiceRole": "EMR_DefaultRole",
        "Steps": [
            {
                "Name": "one",
                "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["true", *words]},
                "ActionOnFailure": "TERMINATE_CLUSTER",
            }
        ],
    }
    return str((await aws.emr.run_job_flow(**{**given, **more}))["JobFlowId"])


async def status(aws: AwsServices, cluster: str) -> tuple[str, str]:
    found = (await aws.emr.describe_cluster(ClusterId=cluster))["Cluster"]["Status"]
    return found["State"], found["StateChangeReason"].get("Code", "")


def pass_slowly(aws: AwsServices, seconds: int) -> None:
    """Let time pass in which one thing leads to another."""
    for _ in range(seconds * 2):
        aws.pass_time(0.5)


async def test_a_step_runs_by_the_clock_and_says_when(aws: AwsServices) -> None:
    step = await aws.step(LASTING)
    seen = [await aws.step_state(step)]
    for _ in range(3):
        aws.pass_time(1)
        seen.append(await aws.step_state(step))
    assert seen[0] in ("PENDING", "RUNNING")
    assert seen[1:] == ["RUNNING", "COMPLETED", "COMPLETED"]
    timeline = (await aws.emr.describe_step(ClusterId=CLUSTER, StepId=step))["Step"]["Status"]["Timeline"]
    assert timeline["CreationDateTime"] <= timeline["StartDateTime"] < timeline["EndDateTime"]


@pytest.mark.parametrize("reason", ["unknown_error", "main_class", "internal_error"])
async def test_a_step_fails_with_what_it_is_told(aws: AwsServices, reason: str) -> None:
    step = await aws.step(LASTING, f"--sandbox-fail-reason={reason}")
    aws.pass_time(3)
    found = (await aws.emr.describe_step(ClusterId=CLUSTER, StepId=step))["Step"]["Status"]
    assert found["State"] == "FAILED"
    assert found["FailureDetails"]["Reason"]


async def test_steps_of_one_name_are_steps_of_their_own(aws: AwsServices) -> None:
    assert await aws.step(ENDLESS) != await aws.step(ENDLESS)
    assert [one["Name"] for one in await steps(aws)] == ["pw-a", "pw-a"]
    assert aws.world.ledger.summary()["created_twice"] == 1


async def test_a_cluster_takes_256_live_steps_and_a_list_has_pages_newest_first(aws: AwsServices) -> None:
    made = [await aws.step(ENDLESS, name=f"pw-{number:03}") for number in range(256)]
    with pytest.raises(ClientError) as refused:
        await aws.step(ENDLESS)
    assert refused.value.response["Error"]["Code"] in ("ValidationException", "InvalidRequestException")
    first = await aws.emr.list_steps(ClusterId=CLUSTER)
    assert len(first["Steps"]) == 50
    assert [one["Id"] for one in await steps(aws)] == list(reversed(made))
    some = await aws.emr.list_steps(ClusterId=CLUSTER, StepIds=made[:10])
    assert {one["Id"] for one in some["Steps"]} == set(made[:10])
    await aws.emr.cancel_steps(ClusterId=CLUSTER, StepIds=made)
    aws.pass_time(1)
    assert await steps(aws, StepStates=["PENDING", "RUNNING", "CANCEL_PENDING"]) == []
    assert await aws.step(LASTING)


async def test_a_cancel_is_taken_once_and_takes_effect_a_little_later(aws: AwsServices) -> None:
    running = await aws.step(ENDLESS)
    aws.pass_time(1)
    told = []
    for seconds in (0, 1, 0):
        answer = await aws.emr.cancel_steps(ClusterId=CLUSTER, StepIds=[running])
        told.append((answer["CancelStepsInfoList"][0]["Status"], await aws.step_state(running)))
        aws.pass_time(seconds)
    assert told == [("SUBMITTED", "CANCEL_PENDING"), ("FAILED", "CANCEL_PENDING"), ("FAILED", "CANCELLED")]
    assert aws.world.ledger.summary()["live"] == 0


async def test_a_transient_cluster_ends_with_its_last_step(aws: AwsServices) -> None:
    cluster = await transient(aws, LASTING)
    seen = [(await status(aws, cluster))[0]]
    for _ in range(8):
        aws.pass_time(0.5)
        state = (await status(aws, cluster))[0]
        if state != seen[-1]:
            seen.append(state)
    assert seen[0] == "STARTING"
    assert seen[-1] == "TERMINATED"
    assert "RUNNING" in seen
    assert (await status(aws, cluster))[1] == "ALL_STEPS_COMPLETED"
    assert aws.world.ledger.summary()["live"] == 0


async def test_a_failed_step_may_end_its_cluster(aws: AwsServices) -> None:
    cluster = await transient(aws, LASTING, "--sandbox-fail-reason=unknown_error")
    pass_slowly(aws, 10)
    assert await status(aws, cluster) == ("TERMINATED_WITH_ERRORS", "STEP_FAILURE")


async def test_a_cluster_is_terminated_and_its_steps_with_it(aws: AwsServices) -> None:
    cluster = await transient(aws, ENDLESS)
    aws.pass_time(5)
    assert (await status(aws, cluster))[0] == "RUNNING"
    await aws.emr.terminate_job_flows(JobFlowIds=[cluster])
    aws.pass_time(5)
    assert await status(aws, cluster) == ("TERMINATED", "USER_REQUEST")
    (step,) = (await aws.emr.list_steps(ClusterId=cluster))["Steps"]
    assert step["Status"]["State"] in ("CANCELLED", "INTERRUPTED")


async def test_a_protected_cluster_is_not_terminated(aws: AwsServices) -> None:
    instances = {"InstanceCount": 1, "MasterInstanceType": "m5.xlarge", "TerminationProtected": True}
    cluster = await transient(aws, ENDLESS, Instances=instances)
    with pytest.raises(ClientError):
        await aws.emr.terminate_job_flows(JobFlowIds=[cluster])
    await aws.emr.set_termination_protection(JobFlowIds=[cluster], TerminationProtected=False)
    await aws.emr.terminate_job_flows(JobFlowIds=[cluster])


async def test_clusters_are_listed_by_state_and_creation_in_pages(aws: AwsServices) -> None:
    made = []
    for number in range(60):
        made.append(await transient(aws, ENDLESS, Name=f"pw-{number:02}"))
        aws.pass_time(1)
    aws.pass_time(5)
    asked = {"token": "Marker", "more": "Marker"}
    running = await listed(aws.emr.list_clusters, "Clusters", **asked, ClusterStates=["RUNNING"])
    assert [one["Id"] for one in running] == list(reversed(made))
    middle = (await aws.emr.describe_cluster(ClusterId=made[29]))["Cluster"]["Status"]["Timeline"][
        "CreationDateTime"
    ]
    since = await listed(
        aws.emr.list_clusters, "Clusters", **asked, CreatedAfter=middle, ClusterStates=["RUNNING"]
    )
    assert [one["Id"] for one in since] == list(reversed(made[29:]))


@pytest.mark.parametrize("call", ["describe_cluster", "list_steps"])
async def test_what_is_not_there_is_said_as_emr_does(aws: AwsServices, call: str) -> None:
    with pytest.raises(ClientError) as refused:
        await getattr(aws.emr, call)(ClusterId="j-0000000000000")
    assert refused.value.response["Error"]["Code"] == "InvalidRequestException"
    assert "is not valid" in refused.value.response["Error"]["Message"]


async def test_a_cluster_that_has_ended_takes_no_step(aws: AwsServices) -> None:
    cluster = await transient(aws, LASTING)
    pass_slowly(aws, 10)
    with pytest.raises(ClientError) as refused:
        await aws.step(cluster=cluster)
    assert refused.value.response["Error"]["Code"] in ("ValidationException", "InvalidRequestException")


@pytest.mark.parametrize(
    ("kind", "more", "code", "made"),
    [
        (FaultKind.THROTTLE, {}, "ThrottlingException", 0),
        (FaultKind.SERVER_ERROR, {"status": 500}, "InternalServerException", 0),
        (FaultKind.LOST_ANSWER, {}, "", 1),
        (FaultKind.DROPPED_REQUEST, {}, "", 0),
        (FaultKind.LATE_CREATE, {"duration_s": 5}, "", 0),
    ],
)
async def test_a_fault_answers_in_emr_s_words_and_applies_what_it_says(
    aws: AwsServices, kind: FaultKind, more: dict[str, Any], code: str, made: int
) -> None:
    aws.break_with(kind, **more)
    with pytest.raises(ClientError if code else ConnectionClosedError) as refused:
        await aws.step(ENDLESS)
    if code:
        assert refused.value.response["Error"]["Code"] == code
    assert len(aws.world.ledger.jobs) == made
    aws.mend()
    aws.pass_time(5)
    await steps(aws)
    assert len(aws.world.ledger.jobs) == made + (kind is FaultKind.LATE_CREATE)
    assert await aws.step(ENDLESS)
