"""EMR Serverless applications that specs describe, and entry points in S3, against moto's server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # botocore has no types

from propwash.sdk import Observation, Permanent, RemotePhase, Unavailable
from propwash_aws.accounts import Accounts
from propwash_aws.serverless import ServerlessHandler
from propwash_aws.serverless.entry_points import PROGRAM, in_folder
from tests.witness.moto_witness import FORMS, KEYS, QUICK, REGION, RELEASE, MotoWitness, called, witness

pytestmark = pytest.mark.xdist_group("moto")
SERVERLESS = next(form for form in FORMS if form.name == "serverless")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def permitted(url: str, **settings: Any) -> AsyncIterator[MotoWitness]:
    """The handler with a connection that permits all, or what these settings say."""
    async with witness(url, SERVERLESS) as there:
        may = {"creates_applications": True, "updates_applications": True, **settings}
        there.connection = replace(there.connection, settings={**there.connection.settings, **may})
        yield there


@asynccontextmanager
async def client(url: str, service: str) -> AsyncIterator[Any]:
    shown = {"aws_access_key_id": KEYS["WITNESS_AWS_KEY"], "aws_secret_access_key": "no-secret"}
    async with get_session().create_client(service, region_name=REGION, endpoint_url=url, **shown) as made:
        yield made


async def test_a_described_application_is_made_found_and_changed(moto: str) -> None:
    async with permitted(moto) as there:
        name = f"made-{there.owner}"
        capacity = {"cpu": "40 vCPU", "memory": "160 GB"}
        application: dict[str, Any] = {
            "name": name,
            "releaseLabel": RELEASE,
            "maximumCapacity": capacity,
            "networkConfiguration": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
        }
        of_description: dict[str, Any] = {"applicationId": None, "application": application}
        job = await called(there.handler.create(there.request(**of_description)))
        assert (await there.ended(job.meta)).phase is RemotePhase.SUCCEEDED
        fresh = ServerlessHandler(accounts=Accounts())
        try:
            again = await fresh.create(there.request(**of_description))
            assert isinstance(again.observation, Observation)
            larger = {**application, "maximumCapacity": {"cpu": "80 vCPU", "memory": "160 GB"}}
            with pytest.raises(Permanent, match=r"maximumCapacity\.cpu is 40 vCPU, not 80 vCPU"):
                await fresh.create(there.request(**{**of_description, "application": larger}))
            updated = {**of_description, "application": {**larger, "ifDifferent": "UPDATE"}}
            with pytest.raises(Unavailable, match="it is being stopped"):
                await fresh.create(there.request(**updated))
            await fresh.create(there.request(**updated))
        finally:
            await fresh.close()
        async with client(moto, "emr-serverless") as serverless:
            listed = (await serverless.list_applications())["applications"]
            (made,) = [one["id"] for one in listed if one["name"] == name]
            found = (await serverless.get_application(applicationId=made))["application"]
        assert found["maximumCapacity"]["cpu"] == "80 vCPU"
        assert found["tags"] == {"propwash-owner": there.owner}


async def test_the_entry_point_of_commands_is_put_once(moto: str) -> None:
    location = "s3://witness-code/propwash/"
    async with client(moto, "s3") as s3:
        await s3.create_bucket(Bucket="witness-code")
        async with permitted(moto, entry_point_location=location) as there:
            wanted = in_folder(location)
            command = {"command": {"arguments": ["a-command", "{{ .inputs.day }}", QUICK]}}
            job = await called(there.handler.create(there.request(jobDriver=command)))
            assert (await there.ended(job.meta)).phase is RemotePhase.SUCCEEDED
            place = {"Bucket": wanted.bucket, "Key": wanted.key}
            stored = await s3.get_object(**place)
            assert await stored["Body"].read() == PROGRAM
            fresh = ServerlessHandler(accounts=Accounts())
            await fresh.create(there.request(jobDriver=command))
            await fresh.close()
            later = await s3.head_object(**place)
            assert later["LastModified"] == stored["LastModified"]
            missing = replace(
                there.connection,
                settings={**there.connection.settings, "entry_point_location": "s3://no-such-bucket-here/"},
            )
            with pytest.raises(Unavailable, match="NoSuchBucket"):
                await called(
                    there.handler.create(replace(there.request(jobDriver=command), connection=missing))
                )
