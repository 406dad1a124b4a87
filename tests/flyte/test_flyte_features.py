"""What Flyte's connector client expects of a server, feature by feature, as it would see it over a real port.

The features are known as B1 to B19; docs/flyte-conformance.md says where each is shown.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl2.connector import connector_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from propwash.api.options import Tls
from propwash.sandbox.faults import parse_rule
from tests.api.api_certificates import Authority
from tests.api.api_world import LOCAL
from tests.e2e.credential_scenes import LONG
from tests.flyte.flyte_callers import Flyte, caller, flyte, literal, serving, template

versions = pytest.mark.parametrize("is_v2", [False, True], ids=["v1", "v2"])
PROPELLER_S = 3.0
"""The deadline of the shorter of Propeller's two default configurations."""


def statement(text: str = "SELECT 1 AS one") -> tasks_pb2.TaskTemplate:
    return template("snowflake", text, config={"account": "acme-sandbox"})


def query() -> tasks_pb2.TaskTemplate:
    return template("bigquery_query_job_task", "SELECT 1 AS one", custom={"ProjectID": "a-project"})


def endless() -> agent_pb2.TaskExecutionMetadata:
    return agent_pb2.TaskExecutionMetadata(labels=LONG)


async def test_b1_b2_both_versions_are_served_on_one_port_and_know_each_other_s_tasks(tmp_path: Path) -> None:
    async with (
        flyte("snowflake", tmp_path, is_v2=False) as first,
        grpc.aio.insecure_channel(first.target) as channel,
    ):
        second = caller(first.world, channel, first.target, is_v2=True)
        meta = await first.create(statement(), task_execution_metadata=endless())
        assert await second.create(statement(), task_execution_metadata=endless()) == meta
        await second.until(meta, TaskExecution.RUNNING)
        await second.delete(meta)
        await first.passing(meta, TaskExecution.ABORTED)
        assert (first.live(), first.summary()["total"]) == (0, 1)


@versions
async def test_b4_each_task_type_is_listed_once_by_the_old_field_and_the_new(
    is_v2: bool, tmp_path: Path
) -> None:
    async with flyte("bigquery", tmp_path, is_v2=is_v2) as there:
        raw = await listed(there)
        (one,) = raw.agents
        assert [kind.name for kind in one.supported_task_categories] == ["bigquery_query_job_task"]
        if not is_v2:
            assert list(one.supported_task_types) == ["bigquery_query_job_task"]
        assert [await listed(there) for _ in range(3)] == [raw] * 3


@versions
async def test_b4_b9_the_list_and_a_create_are_answered_while_the_remote_system_hangs(
    is_v2: bool, tmp_path: Path
) -> None:
    """Nothing that the remote system does is in the way of an answer."""
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        hang = parse_rule({"kind": "slow", "probability": 1.0, "duration_s": 3600}, where="test")
        there.world.scene.rig.world.faults.set([hang], seed=0)
        async with asyncio.timeout(PROPELLER_S):
            await there.task_types()
            meta = await there.create(statement(), task_execution_metadata=endless())
            waiting = await there.get(meta)
            await there.delete(meta)
        assert waiting.phase in (TaskExecution.QUEUED, TaskExecution.INITIALIZING)
        there.is_answering(True)
        there.world.scene.rig.advance(3600)
        await there.passing(meta, TaskExecution.ABORTED)


