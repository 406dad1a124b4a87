"""The conformance battery for job runs of both forms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from propwash.sdk import RemoteName
from propwash.sdk.testing import Backend, HandlerBattery, HandlerHarness
from propwash_aws.runs.keys import RunKey
from tests.plugins.aws.runs_fake import Form, lost, throttled
from tests.plugins.aws.runs_rig import SPECS, RunsRig, runs_rig

SECRET = "wJalr-a-secret-that-nobody-may-see"


class FakeBackend(Backend):
    """The battery's hooks on the service in memory."""

    def __init__(self, rig: RunsRig) -> None:
        self.rig = rig

    async def live_count(self, name: RemoteName) -> int:
        return self.rig.fake.live(name)

    async def lose_next_create_answer(self) -> None:
        self.rig.fake.fault("StartJobRun", lost)

    async def throttle_next(self) -> None:
        self.rig.fake.any_fault = throttled

    async def finish(self, name: RemoteName) -> None:
        self.rig.run_of(name).asked = {"tags": {"sandbox-duration-ms": "0"}}

    async def pause(self) -> None:
        self.rig.fake.tick(0.1)


async def harness_of(form: Form, folder: Path) -> AsyncIterator[HandlerHarness[Any]]:
    for name, text in (("id", "AKIDEXAMPLE"), ("secret", SECRET)):
        (folder / name).write_text(text)
    keys = {"access_key_id": f"file:{folder}/id", "secret_access_key": f"file:{folder}/secret"}
    async with runs_rig(form, credentials="keys", **keys) as rig:
        spec = SPECS[form]
        field = "retryPolicy" if form == "serverless" else "retryPolicyConfiguration"
        yield HandlerHarness(
            handler=rig.handler,
            connection=rig.connection,
            quick={**spec, "tags": {"sandbox-duration-ms": "200"}},
            long=spec,
            failing={**spec, "tags": {"sandbox-duration-ms": "200", "sandbox-fail-reason": "USER_ERROR"}},
            failing_retryable={
                **spec,
                "tags": {"sandbox-duration-ms": "200", "sandbox-fail-reason": "INTERNAL_ERROR"},
            },
            invalid={**spec, field: {"maxAttempts": "many"}},
            unknown_meta=RunKey("00main", "never", RemoteName("pw-never-was")).meta(),
            secrets=[SECRET],
            backend=FakeBackend(rig),
        )


class TestServerlessHandler(HandlerBattery):
    @pytest.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[HandlerHarness[Any]]:
        async for one in harness_of("serverless", tmp_path):
            yield one


class TestContainersHandler(HandlerBattery):
    @pytest.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[HandlerHarness[Any]]:
        async for one in harness_of("containers", tmp_path):
            yield one
