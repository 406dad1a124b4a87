"""Tasks of FlytePropeller and of Flyte 2's executor, over a real port: created, polled, repeated, replaced, deleted."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl2.connector import connector_pb2

from propwash.api.names import parse_name
from propwash.core.model import Done
from propwash.sdk import ResultPage
from tests.e2e.credential_scenes import LONG
from tests.flyte.flyte_callers import flyte, literal, template

versions = pytest.mark.parametrize("is_v2", [False, True], ids=["v1", "v2"])


def query(statement: str = "SELECT @n + 1 AS m", **custom: Any) -> tasks_pb2.TaskTemplate:
    return template(
        "bigquery_query_job_task",
        statement,
        custom={"ProjectID": "a-project", "Location": "US", "Domain": "prod", **custom},
    )


def endless() -> tasks_pb2.TaskTemplate:
    return template(
        "snowflake", "SELECT 1 AS one", config={"account": "acme-sandbox", "warehouse": "DEMO_WH"}
    )


@versions
async def test_a_query_runs_to_its_end_and_its_results_are_a_dataset(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("bigquery", tmp_path, is_v2=is_v2) as there:
        meta = await there.create(query(), {"n": literal(41)})
        assert len(meta) < 200
        first = await there.get(meta)
        assert first.phase in (TaskExecution.QUEUED, TaskExecution.INITIALIZING, TaskExecution.RUNNING)
        assert first.log_links[0].uri.startswith("https://console.cloud.google.com/bigquery")
        done = await there.passing(meta, TaskExecution.SUCCEEDED)
        uri = done.outputs.literals["results"].scalar.structured_dataset.uri
        assert uri.startswith("bq://a-project:")
        assert str(done.custom_info["execution"]).startswith("projects/sales/domains/prod/executions/f")
        await there.delete(meta)
        assert (await there.get(meta)).phase == TaskExecution.SUCCEEDED


@versions
async def test_a_repeated_create_is_the_same_task(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        labels = agent_pb2.TaskExecutionMetadata(labels=LONG)
        metas = {await there.create(endless(), task_execution_metadata=labels) for _ in range(5)}
        (meta,) = metas
        await there.until(meta, TaskExecution.RUNNING)
        assert len(there.world.scene.rig.world.ledger.jobs) == 1


@versions
async def test_a_newer_attempt_ends_the_older_and_a_late_older_one_never_begins(
    is_v2: bool, tmp_path: Path
) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        labels = agent_pb2.TaskExecutionMetadata(labels=LONG)
        first = await there.create(endless(), attempt=1, task_execution_metadata=labels)
        await there.until(first, TaskExecution.RUNNING)
        second = await there.create(endless(), attempt=2, task_execution_metadata=labels)
        late = await there.create(endless(), attempt=0, task_execution_metadata=labels)
        await there.passing(first, TaskExecution.ABORTED)
        await there.until(second, TaskExecution.RUNNING)
        assert there.live() == 1
        assert (await there.get(late)).phase == TaskExecution.FAILED
        await there.delete(second)
        await there.delete(second)
        await there.passing(second, TaskExecution.ABORTED)
        assert there.live() == 0


@versions
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (query(""), "INVALID_TEMPLATE: sql.statement: is empty"),
        (query(writeDisposition="WRITE_SOMEHOW"), "INVALID_SPEC: spec.writeDisposition"),
        (query(noSuchField=1), "INVALID_SPEC: spec.noSuchField"),
        (template("spark", "x"), "UNKNOWN_TASK_TYPE: no handler serves Flyte's task type 'spark'"),
    ],
)
async def test_a_template_that_can_never_run_fails_for_good_and_nothing_is_stored(
    is_v2: bool, wrong: tasks_pb2.TaskTemplate, said: str, tmp_path: Path
) -> None:
    async with flyte("bigquery", tmp_path, is_v2=is_v2) as there:
        meta = await there.create(wrong)
        seen = await there.get(meta)
        assert seen.phase == TaskExecution.FAILED
        assert seen.message.startswith(said)
        assert len(meta) < 1000
        await there.delete(meta)
        assert await there.world.store.last_seq() == 0


@versions
@pytest.mark.parametrize(
    "meta", [b"", b"{}", b"\xff\xfe", b"[" * 9000, b'{"job_id": "1"}', b'{"propwash": "no name"}']
)
async def test_a_meta_of_nobody_is_a_clear_error_but_for_a_delete(
    is_v2: bool, meta: bytes, tmp_path: Path
) -> None:
    async with flyte("bigquery", tmp_path, is_v2=is_v2) as there:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await there.get(meta)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "resource_meta" in (raised.value.details() or "")
        await there.delete(meta)
        (told,) = there.heard.troubles
        assert told.startswith("flyte: Flyte asked for the end of a ")
        assert "cannot be known: resource_meta" in told


@versions
async def test_one_version_of_each_task_type_is_offered_in_one_order(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        if is_v2:
            answer = await there.metadata.ListConnectors(connector_pb2.ListConnectorsRequest())
            (one,) = answer.connectors
            again = (
                await there.metadata.GetConnector(connector_pb2.GetConnectorRequest(name=one.name))
            ).connector
        else:
            answer = await there.metadata.ListAgents(agent_pb2.ListAgentsRequest())
            (one,) = answer.agents
            assert (list(one.supported_task_types), one.is_sync) == (["snowflake"], False)
            again = (await there.metadata.GetAgent(agent_pb2.GetAgentRequest(name=one.name))).agent
        assert again == one
        assert [(kind.name, kind.version) for kind in one.supported_task_categories] == [("snowflake", 0)]


@versions
async def test_get_answers_from_our_own_state_while_the_remote_system_is_down(
    is_v2: bool, tmp_path: Path
) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        labels = agent_pb2.TaskExecutionMetadata(labels=LONG)
        meta = await there.create(endless(), task_execution_metadata=labels)
        await there.until(meta, TaskExecution.RUNNING)
        await there.world.scene.rig.sandbox.close()  # type: ignore[attr-defined]
        for _ in range(20):
            assert (await there.get(meta)).phase == TaskExecution.RUNNING


async def test_without_flyte_s_package_the_native_api_serves_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "propwash.api.flyte.serving", None)
    async with flyte("snowflake", tmp_path, is_v2=False) as there:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await there.metadata.ListAgents(agent_pb2.ListAgentsRequest())
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_without_the_second_package_version_1_serves_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "propwash.api.flyte.secrets", raising=False)
    monkeypatch.delattr("propwash.api.flyte.secrets", raising=False)
    monkeypatch.setitem(sys.modules, "flyteidl2.connector", None)
    async with flyte("snowflake", tmp_path, is_v2=False) as there:
        assert await there.task_types() == ["snowflake"]
        meta = await there.create(endless())
        assert await there.passing(meta, TaskExecution.SUCCEEDED)
    # Without the means to read a task's secrets, it would run with another's.
    async with flyte("snowflake", tmp_path, is_v2=True) as there:
        for call in (there.task_types(), there.create(endless())):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


@versions
async def test_a_connection_is_chosen_by_the_account_of_the_template(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        elsewhere = template("snowflake", "SELECT 1", config={"account": "other-account", "user": "loader"})
        seen = await there.get(await there.create(elsewhere))
        assert seen.phase == TaskExecution.FAILED
        assert "no connections of plugin snowflake are for account other-account" in seen.message
        fitting = template("snowflake", "SELECT 1", config={"account": "ACME_SANDBOX", "user": "LOADER"})
        meta = await there.create(fitting, attempt=1)
        done = await there.passing(meta, TaskExecution.SUCCEEDED)
        uri = done.outputs.literals["results"].scalar.structured_dataset.uri
        who = "loader/acme-sandbox" if is_v2 else "loader:acme-sandbox"
        assert uri.startswith(f"snowflake://{who}/DEMO_WH/DEMO/")


async def test_a_run_of_emr_serverless_is_shown_with_its_links(tmp_path: Path) -> None:
    async with flyte("aws", tmp_path, is_v2=False) as there:
        run = {
            "application_id": "00sandboxapp",
            "spark_job_driver": {"entryPoint": "s3://b/m.py"},
            "execution_timeout_minutes": 60,
            "region": "us-east-1",
            "tags": {"sandbox-duration-ms": "1000"},
        }
        meta = await there.create(template("emr_serverless", custom=run))
        done = await there.passing(meta, TaskExecution.SUCCEEDED)
        assert [link.name for link in done.log_links]
        assert done.HasField("outputs")
        assert there.live() == 0


@versions
async def test_inputs_of_every_kind_arrive(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("bigquery", tmp_path, is_v2=is_v2) as there:
        at = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
        statement = "SELECT @n AS n, @x AS x, @s AS s, @b AS b, @at AS at, ARRAY_LENGTH(@many) AS many"
        given = {"n": 2**53 + 1, "x": 0.5, "s": "it's", "b": True, "at": at, "many": [1, 2, 3]}
        meta = await there.create(query(statement), {name: literal(value) for name, value in given.items()})
        done = await there.passing(meta, TaskExecution.SUCCEEDED)
        name = parse_name(str(done.custom_info["execution"]))
        (record,) = await there.world.store.get([name])
        assert record is not None
        assert dict(record.request.inputs) == {**given, "many": (1, 2, 3)}
        state = record.execution.state
        assert isinstance(state, Done)
        connection = record.execution.plan.connection
        found = await there.world.host.results(record.request.task_type, connection, state.meta or b"", "", 5)
        assert isinstance(found, ResultPage)
        assert found.rows[0][:4] == (2**53 + 1, 0.5, "it's", True)


@versions
async def test_calls_are_counted_as_flyte_s_own_connectors_count_them(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("bigquery", tmp_path, is_v2=is_v2) as there:
        kind = "bigquery_query_job_task"
        meta = await there.create(query(), {"n": literal(1)})
        await there.get(meta, kind)
        await there.delete(meta, kind)
        for wrong in (kind, "spark"):
            with pytest.raises(grpc.aio.AioRpcError):
                await there.get(b"", wrong)
        assert there.heard.flyte_calls == [
            (kind, "create", ""),
            (kind, "get", ""),
            (kind, "delete", ""),
            (kind, "get", "500"),
            ("unknown", "get", "404"),
        ]
        ((told, size),) = there.heard.flyte_sizes
        assert told == kind
        assert size > 0


async def test_inputs_beyond_grpc_s_own_limit_are_taken(tmp_path: Path) -> None:
    async with flyte("bigquery", tmp_path, is_v2=False) as there:
        meta = await there.create(query("SELECT @n AS m"), {"n": literal("x" * 6_000_000)})
        assert (await there.get(meta)).phase != TaskExecution.UNDEFINED
