"""Runs on applications that specs describe, against the stand-in in time that the test moves by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from propwash.sdk import CreateRequest, Job, Permanent, Unavailable
from propwash_aws.sandbox.applications import Application
from tests.plugins.aws.aws_sandbox_rig import AwsRig

SPARK = {"sparkSubmit": {"entryPoint": "s3://b/a.py"}}
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/spark"
ETL = {"name": "etl", "releaseLabel": "emr-7.5.0"}
SOON, NEVER = {"sandbox-duration-ms": "1000"}, {"sandbox-stuck": "true"}
MAKES: dict[str, Any] = {"creates_applications": True}
CHANGES: dict[str, Any] = {"creates_applications": True, "updates_applications": True}


def wanted(rig: AwsRig, application: Mapping[str, Any], **fields: Any) -> CreateRequest[Any]:
    return rig.request({"jobDriver": SPARK, "application": application, "tags": SOON, **fields})


def applications(rig: AwsRig, name: str = "etl") -> list[Application]:
    return [one for one in rig.stand_in.serverless.applications if one.asked.get("name") == name]


async def waits(rig: AwsRig, request: CreateRequest[Any], reason: str) -> str:
    with pytest.raises(Unavailable) as raised:
        await create(rig, request)
    assert raised.value.reason == reason
    return raised.value.message


async def refused(rig: AwsRig, request: CreateRequest[Any], reason: str) -> str:
    with pytest.raises(Permanent) as raised:
        await create(rig, request)
    assert raised.value.reason == reason
    assert len(raised.value.message) < 1000
    return raised.value.message


async def create(rig: AwsRig, request: CreateRequest[Any]) -> Job:
    made = rig.handler.create(request)
    assert not isinstance(made, Job)
    return await made


async def begun(rig: AwsRig, request: CreateRequest[Any]) -> Job:
    """The run, when the application is made and started."""
    await waits(rig, request, "APPLICATION_NOT_STARTED")
    rig.advance(1.0)
    return await create(rig, request)


async def changed(rig: AwsRig, request: CreateRequest[Any]) -> Job:
    """The run, when the application was stopped, changed and started."""
    assert "being stopped" in await waits(rig, request, "APPLICATION_NOT_UPDATED")
    rig.advance(1.0)
    return await create(rig, request)