@versions
async def test_b5_an_agent_is_found_by_its_name_and_another_is_not(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        kind: Any = connector_pb2.GetConnectorRequest if is_v2 else agent_pb2.GetAgentRequest
        call = there.metadata.GetConnector if is_v2 else there.metadata.GetAgent
        found = await call(kind(name="propwash"))
        assert (found.connector if is_v2 else found.agent).name == "propwash"
        with pytest.raises(grpc.aio.AioRpcError, match="there is propwash") as raised:
            await call(kind(name="elsewhere"))
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


@versions
async def test_b7_health_is_told_as_kubernetes_asks_and_is_not_serving_while_draining(
    is_v2: bool, tmp_path: Path
) -> None:
    async with (
        flyte("snowflake", tmp_path, is_v2=is_v2) as there,
        serving(there.world) as (server, port),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        service = (
            "flyteidl2.connector.AsyncConnectorService" if is_v2 else "flyteidl.service.AsyncAgentService"
        )
        told = [await stub.Check(health_pb2.HealthCheckRequest(service=one)) for one in ("", service)]
        assert [one.status for one in told] == [health_pb2.HealthCheckResponse.SERVING] * 2
        draining = stub.Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await draining.read()).status == health_pb2.HealthCheckResponse.SERVING
        await server.begin_drain()
        assert (await draining.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        draining.cancel()


async def test_b7_lists_are_answered_before_the_engine_has_taken_up_its_work(tmp_path: Path) -> None:
    """Flyte forgets task types that it cannot list: they are there as soon as the port is."""
    async with flyte("snowflake", tmp_path, is_v2=False) as there:
        meta = await there.create(statement(), task_execution_metadata=endless())
        await there.until(meta, TaskExecution.RUNNING)
        await there.world.engine.drain(deadline_s=5.0)
        async with serving(there.world, is_ready=False) as (server, port):
            target = f"127.0.0.1:{port}"
            async with grpc.aio.insecure_channel(target) as channel:
                early = caller(there.world, channel, target, is_v2=False)
                assert await early.task_types() == ["snowflake"]
                assert (await early.get(meta)).phase == TaskExecution.RUNNING
                stub = health_pb2_grpc.HealthStub(channel)
                told = {
                    name: (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status
                    for name in ("", "flyteidl.service.AgentMetadataService")
                }
                assert list(told.values()) == [
                    health_pb2.HealthCheckResponse.NOT_SERVING,
                    health_pb2.HealthCheckResponse.SERVING,
                ]
                await server.ready()
                overall = await stub.Check(health_pb2.HealthCheckRequest())
                assert overall.status == health_pb2.HealthCheckResponse.SERVING


@versions
async def test_b8_b10_calls_about_a_task_may_come_over_any_connection(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there, serving(there.world) as (_, port):
        target = f"127.0.0.1:{port}"
        async with grpc.aio.insecure_channel(target) as channel:
            other = caller(there.world, channel, target, is_v2=is_v2)
            turns = [there, other]
            metas = {
                await turns[number % 2].create(statement(), task_execution_metadata=endless())
                for number in range(4)
            }
            (meta,) = metas
            for number in range(4):
                await turns[number % 2].until(meta, TaskExecution.RUNNING)
            await asyncio.gather(*(one.delete(meta) for one in turns))
            await there.passing(meta, TaskExecution.ABORTED)
        assert there.summary()["total"] == 1


@versions
async def test_b11_the_server_shows_its_certificate_and_wants_nothing_of_the_caller(
    is_v2: bool, tmp_path: Path
) -> None:
    """FlytePropeller can check a server by the system's authorities, and can show nothing itself."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    secure = replace(LOCAL, tls=Tls(certificate_file=certificate, key_file=key))
    credentials = grpc.ssl_channel_credentials(authority.ca_file.read_bytes())
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there, serving(there.world, secure) as (_, port):
        target = f"localhost:{port}"
        async with grpc.aio.secure_channel(target, credentials) as channel:
            trusted = caller(there.world, channel, target, is_v2=is_v2)
            assert await trusted.task_types() == ["snowflake"]
            await trusted.passing(await trusted.create(statement()), TaskExecution.SUCCEEDED)


@versions
@pytest.mark.parametrize(
    ("reason", "phase"),
    [("backenderror", TaskExecution.RETRYABLE_FAILED), ("invalidquery", TaskExecution.FAILED)],
)
async def test_b12_what_another_attempt_may_mend_is_told_by_the_phase(
    is_v2: bool, reason: str, phase: int, tmp_path: Path
) -> None:
    async with flyte("bigquery", tmp_path, is_v2=is_v2) as there:
        labels = agent_pb2.TaskExecutionMetadata(labels={"sandbox-fail-reason": reason})
        meta = await there.create(query(), task_execution_metadata=labels)
        failed = await there.passing(meta, phase)
        assert "The sandbox was told to fail this job" in failed.message


@versions
async def test_b12_a_task_whose_time_is_over_may_be_tried_again(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        short = statement()
        short.metadata.timeout.FromSeconds(5)
        meta = await there.create(short, task_execution_metadata=endless())
        over = await there.passing(meta, TaskExecution.RETRYABLE_FAILED)
        assert over.message.startswith("RUN_DEADLINE_EXCEEDED")
        assert there.live() == 0


@versions
async def test_b13_a_get_may_have_an_output_prefix_or_none(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        meta = await there.create(statement(), task_execution_metadata=endless())
        kind: Any = connector_pb2.GetTaskRequest if is_v2 else agent_pb2.GetTaskRequest
        for prefix in ("", "s3://flyte/metadata/x/n0/data/0"):
            request = kind(resource_meta=meta, output_prefix=prefix)
            assert (await there.tasks.GetTask(request)).resource.phase


@versions
async def test_b14_links_and_custom_info_are_there_from_the_first_answer(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("bigquery", tmp_path, is_v2=is_v2) as there:
        meta = await there.create(query())
        first = await there.get(meta)
        assert [one.name for one in first.log_links] == ["BigQuery Console"]
        assert first.custom_info["phase"] in ("QUEUED", "INITIALIZING", "RUNNING")


@versions
async def test_b17_inputs_are_bound_and_never_text(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        nasty = "it's; DROP TABLE visits --"
        meta = await there.create(statement("SELECT %(a)s AS a"), {"a": literal(nasty)})
        await there.passing(meta, TaskExecution.SUCCEEDED)
        (record,) = await there.world.store.get([there.name(meta)])
        assert record is not None
        assert nasty not in str(record.request.spec)
        assert record.request.inputs == {"a": nasty}


async def listed(there: Flyte) -> agent_pb2.ListAgentsResponse:
    """The list, in version 1's messages."""
    if there.is_v2:
        answer = await there.metadata.ListConnectors(connector_pb2.ListConnectorsRequest())
        return agent_pb2.ListAgentsResponse.FromString(answer.SerializeToString())
    return await there.metadata.ListAgents(agent_pb2.ListAgentsRequest())  # type: ignore[no-any-return]
