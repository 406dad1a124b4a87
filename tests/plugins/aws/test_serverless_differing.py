"""EMR Serverless: an application that differs from what a spec describes is refused, told or changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from propwash.sdk import Job, RemotePhase, Unavailable
from propwash_aws.runs.keys import read_meta
from propwash_aws.sandbox.applications import Application
from propwash_aws.sandbox.errors import AwsError
from tests.plugins.aws.aws_sandbox_rig import AwsRig, aws_rig
from tests.plugins.aws.described_runs import (
    CHANGES,
    IMAGE,
    MAKES,
    NEVER,
    SOON,
    SPARK,
    changed,
    create,
    refused,
    waits,
    wanted,
)


@pytest.fixture
async def rig() -> AsyncIterator[AwsRig]:
    async with aws_rig("emr_serverless", **CHANGES) as made:
        yield made


@pytest.mark.parametrize(
    "described",
    [
        {"releaseLabel": "emr-7.6.0"},
        {"architecture": "ARM64"},
        {"maximumCapacity": {"cpu": "4 vCPU", "memory": "16 GB"}},
        {"imageConfiguration": {"imageUri": f"{IMAGE}:v1"}},
        {"name": "another"},
    ],
)
async def test_what_differs_is_refused_unless_the_spec_says_otherwise(
    rig: AwsRig, described: dict[str, Any]
) -> None:
    request = wanted(rig, described, applicationId="00sandboxapp")
    said = await refused(rig, request, "APPLICATION_DIFFERS")
    assert "application 00sandboxapp differs from what is described: " in said
    assert next(iter(described)) in said
    assert rig.live_count(request.name) == 0
    assert rig.calls("emr-serverless.UpdateApplication") == 0


async def test_a_run_may_go_on_and_says_what_differs(rig: AwsRig) -> None:
    described = {"releaseLabel": "emr-7.6.0", "architecture": "ARM64", "ifDifferent": "RUN"}
    job = await create(rig, wanted(rig, described, applicationId="00sandboxapp"))
    assert job.observation.message == (
        "the run is submitted; application 00sandboxapp differs from what is described: releaseLabel is emr-7.5.0, "
        "not emr-7.6.0; architecture is X86_64, not ARM64"
    )
    rig.advance(0.5)
    short = "the application differs from what is described in releaseLabel architecture"
    assert (await rig.look(job.meta)).message == f"the run is running; {short}"
    rig.advance(2.0)
    seen = await rig.look(job.meta)
    assert (seen.message, seen.outputs["application_differs"]) == (short, "releaseLabel architecture")


async def test_a_failure_is_not_taken_for_another_by_what_differs(rig: AwsRig) -> None:
    capacity = {"maximumCapacity": {"cpu": "4 vCPU", "memory": "16 GB"}, "ifDifferent": "RUN"}
    tags = {**SOON, "sandbox-fail-reason": "user_error"}
    job = await create(rig, wanted(rig, capacity, applicationId="00sandboxapp", tags=tags))
    rig.advance(3.0)
    seen = await rig.look(job.meta)
    assert (seen.phase, seen.reason) == (RemotePhase.FAILED, "USER_ERROR")
    assert "maximumCapacity" in seen.message


async def test_a_change_needs_the_connection_s_permission() -> None:
    async with aws_rig("emr_serverless", **MAKES) as rig:
        described = {"releaseLabel": "emr-7.6.0", "ifDifferent": "UPDATE"}
        said = await refused(rig, wanted(rig, described, applicationId="00sandboxapp"), "APPLICATION_DIFFERS")
        assert "connection aws changes none" in said
        assert "set updates_applications in the connection" in said


async def test_an_application_is_changed_when_it_is_idle_and_only_then(rig: AwsRig) -> None:
    before = await create(rig, rig.request({"jobDriver": SPARK, "tags": NEVER}))
    described = {
        "releaseLabel": "emr-7.6.0",
        "imageConfiguration": {"imageUri": f"{IMAGE}:v1"},
        "ifDifferent": "UPDATE",
    }
    request = wanted(rig, described, applicationId="00sandboxapp")
    said = await waits(rig, request, "APPLICATION_NOT_UPDATED")
    assert "when no run is live on it" in said
    handler: Any = rig.handler
    await handler.delete(rig.connection, read_meta(before.meta).name, before.meta, b"")
    rig.advance(1.0)
    job = await changed(rig, request)
    rig.advance(3.0)
    outputs = (await rig.look(job.meta)).outputs
    assert (outputs["image"], outputs["release_label"]) == (f"{IMAGE}:v1", "emr-7.6.0")
    assert "application_differs" not in outputs


async def test_an_image_may_be_changed_and_changed_back(rig: AwsRig) -> None:
    for number, tag in enumerate(("v1", "v2", "v1", "v1")):
        described = {
            "imageConfiguration": {"imageUri": f"{IMAGE}:{tag}"},
            "architecture": "ARM64",
            "ifDifferent": "UPDATE_IMAGE",
        }
        request = wanted(rig, described, applicationId="00sandboxapp")
        job = await (create if number == 3 else changed)(rig, request)
        rig.advance(3.0)
        seen = await rig.look(job.meta)
        assert (seen.outputs["image"], seen.outputs["application_differs"]) == (
            f"{IMAGE}:{tag}",
            "architecture",
        )
        rig.advance(1.0)
    assert rig.calls("emr-serverless.UpdateApplication") == 3


async def test_a_run_starts_in_the_image_that_its_application_was_given_for_it(rig: AwsRig) -> None:
    services = rig.stand_in.serverless.applications
    services.stop(services.get("00sandboxapp"))
    rig.advance(1.0)
    requests = []
    for tag in ("v1", "v2", "v3"):
        described = {"imageConfiguration": {"imageUri": f"{IMAGE}:{tag}"}, "ifDifferent": "UPDATE_IMAGE"}
        requests.append(wanted(rig, described, applicationId="00sandboxapp"))
    answers = await asyncio.gather(*(create(rig, one) for one in requests), return_exceptions=True)
    begun = [one for one in answers if isinstance(one, Job)]
    assert len(begun) == 1
    others = [one for one in answers if isinstance(one, Unavailable)]
    assert [one.reason for one in others] == ["APPLICATION_NOT_UPDATED"] * 2
    rig.advance(3.0)
    number = answers.index(begun[0])
    assert (await rig.look(begun[0].meta)).outputs["image"] == f"{IMAGE}:v{number + 1}"


@pytest.mark.parametrize("is_started", [True, False])
async def test_a_refused_change_is_for_good_unless_another_run_was_first(
    rig: AwsRig, is_started: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = rig.stand_in.serverless.applications
    services.stop(services.get("00sandboxapp"))
    rig.advance(1.0)

    def refusing(application: Application, _asked: object) -> None:
        if is_started:
            services.start(application)
        raise AwsError("ValidationException", "not now")

    monkeypatch.setattr(services, "update", refusing)
    request = wanted(
        rig, {"releaseLabel": "emr-7.6.0", "ifDifferent": "UPDATE"}, applicationId="00sandboxapp"
    )
    if is_started:
        assert "it is STARTING" in await waits(rig, request, "APPLICATION_NOT_UPDATED")
    else:
        said = await refused(rig, request, "APPLICATION_DIFFERS")
        assert said.endswith("changing it was refused: not now")


async def test_a_name_cannot_be_changed(rig: AwsRig) -> None:
    described = {"name": "another", "ifDifferent": "UPDATE"}
    await refused(rig, wanted(rig, described, applicationId="00sandboxapp"), "APPLICATION_DIFFERS")


async def test_an_application_that_is_not_there_is_refused(rig: AwsRig) -> None:
    request = wanted(rig, {"releaseLabel": "emr-7.5.0"}, applicationId="00aaaaaaaaaaaaaa")
    await refused(rig, request, "RESOURCE_NOT_FOUND")


async def test_a_terminated_application_that_is_named_takes_no_run_ever(rig: AwsRig) -> None:
    services = rig.stand_in.serverless.applications
    services.stop(services.get("00sandboxapp"))
    rig.advance(1.0)
    services.delete(services.get("00sandboxapp"))
    request = wanted(rig, {"releaseLabel": "emr-7.5.0"}, applicationId="00sandboxapp")
    await refused(rig, request, "APPLICATION_TERMINATED")
