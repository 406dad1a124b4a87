"""The conformance battery, against the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import RemoteName
from propwash.sdk.testing import Backend, HandlerBattery, HandlerHarness
from propwash_bigquery.credentials import AccessToken
from propwash_bigquery.keys import JobKey
from propwash_bigquery.spec import BigQuerySpec
from tests.plugins.bigquery.bigquery_rig import LONG, PROJECT, BigQueryRig, bigquery_rig

SECRET = "ya29.a-token-that-nobody-may-see"


class Tokens:
    """One token for ever."""

    async def fetch(self) -> AccessToken:
        return AccessToken(value=SECRET, lifetime_s=3600.0)

    async def close(self) -> None:
        return None


class StandInBackend(Backend):
    """The battery's hooks on the stand-in."""

    def __init__(self, rig: BigQueryRig) -> None:
        self.rig = rig

    async def live_count(self, name: RemoteName) -> int:
        return self.rig.live_count(name)

    async def lose_next_create_answer(self) -> None:
        self.rig.fault(FaultKind.LOST_ANSWER, MethodClass.CREATE)

    async def throttle_next(self) -> None:
        self.rig.fault(FaultKind.THROTTLE)

    async def pause(self) -> None:
        self.rig.advance(0.1)


class TestBigQueryHandler(HandlerBattery):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[HandlerHarness[BigQuerySpec]]:
        async with bigquery_rig(tokens=Tokens()) as rig:
            yield HandlerHarness(
                handler=rig.handler,
                connection=rig.connection,
                quick={"query": "SELECT 1"},
                long={"query": "SELECT 1", "labels": LONG},
                failing={"query": "SELECT 1", "labels": {"sandbox-fail-reason": "invalidquery"}},
                failing_retryable={"query": "SELECT 1", "labels": {"sandbox-fail-reason": "backenderror"}},
                invalid={"query": "SELECT 1", "writeDisposition": "WRITE_SOMEHOW"},
                unknown_meta=JobKey(PROJECT, "US", "pw-never-was").meta(),
                secrets=[SECRET],
                backend=StandInBackend(rig),
            )
