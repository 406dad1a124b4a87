"""Jobs that Flyte's own connectors began, with the metas that those wrote: a cluster is switched over in flight."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.core.execution_pb2 import TaskExecution

from propwash.core.model import ExecutionUid, RemoteName
from propwash.sdk import CreateRequest
from propwash.sdk.testing import ask
from propwash_aws.runs import keys as run_keys
from propwash_bigquery import keys as bigquery_keys
from propwash_snowflake import keys as snowflake_keys
from tests.e2e.credential_scenes import LONG
from tests.flyte.flyte_callers import Flyte, flyte

versions = pytest.mark.parametrize("is_v2", [False, True], ids=["v1", "v2"])
systems = pytest.mark.parametrize("system", ["bigquery", "snowflake", "aws"])


def stock_meta(system: str, meta: bytes) -> bytes:
    """As flytekit's connectors write it."""
    match system:
        case "bigquery":
            job = bigquery_keys.read_meta(meta)
            values: dict[str, Any] = {
                "job_id": job.job_id,
                "project": job.project,
                "location": job.location,
            }
        case "snowflake":
            values = {
                "user": "loader",
                "account": "acme-sandbox",
                "database": "DEMO",
                "schema": "PUBLIC",
                "warehouse": "DEMO_WH",
                "query_id": snowflake_keys.read_meta(meta).handle,
                "has_output": True,
            }
        case _:
            run = run_keys.read_meta(meta)
            values = {
                "application_id": run.place,
                "job_run_id": run.run,
                "region": "us-east-1",
                "created_application": False,
                "is_script_mode": True,
                "pending_job_request": None,
            }
    return json.dumps(values).encode()


async def begun(there: Flyte, *, is_long: bool) -> tuple[bytes, str]:
    """A job that runs at the stand-in and is nobody's here: its meta and its task type."""
    scene = there.world.scene
    spec = scene.handler.spec_type.model_validate(
        {
            **scene.request.spec,
            **({} if scene.system == "snowflake" else _marked(scene.system, is_long=is_long)),
        }
    )
    made = await ask(
        scene.handler.create,
        CreateRequest(
            name=RemoteName("of-another-connector-1"),
            owner="somebody",
            uid=ExecutionUid("0000000000000000000000000a"),
            attempt=1,
            spec=spec,
            inputs={},
            labels=LONG if is_long else {},
            connection=scene.connection,
        ),
    )
    return stock_meta(scene.system, made.meta), scene.request.task_type


def _marked(system: str, *, is_long: bool) -> dict[str, Any]:
    return {"labels" if system == "bigquery" else "tags": LONG if is_long else {}}


@versions
@systems
async def test_a_job_in_flight_is_watched_to_its_end(system: str, is_v2: bool, tmp_path: Path) -> None:
    async with flyte(system, tmp_path, is_v2=is_v2) as there:
        meta, task_type = await begun(there, is_long=False)
        first = await there.get(meta, task_type)
        assert first.phase in (TaskExecution.RUNNING, TaskExecution.QUEUED, TaskExecution.INITIALIZING)
        if system != "snowflake":
            assert first.log_links
        done = await there.passing(meta, TaskExecution.SUCCEEDED, task_type)
        assert done.log_links
        if system != "aws":
            assert done.outputs.literals["results"].scalar.structured_dataset.uri
        await there.delete(meta, task_type)
        assert (await there.get(meta, task_type)).phase == TaskExecution.SUCCEEDED


@versions
@systems
async def test_a_delete_ends_a_job_that_was_never_asked_for(system: str, is_v2: bool, tmp_path: Path) -> None:
    async with flyte(system, tmp_path, is_v2=is_v2) as there:
        meta, task_type = await begun(there, is_long=True)
        assert there.live() == 1
        await asyncio.gather(*(there.delete(meta, task_type) for _ in range(4)))
        await there.passing(meta, TaskExecution.ABORTED, task_type)
        assert there.live() == 0
        await there.delete(meta, task_type)


async def test_many_calls_adopt_a_job_once(tmp_path: Path) -> None:
    async with flyte("bigquery", tmp_path, is_v2=False) as there:
        meta, task_type = await begun(there, is_long=True)
        found = await asyncio.gather(*(there.get(meta, task_type) for _ in range(20)))
        assert len({str(one.custom_info["execution"]) for one in found}) == 1
        assert str(found[0].custom_info["execution"]).startswith(
            "projects/flyte/domains/adopted/executions/a"
        )
        assert there.live() == 1


async def test_a_job_that_is_not_there_fails_after_all(tmp_path: Path) -> None:
    async with flyte("bigquery", tmp_path, is_v2=False) as there:
        meta = json.dumps({"job_id": "gone", "project": "a-project", "location": "US"}).encode()
        failed = await there.passing(meta, TaskExecution.RETRYABLE_FAILED, "bigquery_query_job_task")
        assert failed.message.startswith("RESOURCE_LOST")


async def test_a_run_that_was_never_begun_is_told_as_failed(tmp_path: Path) -> None:
    async with flyte("aws", tmp_path, is_v2=False) as there:
        meta = json.dumps({"application_id": "00f1", "job_run_id": "", "region": "us-east-1"}).encode()
        failed = await there.get(meta, "emr_serverless")
        assert failed.phase == TaskExecution.FAILED
        assert failed.message.startswith("NEVER_BEGUN")


async def test_a_job_of_an_account_that_no_connection_serves_is_a_clear_error(tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=False) as there:
        meta = json.dumps({"user": "u", "account": "elsewhere", "query_id": "01-02"}).encode()
        with pytest.raises(grpc.aio.AioRpcError, match="no connections of plugin snowflake are for account"):
            await there.get(meta, "snowflake")


async def test_while_nothing_can_be_stored_a_job_in_flight_still_runs(tmp_path: Path) -> None:
    async with flyte("bigquery", tmp_path, is_v2=False) as there:
        meta, task_type = await begun(there, is_long=True)
        await there.world.engine.drain(deadline_s=5.0)
        found = await there.get(meta, task_type)
        assert found.phase == TaskExecution.RUNNING
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await there.delete(meta, task_type)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
