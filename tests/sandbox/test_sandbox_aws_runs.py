"""EMR Serverless and EMR on EKS at the stand-in, as botocore parses them: states, tokens, lists, cancels, faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from botocore.exceptions import (  # type: ignore[import-untyped]  # botocore has no types
    ClientError,
    ConnectionClosedError,
)

from propwash.sandbox import FaultKind
from propwash.sandbox.speed import parse_speed
from tests.sandbox.aws_sandbox_rig import APPLICATION, VIRTUAL_CLUSTER, AwsServices, aws_services, listed

LASTING = {"sandbox-duration-ms": "2000"}


@pytest.fixture
async def aws() -> AsyncIterator[AwsServices]:
    async with aws_services() as made:
        yield made


class Service:
    """What both services have, by one name each."""

    def __init__(self, aws: AwsServices, name: str) -> None:
        self.aws = aws
        self.is_serverless = name == "serverless"
        place = (
            {"applicationId": APPLICATION} if self.is_serverless else {"virtualClusterId": VIRTUAL_CLUSTER}
        )
        self.place: dict[str, Any] = place
        self.client = aws.serverless if self.is_serverless else aws.containers
        self.start: Callable[..., Any] = aws.serverless_run if self.is_serverless else aws.container_run
        self.words = (
            ("SCHEDULED", "SUCCESS", "CANCELLING")
            if self.is_serverless
            else ("SUBMITTED", "COMPLETED", "CANCEL_PENDING")
        )

    async def run(self, run: str) -> dict[str, Any]:
        if self.is_serverless:
            found = await self.client.get_job_run(jobRunId=run, **self.place)
        else:
            found = await self.client.describe_job_run(id=run, **self.place)
        made: dict[str, Any] = found["jobRun"]
        return made

    async def state(self, run: str) -> str:
        return str((await self.run(run))["state"])

    async def cancel(self, run: str) -> Any:
        return await self.client.cancel_job_run(
            **{"jobRunId" if self.is_serverless else "id": run}, **self.place
        )

    async def listed(self, **asked: Any) -> list[str]:
        runs = await listed(
            self.client.list_job_runs, "jobRuns", token="nextToken", more="nextToken", **self.place, **asked
        )
        return [run["name"] for run in runs]


both = pytest.mark.parametrize("name", ["serverless", "containers"])


@both
async def test_states_follow_the_clock(aws: AwsServices, name: str) -> None:
    service = Service(aws, name)
    aws.world.speed.speed = parse_speed({"pending_ms": 1000})
    run = await service.start(tags=LASTING)
    seen = [await service.state(run)]
    for _ in range(3):
        aws.pass_time(1)
        seen.append(await service.state(run))
    before, after = seen[0], seen[1:]
    assert before in ("SUBMITTED", "PENDING", "SCHEDULED")
    assert after == ["RUNNING", "RUNNING", service.words[1]]
    whole = await service.run(run)
    assert whole["name"] == "pw-a"
    assert whole["tags"] == LASTING


@both
async def test_a_client_token_is_one_run_and_only_with_the_same_content(aws: AwsServices, name: str) -> None:
    service = Service(aws, name)
    first = await service.start("t", tags=LASTING)
    assert await service.start("t", tags=LASTING) == first
    with pytest.raises(ClientError) as refused:
        await service.start("t", name="pw-other", tags=LASTING)
    assert refused.value.response["Error"]["Code"] in ("ConflictException", "ValidationException")
    assert await service.start("u", tags=LASTING) != first
    assert aws.world.ledger.summary()["live"] == 2


@both
async def test_pages_of_a_list_are_newest_first_and_neither_repeat_nor_miss(
    aws: AwsServices, name: str
) -> None:
    service = Service(aws, name)
    for number in range(120):
        await service.start(f"t{number}", name=f"pw-{number:03}", tags=LASTING)
        aws.pass_time(0.001)
    found = await service.listed(maxResults=50)
    assert found == [f"pw-{number:03}" for number in reversed(range(120))]
    assert await service.listed(states=[service.words[1]]) == []
    aws.pass_time(3)
    assert len(await service.listed(states=[service.words[1]])) == 120
    assert await service.listed(states=["RUNNING"]) == []


@both
async def test_a_cancel_takes_effect_a_little_later(aws: AwsServices, name: str) -> None:
    service = Service(aws, name)
    run = await service.start(tags={"sandbox-stuck": "true"})
    aws.pass_time(5)
    assert await service.state(run) == "RUNNING"
    await service.cancel(run)
    assert await service.state(run) == service.words[2]
    aws.pass_time(1)
    assert await service.state(run) == "CANCELLED"
    assert aws.world.ledger.summary()["live"] == 0


@both
async def test_a_run_fails_with_what_it_is_told_for_so_many_attempts(aws: AwsServices, name: str) -> None:
    service = Service(aws, name)
    run = await service.start(tags={**LASTING, "sandbox-fail-reason": "USER_ERROR"})
    aws.pass_time(3)
    assert await service.state(run) == "FAILED"
    whole = await service.run(run)
    assert whole["stateDetails"]


@both
async def test_what_is_not_there_is_said_as_the_service_does(aws: AwsServices, name: str) -> None:
    service = Service(aws, name)
    missing = ("ResourceNotFoundException", 404)
    # EMR on EKS' CancelJobRun has no such error in its model.
    expected = {
        service.run: missing,
        service.cancel: missing if service.is_serverless else ("ValidationException", 400),
    }
    for call, (code, status) in expected.items():
        with pytest.raises(ClientError) as refused:
            await call("0000000000000000000")
        told = refused.value.response
        assert (told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


@both
@pytest.mark.parametrize(
    ("kind", "more", "code", "made"),
    [
        (FaultKind.THROTTLE, {}, "ThrottlingException", 0),
        (FaultKind.QUOTA, {}, "ServiceQuotaExceededException", 0),
        (FaultKind.SERVER_ERROR, {"status": 500}, "InternalServerException", 0),
        (FaultKind.LOST_ANSWER, {}, "", 1),
        (FaultKind.DROPPED_REQUEST, {}, "", 0),
    ],
)
async def test_a_fault_answers_in_the_service_s_words_and_applies_what_it_says(
    aws: AwsServices, name: str, kind: FaultKind, more: dict[str, Any], code: str, made: int
) -> None:
    service = Service(aws, name)
    aws.break_with(kind, **more)
    with pytest.raises(ClientError if code else ConnectionClosedError) as refused:
        await service.start()
    if code:
        assert refused.value.response["Error"]["Code"] in (code, "ValidationException"), refused.value
    assert len(aws.world.ledger.jobs) == made
    aws.mend()
    assert await service.start()


@both
async def test_a_late_create_is_applied_after_its_caller_gave_up(aws: AwsServices, name: str) -> None:
    service = Service(aws, name)
    aws.break_with(FaultKind.LATE_CREATE, duration_s=5)
    with pytest.raises(ConnectionClosedError):
        await service.start()
    aws.mend()
    assert await service.listed() == []
    aws.pass_time(5)
    assert await service.listed() == ["pw-a"]


@both
async def test_a_list_may_miss_the_newest(aws: AwsServices, name: str) -> None:
    service = Service(aws, name)
    await service.start("t", name="pw-old", tags={"sandbox-stuck": "true"})
    aws.pass_time(10)
    await service.start("u", name="pw-new", tags={"sandbox-stuck": "true"})
    aws.break_with(FaultKind.LIST_MISSES_NEWEST, duration_s=5)
    assert await service.listed() == ["pw-old"]
    aws.pass_time(6)
    assert await service.listed() == ["pw-new", "pw-old"]


async def test_a_stopped_application_starts_by_itself_or_refuses(aws: AwsServices) -> None:
    made = {}
    for starts in (True, False):
        created = await aws.serverless.create_application(
            name=f"app-{starts}",
            releaseLabel="emr-7.5.0",
            type="SPARK",
            clientToken=f"app-{starts}",
            autoStartConfiguration={"enabled": starts},
        )
        made[starts] = created["applicationId"]
    with pytest.raises(ClientError, match="CREATING"):
        await aws.serverless_run(applicationId=made[True])
    aws.pass_time(1)
    assert await aws.serverless_run(applicationId=made[True])
    with pytest.raises(ClientError) as refused:
        await aws.serverless_run(applicationId=made[False])
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    await aws.serverless.start_application(applicationId=made[False])
    aws.pass_time(60)
    found = await aws.serverless.get_application(applicationId=made[False])
    assert found["application"]["state"] == "STARTED"
    assert await aws.serverless_run(applicationId=made[False])


async def test_an_application_is_made_once_a_token(aws: AwsServices) -> None:
    asked = {"name": "a", "releaseLabel": "emr-7.5.0", "type": "SPARK", "clientToken": "t"}
    first, again = [await aws.serverless.create_application(**asked) for _ in range(2)]
    assert first["applicationId"] == again["applicationId"]
    with pytest.raises(ClientError) as refused:
        await aws.serverless.create_application(**{**asked, "releaseLabel": "emr-7.6.0"})
    assert refused.value.response["Error"]["Code"] == "ConflictException"


async def test_an_application_is_changed_when_it_is_stopped_and_that_when_it_has_no_runs(
    aws: AwsServices,
) -> None:
    place = {"applicationId": APPLICATION}
    run = await aws.serverless_run(tags={"sandbox-stuck": "true"})
    capacity = {"cpu": "4vCPU", "memory": "16GB"}
    changes = {**place, "clientToken": "t", "maximumCapacity": capacity}
    for call, said in (("stop_application", "not over"), ("update_application", "must be")):
        with pytest.raises(ClientError, match=said):
            await getattr(aws.serverless, call)(**(changes if call.startswith("update") else place))
    await aws.serverless.cancel_job_run(jobRunId=run, **place)
    aws.pass_time(1)
    await aws.serverless.stop_application(**place)
    aws.pass_time(1)
    image = {"imageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/spark:v1"}
    changed = await aws.serverless.update_application(**changes, imageConfiguration=image)
    # Written in the service's own way.
    assert changed["application"]["maximumCapacity"] == {"cpu": "4 vCPU", "memory": "16 GB"}
    found = (await aws.serverless.get_application(**place))["application"]
    assert (found["type"], found["imageConfiguration"], found["architecture"]) == ("Spark", image, "X86_64")
    later = await aws.serverless_run("u")
    told = (await aws.serverless.get_job_run(jobRunId=later, **place))["jobRun"]
    assert told["imageConfiguration"] == image


async def test_objects_are_put_and_read(aws: AwsServices) -> None:
    place = {"Bucket": "code", "Key": "a/b c.py"}
    async with aws.objects() as s3:
        with pytest.raises(ClientError) as missing:
            await s3.head_object(**place)
        assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        with pytest.raises(ClientError, match="NoSuchKey"):
            await s3.get_object(**place)
        put = await s3.put_object(Body=b"print()", ContentType="text/x-python", **place)
        head = await s3.head_object(**place)
        assert (head["ETag"], head["ContentLength"]) == (put["ETag"], 7)
        found = await s3.get_object(**place)
        assert (await found["Body"].read(), found["ContentType"]) == (b"print()", "text/x-python")
        with pytest.raises(ClientError, match="BadDigest"):
            await s3.put_object(Body=b"other", ChecksumSHA256="A" * 43 + "=", **place)


async def test_sts_says_who_calls_and_lends_a_role(aws: AwsServices) -> None:
    assert (await aws.sts.get_caller_identity())["Account"]
    lent = await aws.sts.assume_role(
        RoleArn="arn:aws:iam::123456789012:role/runs", RoleSessionName="propwash"
    )
    assert set(lent["Credentials"]) >= {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
