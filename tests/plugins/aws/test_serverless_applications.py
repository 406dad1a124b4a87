"""EMR Serverless: an application that is not started makes runs wait, and ends none."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from propwash.sdk import Permanent, Unavailable
from tests.plugins.aws.runs_fake import refusing
from tests.plugins.aws.runs_rig import RunsRig, runs_rig


@pytest.fixture
async def rig() -> AsyncIterator[RunsRig]:
    async with runs_rig("serverless") as made:
        yield made


@pytest.mark.parametrize("state", ["CREATED", "STOPPED"])
async def test_an_application_that_does_not_start_by_itself_is_started(rig: RunsRig, state: str) -> None:
    rig.fake.places["00main"] |= {"state": state, "autoStartConfiguration": {"enabled": False}}
    request = rig.request()
    for said in (f"was {state}, and is being started", "is STARTING"):
        with pytest.raises(Unavailable) as raised:
            await rig.handler.create(request)
        assert raised.value.reason == "APPLICATION_NOT_STARTED"
        assert said in raised.value.message
    assert rig.fake.calls["StartPlace"] == 1
    rig.fake.places["00main"]["state"] = "STARTED"
    await rig.handler.create(request)
    assert rig.fake.live(request.name) == 1


async def test_the_connection_may_say_that_nothing_is_started() -> None:
    async with runs_rig("serverless", starts_applications=False) as rig:
        rig.fake.places["00main"]["state"] = "STOPPED"
        with pytest.raises(Unavailable) as raised:
            await rig.handler.create(rig.request())
        assert "does not start it" in raised.value.message
        assert rig.fake.calls["StartPlace"] == 0


async def test_a_start_that_is_not_allowed_is_said(rig: RunsRig) -> None:
    rig.fake.places["00main"]["state"] = "STOPPED"
    rig.fake.fault("StartPlace", refusing("AccessDeniedException", "emr-serverless:StartApplication", 403))
    with pytest.raises(Unavailable) as raised:
        await rig.handler.create(rig.request())
    assert "emr-serverless:StartApplication" in raised.value.message


async def test_a_terminated_application_takes_no_run_ever(rig: RunsRig) -> None:
    rig.fake.places["00main"]["state"] = "TERMINATED"
    with pytest.raises(Permanent) as raised:
        await rig.handler.create(rig.request())
    assert raised.value.reason == "APPLICATION_TERMINATED"


@pytest.mark.parametrize("more", [{}, {"state": "STOPPED", "autoStartConfiguration": {"enabled": True}}])
async def test_a_run_that_is_invalid_is_refused_for_good(rig: RunsRig, more: dict[str, object]) -> None:
    rig.fake.places["00main"] |= more
    rig.fake.fault("StartJobRun", refusing("ValidationException", "no such release"))
    with pytest.raises(Permanent) as raised:
        await rig.handler.create(rig.request())
    assert (raised.value.reason, raised.value.message) == ("VALIDATION", "no such release")
    assert rig.fake.calls["StartPlace"] == 0


async def test_a_refusal_stands_where_the_application_cannot_be_looked_at(rig: RunsRig) -> None:
    rig.fake.fault("StartJobRun", refusing("ValidationException", "no such release"))
    rig.fake.fault("GetPlace", refusing("AccessDeniedException", "no", 403))
    with pytest.raises(Permanent):
        await rig.handler.create(rig.request())
