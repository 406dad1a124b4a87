"""The conformance battery, against the stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import RemoteName
from propwash.sdk.testing import Backend, HandlerBattery, HandlerHarness
from propwash_bigquery import BigQueryCopyHandler, BigQueryExtractHandler, BigQueryLoadHandler
from propwash_bigquery.credentials import AccessToken
from propwash_bigquery.desks import Desks
from propwash_bigquery.job_handler import BigQueryJobHandler
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
        # Behind what the stand-in's own threads run.
        await asyncio.get_running_loop().run_in_executor(self.rig.world.workers, int)


TABLE = {"datasetId": "d", "tableId": "t"}
OTHER = {"datasetId": "d", "tableId": "other"}
FORMS: dict[str, tuple[type[BigQueryJobHandler[Any]], dict[str, Any], str]] = {
    "load": (
        BigQueryLoadHandler,
        {"sourceUris": ["gs://lake/a.csv"], "destinationTable": OTHER, "autodetect": True},
        "writeDisposition",
    ),
    "extract": (
        BigQueryExtractHandler,
        {"sourceTable": TABLE, "destinationUris": ["gs://lake/b.csv"]},
        "destinationUris",
    ),
    "copy": (
        BigQueryCopyHandler,
        {"sourceTable": TABLE, "destinationTable": OTHER, "writeDisposition": "WRITE_TRUNCATE"},
        "createDisposition",
    ),
}


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


@asynccontextmanager
async def form_harness(form: str) -> AsyncIterator[HandlerHarness[Any]]:
    """A harness for one of the other forms, with a table to copy and an object to load."""
    kind, spec, field = FORMS[form]
    async with bigquery_rig(tokens=Tokens()) as rig, aiohttp.ClientSession() as session:
        script = "CREATE SCHEMA d; CREATE TABLE d.t AS SELECT 1 AS n"
        await rig.handler.create(rig.request(script))
        await rig.settle()
        place = f"{rig.sandbox.url}/upload/storage/v1/b/lake/o?uploadType=media&name=a.csv"
        async with session.post(
            place, data=b"n\n1\n", headers={"Authorization": f"Bearer {SECRET}"}
        ) as answer:
            assert answer.status == 200
        handler = kind(desks=Desks(tokens=lambda _settings, _secrets: Tokens()))
        try:
            yield HandlerHarness(
                handler=handler,
                connection=rig.connection,
                quick=spec,
                long={**spec, "labels": LONG},
                failing={**spec, "labels": {"sandbox-fail-reason": "invalid"}},
                failing_retryable={**spec, "labels": {"sandbox-fail-reason": "backenderror"}},
                invalid={**spec, field: "SOMEHOW"},
                unknown_meta=JobKey(PROJECT, "US", "pw-never-was").meta(),
                secrets=[SECRET],
                backend=StandInBackend(rig),
            )
        finally:
            await handler.close()


class TestBigQueryLoadHandler(HandlerBattery):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[HandlerHarness[Any]]:
        async with form_harness("load") as made:
            yield made


class TestBigQueryExtractHandler(HandlerBattery):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[HandlerHarness[Any]]:
        async with form_harness("extract") as made:
            yield made


class TestBigQueryCopyHandler(HandlerBattery):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[HandlerHarness[Any]]:
        async with form_harness("copy") as made:
            yield made
