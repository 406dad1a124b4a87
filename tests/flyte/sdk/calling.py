"""Sends what an SDK serialised to a server over a stand-in, and reads its rows back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from flyteidl.admin import agent_pb2
from flyteidl.core.execution_pb2 import TaskExecution

from propwash.sdk import ResultPage
from tests.flyte.flyte_callers import Flyte, flyte, template
from tests.flyte.sdk.serialised import Serialised, rows

TYPES = {"bigquery": "bigquery_query_job_task", "snowflake": "snowflake"}
TABLES = {
    "bigquery": (
        "CREATE SCHEMA sales",
        "CREATE SCHEMA reports",
        "CREATE TABLE sales.orders AS SELECT 'a' AS name, CAST('20.5' AS NUMERIC) AS amount, DATE '2024-02-29' AS day"
        " UNION ALL SELECT 'b', CAST('10.4' AS NUMERIC), DATE '2024-02-29'"
        " UNION ALL SELECT 'c', CAST('99' AS NUMERIC), DATE '2024-02-28'",
        "CREATE TABLE reports.daily AS SELECT 'old' AS name, CAST('1' AS NUMERIC) AS amount",
    ),
    "snowflake": ("CREATE SCHEMA REPORTS", "CREATE TABLE REPORTS.points (n INT, name TEXT, place TEXT)"),
}


class Caller:
    """Runs what an SDK serialised."""

    def __init__(self, flyte: Flyte, tasks: Serialised) -> None:
        self.flyte = flyte
        self.tasks = tasks
        self.sent = 0

    async def ran(self, name: str, **labels: str) -> tuple[agent_pb2.Resource, bytes]:
        """What is told of the task when it has succeeded, and its resource meta."""
        request = self.tasks.request(name)
        request.task_execution_metadata.labels.update(labels)
        meta = bytes((await self.flyte.tasks.CreateTask(request)).resource_meta)
        return await self.flyte.passing(meta, TaskExecution.SUCCEEDED), meta

    async def rows(self, name: str) -> ResultPage:
        """The rows of the task."""
        return await rows(self.flyte, (await self.ran(name))[1])

    async def sql(self, text: str) -> ResultPage:
        """The rows of a statement of the test's own."""
        system, self.sent = self.flyte.world.scene.system, self.sent + 1
        meta = await self.flyte.create(template(TYPES[system], text), node=f"s3://own/{self.sent}")
        await self.flyte.passing(meta, TaskExecution.SUCCEEDED)
        return await rows(self.flyte, meta)


@asynccontextmanager
async def caller(system: str, place: Path, tasks: Serialised) -> AsyncIterator[Caller]:
    async with flyte(system, place, is_v2=tasks.is_v2) as there:
        made = Caller(there, tasks)
        for text in TABLES.get(system, ()):
            await made.sql(text)
        yield made
