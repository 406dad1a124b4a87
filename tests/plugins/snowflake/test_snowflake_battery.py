"""The conformance battery, against the stand-in."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator

import pytest

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import RemoteName
from propwash.sdk.testing import Backend, HandlerBattery, HandlerHarness
from propwash_snowflake.keys import StatementKey
from propwash_snowflake.spec import SnowflakeSpec
from tests.plugins.snowflake.snowflake_rig import SnowflakeRig, snowflake_rig

SECRET = base64.b32encode(os.urandom(20)).decode()


class StandInBackend(Backend):
    """The battery's hooks on the stand-in."""

    def __init__(self, rig: SnowflakeRig) -> None:
        self.rig = rig

    async def live_count(self, name: RemoteName) -> int:
        return self.rig.live_count(name)

    async def lose_next_create_answer(self) -> None:
        self.rig.fault(FaultKind.LOST_ANSWER, MethodClass.CREATE)

    async def throttle_next(self) -> None:
        self.rig.fault(FaultKind.THROTTLE)

    async def pause(self) -> None:
        self.rig.advance(0.1)
        # Behind what the stand-in's own threads run.
        await asyncio.get_running_loop().run_in_executor(self.rig.world.workers, int)


class _Battery(HandlerBattery):
    observe: str

    @pytest.fixture
    async def harness(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HandlerHarness[SnowflakeSpec]]:
        monkeypatch.setenv("BATTERY_TOKEN", SECRET)
        async with snowflake_rig(auth="pat", token="env:BATTERY_TOKEN", observe=self.observe) as rig:
            yield HandlerHarness(
                handler=rig.handler,
                connection=rig.connection,
                quick={"statement": "SELECT 1"},
                long={"statement": "SELECT SYSTEM$WAIT(1000000)"},
                failing={"statement": "SELEC 1"},
                invalid={"statement": "SELECT 1", "warehouse": 7},
                unknown_meta=StatementKey("01b12345-0000-0000-0000-00000000dead").meta(),
                secrets=[SECRET],
                backend=StandInBackend(rig),
            )


class TestReadingStatements(_Battery):
    observe = "statements"


class TestReadingTheHistory(_Battery):
    observe = "history"
