"""Secrets that Flyte 2 sends with a task go on to the connector server that runs it, and are kept by nobody."""

from __future__ import annotations

from typing import Any

from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl2.connector import connector_pb2
from flyteidl2.core import security_pb2

from tests.flyte.upstream_world import NODE, Propwash, connection, propwash
from tests.plugins.upstream.connector_fake import serving
from tests.plugins.upstream.upstream_rig import template

SENT = {"a_key": "s3cr3t-of-the-task"}


def about(meta: bytes, kind: Any, **secrets: str) -> Any:
    return kind(resource_meta=meta, connection=security_pb2.Connection(secrets=secrets))


async def created(there: Propwash, **secrets: str) -> bytes:
    request = connector_pb2.CreateTaskRequest(
        output_prefix=f"{NODE}/0", connection=security_pb2.Connection(secrets=secrets)
    )
    request.template.ParseFromString(template(secrets={"a_key": "A_NAME"}).SerializeToString())
    execution = request.task_execution_metadata.task_execution_id.node_execution_id.execution_id
    execution.project, execution.domain, execution.name = "sales", "prod", "a8xk2"
    return bytes((await there.tasks.CreateTask(request)).resource_meta)


async def test_a_task_s_own_secrets_go_with_every_call_about_it() -> None:
    async with serving("v2") as server:
        made = connection("spark", server.endpoint, secrets={"a_key": "env:OF_THE_OPERATOR"})
        async with propwash(made, is_v2=True) as there:
            await there.offers("spark")
            meta = await created(there, **SENT)
            await there.until(meta, TaskExecution.RUNNING)
            await there.tasks.DeleteTask(about(meta, connector_pb2.DeleteTaskRequest, **SENT))
            assert (await there.ended(meta)).phase == TaskExecution.ABORTED
            for operation in ("create", "get", "delete"):
                assert dict(server.connectors.last(operation).connection.secrets) == SENT
            assert server.connectors.live() == 0
            assert SENT["a_key"] not in repr(await there.record(meta))


async def test_a_task_without_secrets_of_its_own_gets_the_operator_s(monkeypatch: Any) -> None:
    monkeypatch.setenv("OF_THE_OPERATOR", "s3cr3t-of-the-operator")
    async with serving("v2") as server:
        made = connection("spark", server.endpoint, secrets={"a_key": "env:OF_THE_OPERATOR"})
        async with propwash(made, is_v2=True) as there:
            await there.offers("spark")
            await there.until(await created(there), TaskExecution.RUNNING)
            sent = server.connectors.last("create").connection.secrets
            assert dict(sent) == {"a_key": "s3cr3t-of-the-operator"}
