"""Applications and virtual clusters: found by id or name, swept, and checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from propwash.sdk import (
    Permanent,
    Unavailable,
)
from propwash_aws.runs.keys import read_meta
from tests.plugins.aws.runs_fake import FORMS, refusing
from tests.plugins.aws.runs_rig import OWNER, RunsRig, runs_rig


@pytest.fixture(params=FORMS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[RunsRig]:
    async with runs_rig(request.param) as made:
        yield made


async def test_the_sweep_sees_live_runs_of_the_owner_in_the_named_places(rig: RunsRig) -> None:
    rig.fake.add_place("00other", "other")
    request = rig.request()
    job = await rig.handler.create(request)
    await rig.handler.create(rig.request())
    rig.fake.runs[1].state = "FAILED"
    rig.fake.runs.append(type(rig.fake.runs[0])("00main", "x", "theirs", "", rig.fake.now_s, {}))
    listed = await rig.handler.list(rig.connection, OWNER)
    assert [(one.name, one.meta) for one in listed] == [(request.name, job.meta)]
    assert await rig.handler.list(rig.connection, "another") == []


async def test_without_named_places_the_sweep_sees_all(rig: RunsRig) -> None:
    rig.fake.add_place("00other", "other")
    field = "applicationId" if rig.form == "serverless" else "virtualClusterId"
    request = rig.request({field: "other"})
    await rig.handler.create(request)
    bare = replace(rig.connection, settings={"region": "eu-west-1", "credentials": "none"})
    assert [one.name for one in await rig.handler.list(bare, OWNER)] == [request.name]


@pytest.mark.parametrize("in_spec", [True, False])
async def test_a_place_that_is_not_there_is_the_fault_of_whoever_names_it(
    rig: RunsRig, in_spec: bool
) -> None:
    field = "applicationId" if rig.form == "serverless" else "virtualClusterId"
    setting = "serverless_application" if rig.form == "serverless" else "virtual_cluster"
    if in_spec:
        with pytest.raises(Permanent) as refused:
            await rig.handler.create(rig.request({field: "No-Such"}))
        assert refused.value.reason.endswith("_NOT_FOUND")
        return
    connection = rig.wire.connection(**{setting: "No-Such"})
    with pytest.raises(Unavailable) as raised:
        await rig.handler.create(rig.request(connection=connection))
    assert raised.value.reason.endswith("_NOT_FOUND")


async def test_a_name_that_several_have_is_refused_and_an_ended_one_does_not_count(rig: RunsRig) -> None:
    field = "applicationName" if rig.form == "serverless" else "virtualClusterName"
    rig.fake.add_place("00two", "twin")
    rig.fake.add_place("00three", "twin", state="TERMINATED")
    job = await rig.handler.create(rig.request({field: "twin"}))
    assert read_meta(job.meta).place == "00two"
    rig.fake.add_place("00four", "twin")
    rig.fake.now_s += 301
    with pytest.raises(Permanent) as raised:
        await rig.handler.create(rig.request({field: "twin"}))
    assert raised.value.reason.endswith("_AMBIGUOUS")


async def test_a_place_that_was_made_since_is_seen(rig: RunsRig) -> None:
    field = "applicationName" if rig.form == "serverless" else "virtualClusterName"
    await rig.handler.create(rig.request())
    rig.fake.add_place("00new", "brand-new")
    rig.fake.now_s += 11
    job = await rig.handler.create(rig.request({field: "brand-new"}))
    assert read_meta(job.meta).place == "00new"


async def test_a_job_goes_where_its_hint_says(rig: RunsRig) -> None:
    setting = "serverless_application" if rig.form == "serverless" else "virtual_cluster"
    rig.fake.add_place("00other", "other")
    admitted = rig.request()
    moved = replace(admitted, connection=rig.wire.connection(**{setting: "00other"}))
    job = await rig.handler.create(moved)
    assert read_meta(job.meta).place == "00main"


async def test_a_check_says_what_works_and_what_is_missing(rig: RunsRig) -> None:
    setting = "serverless_applications" if rig.form == "serverless" else "virtual_clusters"
    read = "GetJobRun" if rig.form == "serverless" else "DescribeJobRun"
    listed = "ListApplications" if rig.form == "serverless" else "ListVirtualClusters"
    found = await rig.handler.check(rig.connection)
    assert [one.what for one in found] == [
        "identity",
        listed,
        "ListJobRuns of main",
        read,
        "CancelJobRun",
    ]
    assert all(one.is_ok for one in found)
    assert found[0].message == "arn:aws:iam::123456789012:user/us"
    lacking = await rig.handler.check(rig.wire.connection(**{setting: ["nowhere"]}))
    assert next(one.what for one in lacking if not one.is_ok).endswith("nowhere")
    wrong = await rig.handler.check(rig.wire.connection(regoin="x"))
    assert [one.is_ok for one in wrong] == [False]
    assert "regoin" in wrong[0].message


@pytest.mark.parametrize(
    ("operation", "number"), [("ListPlaces", 1), ("ListJobRuns", 2), ("GetJobRun", 3), ("CancelJobRun", 4)]
)
async def test_a_check_names_the_action_to_allow(rig: RunsRig, operation: str, number: int) -> None:
    rig.fake.fault(operation, refusing("AccessDeniedException", "you may not", 403))
    found = await rig.handler.check(rig.connection)
    assert [one.is_ok for one in found[:number]] == [True] * number
    service = "emr-serverless" if rig.form == "serverless" else "emr-containers"
    assert found[number].is_ok is False
    assert found[number].remedy.startswith(f"allow {service}:")
