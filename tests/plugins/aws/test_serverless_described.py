"""EMR Serverless: applications that specs describe by name are found or made, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import Deletion, Permanent, RemotePhase, Unavailable
from propwash_aws.accounts import Accounts
from propwash_aws.runs.keys import read_meta
from propwash_aws.serverless import ServerlessHandler
from tests.plugins.aws.aws_sandbox_rig import AwsRig, aws_rig
from tests.plugins.aws.described_runs import (
    CHANGES,
    ETL,
    MAKES,
    NEVER,
    applications,
    begun,
    create,
    refused,
    waits,
    wanted,
)


@pytest.fixture
async def rig() -> AsyncIterator[AwsRig]:
    async with aws_rig("emr_serverless", **CHANGES) as made:
        yield made


async def test_an_application_is_made_and_the_run_waits_until_it_takes_runs(rig: AwsRig) -> None:
    capacity = {"Driver": {"workerCount": 2, "workerConfiguration": {"cpu": "2vCPU", "memory": "4GB"}}}
    described = {**ETL, "initialCapacity": capacity, "tags": {"team": "a"}}
    job = await begun(rig, wanted(rig, described))
    (made,) = applications(rig)
    assert read_meta(job.meta).place == made.id
    sent = {name: one for name, one in made.first_asked.items() if name != "clientToken"}
    tags = {"team": "a", "propwash-owner": "battery"}
    assert sent == {**described, "type": "SPARK", "tags": tags}
    rig.advance(3.0)
    seen = await rig.look(job.meta)
    assert (seen.phase, seen.message) == (RemotePhase.SUCCEEDED, "")
    await create(rig, wanted(rig, described))
    assert len(applications(rig)) == 1
    assert rig.calls("emr-serverless.CreateApplication") == 1


async def test_a_hive_run_makes_an_application_for_hive(rig: AwsRig) -> None:
    request = wanted(rig, ETL, jobDriver={"hive": {"query": "s3://b/q.ql"}})
    await begun(rig, request)
    assert [one.asked["type"] for one in applications(rig)] == ["HIVE"]


async def test_without_permission_none_is_made_and_it_is_said_what_to_do() -> None:
    async with aws_rig("emr_serverless") as rig:
        said = await refused(rig, wanted(rig, ETL), "APPLICATION_NOT_FOUND")
        assert "set creates_applications in the connection" in said
        assert "no application etl in us-east-1, and connection aws makes none" in said
        assert applications(rig) == []
        # One that is there needs no permission.
        sandbox = {"name": "sandbox", "releaseLabel": "emr-7.5.0"}
        job = await create(rig, wanted(rig, sandbox))
        assert read_meta(job.meta).place == "00sandboxapp"


async def test_the_connection_s_prefix_goes_before_a_name() -> None:
    async with aws_rig("emr_serverless", application_name_prefix="team-", **MAKES) as rig:
        request = wanted(rig, ETL)
        await begun(rig, request)
        await create(rig, wanted(rig, {**ETL, "name": "team-etl"}))
        assert len(applications(rig, "team-etl")) == 1
        found = await ServerlessHandler.find(rig.handler, rig.connection, request.name, request.hint)  # type: ignore[arg-type]
        assert found is not None


async def test_lost_answers_make_one_application(rig: AwsRig) -> None:
    request = wanted(rig, ETL)
    rig.fault(FaultKind.LOST_ANSWER, MethodClass.CREATE, limit=3)
    for _ in range(3):
        await waits(rig, request, "NO_ANSWER")
    assert len(applications(rig)) == 1
    assert rig.live_count(request.name) == 0
    rig.advance(1.0)
    await create(rig, request)
    assert len(applications(rig)) == 1
    assert rig.live_count(request.name) == 1


async def test_a_lost_run_on_a_new_application_is_found_and_ended_by_its_name(rig: AwsRig) -> None:
    request = wanted(rig, ETL, tags=NEVER)
    await waits(rig, request, "APPLICATION_NOT_STARTED")
    rig.advance(1.0)
    rig.fault(FaultKind.LOST_ANSWER, MethodClass.CREATE)
    await waits(rig, request, "NO_ANSWER")
    assert rig.live_count(request.name) == 1
    handler: Any = rig.handler
    assert await handler.find(rig.connection, request.name, request.hint) is not None
    assert await handler.delete(rig.connection, request.name, None, request.hint) is Deletion.PENDING


async def test_a_name_that_might_be_an_id_is_none_where_the_application_is_not_made(rig: AwsRig) -> None:
    request, handler = wanted(rig, {**ETL, "name": "00abcdefghijklmn"}), rig.handler
    assert await handler.find(rig.connection, request.name, request.hint) is None  # type: ignore[misc]
    assert rig.calls("emr-serverless.ListJobRuns") == 0


async def test_many_at_once_on_several_servers_make_one_application(rig: AwsRig) -> None:
    other = ServerlessHandler(accounts=Accounts(now=rig.clock.now, wall=rig.clock.now))
    requests = [wanted(rig, ETL) for _ in range(20)]
    try:
        answers = await asyncio.gather(
            *(create(rig, one) for one in requests[:10]),
            *(other.create(one) for one in requests[10:]),
            return_exceptions=True,
        )
    finally:
        await other.close()
    assert {type(one) for one in answers} == {Unavailable}
    assert len(applications(rig)) == 1
    assert rig.calls("emr-serverless.CreateApplication") <= 2


async def test_who_describes_the_name_otherwise_at_the_same_time_finds_the_first(rig: AwsRig) -> None:
    other = ServerlessHandler(accounts=Accounts(now=rig.clock.now, wall=rig.clock.now))
    await rig.handler.list(rig.connection, "nobody")  # type: ignore[misc]
    first, second = wanted(rig, ETL), wanted(rig, {**ETL, "releaseLabel": "emr-7.6.0"})
    try:
        # It has read the list by now, and makes what it does not see there.
        await other.list(rig.connection, "nobody")
        await waits(rig, first, "APPLICATION_NOT_STARTED")
        with pytest.raises(Unavailable) as raised:
            await other.create(second)
        assert raised.value.reason == "CONFLICT"
        with pytest.raises(Permanent) as differs:
            await other.create(second)
        assert differs.value.reason == "APPLICATION_DIFFERS"
    finally:
        await other.close()
    assert len(applications(rig)) == 1


async def test_a_name_is_made_again_when_its_application_is_terminated(rig: AwsRig) -> None:
    await begun(rig, wanted(rig, ETL))
    rig.advance(10.0)
    services = rig.stand_in.serverless.applications
    for generation in (1, 2):
        last = applications(rig)[-1]
        services.stop(last)
        rig.advance(1.0)
        services.delete(last)
        # The list that is kept still has it.
        request = wanted(rig, ETL)
        await waits(rig, request, "APPLICATION_NOT_STARTED")
        rig.advance(10.0)
        await begun(rig, request)
        assert len(applications(rig)) == generation + 1
        rig.advance(10.0)


async def test_nothing_is_made_for_a_run_that_cannot_be(rig: AwsRig) -> None:
    driver = {"sparkSubmit": {"entryPoint": "{{ .inputs.missing }}"}}
    await refused(rig, wanted(rig, ETL, jobDriver=driver), "INVALID_INPUTS")
    assert applications(rig) == []


async def test_a_description_that_is_refused_is_refused_for_good(rig: AwsRig) -> None:
    # The service's own limit, which the spec leaves to it.
    tags = {"team": "ä"}
    assert "tags" in await refused(rig, wanted(rig, {**ETL, "tags": tags}), "VALIDATION")


async def test_runs_on_applications_that_are_made_are_swept(rig: AwsRig) -> None:
    job = await begun(rig, wanted(rig, ETL, tags=NEVER))
    rig.advance(11.0)
    listed: Any = rig.handler.list(rig.connection, "battery")
    assert [one.meta for one in await listed] == [job.meta]
