"""FlytePropeller's calls as the published stubs make them, both versions, against a real server over the stand-ins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.core import literals_pb2, tasks_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl.service import agent_pb2_grpc
from flyteidl2.connector import connector_pb2, service_pb2_grpc
from flyteidl2.core import security_pb2
from google.protobuf import json_format

from propwash.api.names import parse_name
from propwash.api.options import ApiOptions
from propwash.api.server import ApiServer
from propwash.core.model import Claim
from propwash.engine.options import EngineOptions
from propwash.ports import ExecutionName
from propwash.sandbox.faults import parse_rule
from tests.api.api_fake_host import Heard
from tests.api.api_world import LOCAL
from tests.e2e.credential_scenes import World, world

ENDED = (TaskExecution.SUCCEEDED, TaskExecution.FAILED, TaskExecution.ABORTED, TaskExecution.RETRYABLE_FAILED)
NOTHING: Mapping[str, str] = MappingProxyType({})
PREFIX = "s3://flyte/metadata/sales-prod-a8xk2/n0/data"


DOWN = parse_rule({"kind": "server_error", "probability": 1.0}, where="test")


@dataclass(slots=True)
class Flyte:
    """A caller of one version. What it answers is in version 1's messages: the two are the same on the wire."""

    world: World
    is_v2: bool
    tasks: Any
    metadata: Any
    heard: Heard
    target: str

    async def create(
        self,
        template: tasks_pb2.TaskTemplate,
        inputs: Mapping[str, literals_pb2.Literal] | None = None,
        *,
        attempt: int = 0,
        node: str = PREFIX,
        secrets: Mapping[str, str] = NOTHING,
        **more: Any,
    ) -> bytes:
        """The resource meta."""
        request = agent_pb2.CreateTaskRequest(
            template=template,
            output_prefix=f"{node}/{attempt}",
            inputs=literals_pb2.LiteralMap(literals=inputs),
            **more,
        )
        task = request.task_execution_metadata.task_execution_id
        task.retry_attempt = attempt
        execution = task.node_execution_id.execution_id
        execution.project, execution.domain, execution.name = "sales", "prod", "a8xk2"
        return await self.send(request, secrets)

    async def send(self, request: agent_pb2.CreateTaskRequest, secrets: Mapping[str, str] = NOTHING) -> bytes:
        """The create as it stands; the resource meta. Flyte 2 sends a connection with every call."""
        if self.is_v2:
            sent = connector_pb2.CreateTaskRequest.FromString(request.SerializeToString())
            sent.connection.MergeFrom(connection(secrets))
            return bytes((await self.tasks.CreateTask(sent)).resource_meta)
        return bytes((await self.tasks.CreateTask(request)).resource_meta)

    def name(self, meta: bytes) -> ExecutionName:
        """The execution of a meta that is ours."""
        return parse_name(json.loads(meta)["propwash"])

    def summary(self) -> dict[str, int]:
        """The stand-in's ledger."""
        return dict(self.world.scene.rig.world.ledger.summary())

    def is_answering(self, is_up: bool) -> None:
        """Whether the remote system answers, or fails every call."""
        self.world.scene.rig.world.faults.set([] if is_up else [DOWN], seed=0)

    async def get(
        self, meta: bytes, task_type: str = "", secrets: Mapping[str, str] = NOTHING
    ) -> agent_pb2.Resource:
        fields = {"resource_meta": meta, **category(task_type)}
        if self.is_v2:
            request: Any = connector_pb2.GetTaskRequest(**fields, connection=connection(secrets))
        else:
            request = agent_pb2.GetTaskRequest(**fields)
        answer = await self.tasks.GetTask(request)
        return agent_pb2.GetTaskResponse.FromString(answer.SerializeToString()).resource

    async def delete(self, meta: bytes, task_type: str = "", secrets: Mapping[str, str] = NOTHING) -> None:
        fields = {"resource_meta": meta, **category(task_type)}
        if self.is_v2:
            request: Any = connector_pb2.DeleteTaskRequest(**fields, connection=connection(secrets))
        else:
            request = agent_pb2.DeleteTaskRequest(**fields)
        await self.tasks.DeleteTask(request)

    async def until(
        self, meta: bytes, *phases: int, task_type: str = "", secrets: Mapping[str, str] = NOTHING
    ) -> agent_pb2.Resource:
        """Poll until the task is in one of these phases, with every commit in between."""
        async with asyncio.timeout(30):
            seen = await self.world.store.last_seq()
            while (found := await self.get(meta, task_type, secrets)).phase not in phases:
                assert found.phase not in ENDED, found
                # Of before the answer: a commit while it travelled would be waited for in vain.
                seen = await self.world.engine.executions.newer_than(seen)
        return found

    async def passing(
        self, meta: bytes, phase: int, task_type: str = "", secrets: Mapping[str, str] = NOTHING
    ) -> agent_pb2.Resource:
        """Poll until the task is in the phase, while the stand-in's time goes on."""
        async with asyncio.timeout(30):
            while (found := await self.get(meta, task_type, secrets)).phase != phase:
                assert found.phase not in ENDED, found
                self.world.scene.rig.advance(0.1)
        return found

    async def task_types(self) -> list[str]:
        """What is offered."""
        if self.is_v2:
            answer = await self.metadata.ListConnectors(connector_pb2.ListConnectorsRequest())
            return [one.name for one in answer.connectors[0].supported_task_categories]
        answer = await self.metadata.ListAgents(agent_pb2.ListAgentsRequest())
        return [one.name for one in answer.agents[0].supported_task_categories]

    def live(self) -> int:
        return int(self.world.scene.rig.world.ledger.summary()["live"])


