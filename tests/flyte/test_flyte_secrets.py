"""Tasks of Flyte 2 run with the secrets that its executor sends, over a real port; the stand-ins know no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core.execution_pb2 import TaskExecution

from propwash.core.model import Done, Running
from propwash.sandbox import Standing
from propwash.sdk import ResultPage
from tests.flyte.secret_scenes import (
    ANNA,
    BERT,
    OPERATOR,
    STAGES,
    WAITS,
    begin,
    bigquery,
    cannot_end,
    is_well,
    pem,
    running,
    snowflake,
    waits,
)

systems = pytest.mark.parametrize("system", STAGES)


@systems
async def test_a_task_runs_with_the_secret_that_it_came_with(system: str, tmp_path: Path) -> None:
    async with STAGES[system](tmp_path) as stage, stage.server() as there:
        stage.stand(**{ANNA: Standing.ACCEPTED})
        meta = await there.create(stage.task(), secrets=stage.secrets[ANNA])
        done = await there.passing(meta, TaskExecution.SUCCEEDED, secrets=stage.secrets[ANNA])
        assert done.outputs.literals["results"].scalar.structured_dataset.uri
        without = await there.create(stage.task(), node="s3://flyte/n1/data")
        await waits(there, without)
        await there.delete(without)


async def test_an_encrypted_key_comes_with_its_passphrase(tmp_path: Path) -> None:
    async with snowflake(tmp_path) as stage, stage.server() as there:
        meta = await there.create(stage.task(), secrets=stage.secrets[BERT])
        await there.passing(meta, TaskExecution.SUCCEEDED)


@systems
async def test_a_task_uses_nobody_else_s_session(system: str, tmp_path: Path) -> None:
    async with STAGES[system](tmp_path) as stage, stage.server() as there:
        stage.stand(**{ANNA: Standing.ACCEPTED, BERT: Standing.ACCEPTED})
        anna, bert = await begin(there, stage, ANNA), await begin(there, stage, BERT)
        await running(there, anna)
        await running(there, bert)
        assert there.live() == 2
        stage.stand(**{BERT: Standing.ACCEPTED})
        await waits(there, anna)
        assert not (await there.get(bert)).message.startswith(WAITS)
        await there.delete(bert)
        await there.passing(bert, TaskExecution.ABORTED)
        assert there.live() == 1
        stage.stand(**{ANNA: Standing.ACCEPTED})
        await is_well(there, anna)
        await there.delete(anna)
        await there.passing(anna, TaskExecution.ABORTED)
        assert there.live() == 0


async def test_the_template_s_user_is_who_the_key_belongs_to_where_the_connection_names_none(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("a-programmatic-token")
    own = {"auth": "pat", "token": f"file:{tmp_path}/token", "user": None, "private_key": None}
    async with snowflake(tmp_path, **own) as stage:
        for number in range(2):
            async with stage.server() as there:
                for user in (ANNA, BERT):
                    meta = await there.create(
                        stage.task(user=user), secrets=stage.secrets[user], node=f"s3://f/{user}{number}/data"
                    )
                    done = await there.passing(meta, TaskExecution.SUCCEEDED)
                    uri = done.outputs.literals["results"].scalar.structured_dataset.uri
                    assert uri.startswith(f"snowflake://{user}/acme-sandbox/DEMO_WH/DEMO/")
                    (record,) = await there.world.store.get([there.name(meta)])
                    assert record is not None
                    name, state = record.execution.plan.connection, record.execution.state
                    assert isinstance(state, Done)
                    page = await there.world.host.results("snowflake", name, state.meta or b"", "", 5)
                    assert isinstance(page, ResultPage)
                    assert page.rows[0][0] == user.upper()


@systems
async def test_after_a_restart_a_task_waits_and_goes_on_with_the_next_poll(
    system: str, tmp_path: Path
) -> None:
    async with STAGES[system](tmp_path) as stage:
        stage.stand(**{ANNA: Standing.ACCEPTED})
        async with stage.server() as there:
            meta = await begin(there, stage, ANNA)
            await running(there, meta)
        async with stage.server() as there:
            await waits(there, meta)
            assert "Flyte sends them again" in (await there.get(meta)).message
            assert (await there.get(meta)).phase == TaskExecution.RUNNING
            await there.get(meta, secrets=stage.secrets[ANNA])
            await is_well(there, meta)
            stage.rig.advance(2e4)
            await there.passing(meta, TaskExecution.SUCCEEDED)
            assert there.summary()["created_twice"] == 0
            assert there.summary()["total"] == 1


@systems
async def test_after_a_restart_a_delete_brings_what_it_needs_to_clean_up(system: str, tmp_path: Path) -> None:
    async with STAGES[system](tmp_path) as stage:
        stage.stand(**{ANNA: Standing.ACCEPTED})
        async with stage.server() as there:
            meta = await begin(there, stage, ANNA)
            await running(there, meta)
        async with stage.server() as there:
            await there.delete(meta, secrets=stage.secrets[ANNA])
            await there.passing(meta, TaskExecution.ABORTED)
            assert there.live() == 0


async def test_after_a_restart_the_connection_s_own_credentials_end_what_flyte_forgot(
    tmp_path: Path,
) -> None:
    """Flyte deleted the task, the server crashed before it was done, and Flyte never calls again."""
    async with bigquery(tmp_path) as stage:
        stage.stand(**{ANNA: Standing.ACCEPTED})
        async with stage.server() as there:
            meta = await begin(there, stage, ANNA)
            await running(there, meta)
        async with stage.server() as there:
            await there.delete(meta)
            await cannot_end(there, meta)
            assert there.live() == 1
            stage.rig.world.identities.set("bigquery", {OPERATOR: Standing.ACCEPTED})
            await there.passing(meta, TaskExecution.ABORTED)
            assert there.live() == 0


@systems
async def test_after_a_restart_a_newer_attempt_brings_what_the_older_one_needs(
    system: str, tmp_path: Path
) -> None:
    async with STAGES[system](tmp_path) as stage:
        stage.stand(**{ANNA: Standing.ACCEPTED})
        async with stage.server() as there:
            older = await begin(there, stage, ANNA, attempt=0)
            await running(there, older)
        async with stage.server() as there:
            newer = await begin(there, stage, ANNA, attempt=1)
            await there.passing(older, TaskExecution.ABORTED)
            await running(there, newer)
            assert there.live() == 1


@systems
async def test_a_repeated_create_after_a_restart_brings_it_too_and_is_the_same_task(
    system: str, tmp_path: Path
) -> None:
    async with STAGES[system](tmp_path) as stage:
        stage.stand(**{ANNA: Standing.ACCEPTED, BERT: Standing.ACCEPTED})
        async with stage.server() as there:
            meta = await begin(there, stage, ANNA, node="n")
            await running(there, meta)
            assert await begin(there, stage, BERT, node="n") == meta
            assert await begin(there, stage, "", node="n") == meta
        async with stage.server() as there:
            await waits(there, meta)
            assert await begin(there, stage, ANNA, node="n") == meta
            await is_well(there, meta)
            assert there.summary()["total"] == 1


@systems
async def test_a_wrong_secret_waits_and_a_right_one_mends_it(system: str, tmp_path: Path) -> None:
    async with STAGES[system](tmp_path) as stage, stage.server() as there:
        stage.stand(**{ANNA: Standing.ACCEPTED})
        (name,) = stage.secrets[ANNA]
        metas = [
            await there.create(stage.task(), secrets={name: wrong}, node=f"s3://flyte/{number}/data")
            for number, wrong in enumerate(("not-a-key-at-all", "", pem("nobody"), "{}"))
        ]
        for meta in metas:
            await waits(there, meta)
        assert there.summary()["total"] == 0
        for meta in metas:
            await there.get(meta, secrets=stage.secrets[ANNA])
            await there.passing(meta, TaskExecution.SUCCEEDED)


@systems
async def test_a_secret_that_no_task_of_this_type_has_fails_it_and_is_named(
    system: str, tmp_path: Path
) -> None:
    async with STAGES[system](tmp_path) as stage, stage.server() as there:
        given = {**stage.secrets[ANNA], "databricks_token": "a-token-in-clear"}
        meta = await there.create(stage.task(), secrets=given)
        failed = await there.get(meta, secrets=given)
        assert failed.phase == TaskExecution.FAILED
        assert failed.message.startswith("INVALID_TEMPLATE: custom.secrets.databricks_token: is no")
        assert b"a-token-in-clear" not in meta + failed.SerializeToString()
        assert await there.world.store.last_seq() == 0


async def test_a_passphrase_without_its_key_fails_the_task(tmp_path: Path) -> None:
    async with snowflake(tmp_path) as stage, stage.server() as there:
        meta = await there.create(stage.task(), secrets={"snowflake_private_key_passphrase": "x"})
        message = (await there.get(meta)).message
        assert "custom.secrets.snowflake_private_key: is missing" in message


async def test_a_connection_that_takes_no_secrets_fails_the_task(tmp_path: Path) -> None:
    async with snowflake(tmp_path) as stage, stage.server(takes_flyte_secrets=False) as there:
        meta = await there.create(stage.task(), secrets=stage.secrets[ANNA])
        assert (await there.get(meta)).message == "SECRETS_NOT_TAKEN: connection sf takes no secrets of tasks"


async def test_a_job_of_flyte_s_own_connector_is_taken_over_with_its_secret(tmp_path: Path) -> None:
    async with snowflake(tmp_path) as stage, stage.server() as there:
        stage.stand(**{ANNA: Standing.ACCEPTED})
        begun = await begin(there, stage, ANNA)
        await running(there, begun)
        (record,) = await there.world.store.get([there.name(begun)])
        assert record is not None
        assert isinstance(record.execution.state, Running)
        handle = json.loads(record.execution.state.meta)[1]
        stock = {"account": "acme-sandbox", "user": "loader", "query_id": handle, "has_output": True}
        meta = json.dumps(stock).encode()
        found = await there.until(
            meta, TaskExecution.RUNNING, task_type="snowflake", secrets=stage.secrets[ANNA]
        )
        assert not found.message.startswith(WAITS)
        await there.delete(meta, "snowflake", stage.secrets[ANNA])
        await there.passing(meta, TaskExecution.ABORTED, "snowflake", stage.secrets[ANNA])
        assert there.live() == 0


async def test_version_1_sends_no_secrets(tmp_path: Path) -> None:
    """What it does not know of a request it passes by: the connection's own credentials are used."""
    async with snowflake(tmp_path) as stage, stage.served() as (there, channel):
        sent = agent_pb2.CreateTaskRequest(template=stage.task(), output_prefix="s3://f/n/data/0")
        execution = sent.task_execution_metadata.task_execution_id.node_execution_id.execution_id
        execution.project, execution.domain = "sales", "prod"
        # Field 5, a connection with one secret.
        inner = b"\x0a\x15snowflake_private_key\x12\x06secret"
        secret = b"\x12" + bytes([len(inner)]) + inner
        data = sent.SerializeToString() + b"\x2a" + bytes([len(secret)]) + secret
        call = channel.unary_unary(
            "/flyteidl.service.AsyncAgentService/CreateTask",
            request_serializer=lambda whole: whole,
            response_deserializer=agent_pb2.CreateTaskResponse.FromString,
        )
        answer: agent_pb2.CreateTaskResponse = await call(data)
        (record,) = await there.world.store.get([there.name(answer.resource_meta)])
        assert record is not None
        assert record.execution.plan.connection == "sf"


async def test_a_request_that_is_none_is_malformed(tmp_path: Path) -> None:
    async with snowflake(tmp_path) as stage, stage.served() as (_, channel):
        call: Any = channel.unary_unary("/flyteidl2.connector.AsyncConnectorService/CreateTask")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(b"\x2a\xff")
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