@asynccontextmanager
async def flyte(
    system: str,
    place: Path,
    *,
    is_v2: bool,
    options: ApiOptions = LOCAL,
    engine: EngineOptions | None = None,
    claims: tuple[Claim, ...] = (),
) -> AsyncIterator[Flyte]:
    """A caller of a server whose handler works on the system's stand-in; claims are its connection's."""
    async with (
        world(system, place, options=engine, claims=claims) as there,
        calling(there, is_v2=is_v2, heard=Heard(), options=options) as (made, _),
    ):
        yield made


@asynccontextmanager
async def calling(
    there: World, *, is_v2: bool, heard: Any, options: ApiOptions = LOCAL
) -> AsyncIterator[tuple[Flyte, grpc.aio.Channel]]:
    """A caller of a server over this engine, and its channel."""
    async with serving(there, options, heard) as (_, port):
        target = f"127.0.0.1:{port}"
        async with grpc.aio.insecure_channel(target) as channel:
            yield caller(there, channel, target, is_v2=is_v2, heard=heard), channel


@asynccontextmanager
async def serving(
    there: World, options: ApiOptions = LOCAL, heard: Any = None, *, is_ready: bool = True
) -> AsyncIterator[tuple[ApiServer, int]]:
    """A server over the world's engine, and its port."""
    server = ApiServer(
        options,
        store=there.store,
        executions=there.engine.executions,
        handlers=there.host,
        instrument=heard or Heard(),
        flyte=there.host.flyte,
    )
    port = await server.start(is_ready=is_ready)
    try:
        yield server, port
    finally:
        await server.stop(1.0)


def connection(secrets: Mapping[str, str]) -> security_pb2.Connection:
    """What Flyte 2's executor makes of a template's custom.secrets."""
    return security_pb2.Connection(secrets=secrets)


def caller(there: World, channel: grpc.aio.Channel, target: str, *, is_v2: bool, heard: Any = None) -> Flyte:
    """A caller on a channel."""
    if is_v2:
        tasks: Any = service_pb2_grpc.AsyncConnectorServiceStub(channel)  # type: ignore[no-untyped-call]
        metadata: Any = service_pb2_grpc.ConnectorMetadataServiceStub(channel)  # type: ignore[no-untyped-call]
    else:
        tasks = agent_pb2_grpc.AsyncAgentServiceStub(channel)  # type: ignore[no-untyped-call]
        metadata = agent_pb2_grpc.AgentMetadataServiceStub(channel)  # type: ignore[no-untyped-call]
    return Flyte(there, is_v2, tasks, metadata, heard or Heard(), target)


def category(task_type: str) -> dict[str, Any]:
    """The request's field that tells the task type, if any; a dict is taken by both versions' messages."""
    return {"task_category": {"name": task_type}} if task_type else {}


def template(task_type: str, statement: str = "", **fields: Any) -> tasks_pb2.TaskTemplate:
    """A template as the SDKs write it; fields are of its JSON form."""
    made = json_format.ParseDict(fields, tasks_pb2.TaskTemplate())
    made.type = task_type
    made.id.project, made.id.domain, made.id.name, made.id.version = "sales", "prod", "t", "v1"
    if statement:
        made.sql.statement = statement
    return made


def literal(value: Any) -> literals_pb2.Literal:
    """A literal of a plain value."""
    made = literals_pb2.Literal()
    primitive = made.scalar.primitive
    match value:
        case bool():
            primitive.boolean = value
        case int():
            primitive.integer = value
        case float():
            primitive.float_value = value
        case str():
            primitive.string_value = value
        case list():
            return literals_pb2.Literal(
                collection=literals_pb2.LiteralCollection(literals=[literal(one) for one in value])
            )
        case _:
            primitive.datetime.FromDatetime(value)
    return made
