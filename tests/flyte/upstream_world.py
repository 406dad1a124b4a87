"""A whole Propwash, in fast time, whose handler drives other connector servers, called as FlytePropeller calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.core import literals_pb2, tasks_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl.service import agent_pb2_grpc
from flyteidl2.connector import connector_pb2, service_pb2_grpc

from propwash.api.names import parse_name
from propwash.api.server import ApiServer
from propwash.engine.engine import Engine
from propwash.engine.options import EngineOptions
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.handlers.discovery import given
from propwash.handlers.host import HandlerHost
from propwash.handlers.options import HostOptions
from propwash.handlers.registry import load
from propwash.ports import Record
from propwash.sdk import Connection, Handler, Plugin
from propwash.store.memory import MemoryStore
from propwash_upstream import UpstreamHandler
from tests.api.api_fake_host import Heard
from tests.api.api_world import LOCAL
from tests.e2e.credential_scenes import NEVER_LATE, FastClock
from tests.engine.engine_log import EngineLog
from tests.plugins.upstream.connector_fake import FakeServer, serving

ENDED = (TaskExecution.SUCCEEDED, TaskExecution.FAILED, TaskExecution.ABORTED, TaskExecution.RETRYABLE_FAILED)
NODE = "s3://flyte/metadata/sales-prod-a8xk2/n0/data"


def connection(name: str, endpoint: str, **settings: Any) -> ConfiguredConnection:
    """A connection of the plugin upstream."""
    return ConfiguredConnection(
        plugin="upstream", connection=Connection(name=name, endpoint=endpoint, settings=settings)
    )


@dataclass(slots=True, eq=False)
class Propwash:
    """A server, and Flyte's stubs for it. Answers are in version 1's messages: the two are the same on the wire."""

    port: int
    store: MemoryStore
    engine: Engine
    host: HandlerHost
    log: EngineLog
    channel: grpc.aio.Channel
    is_v2: bool

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def tasks(self) -> Any:
        if self.is_v2:
            return service_pb2_grpc.AsyncConnectorServiceStub(self.channel)  # type: ignore[no-untyped-call]
        return agent_pb2_grpc.AsyncAgentServiceStub(self.channel)  # type: ignore[no-untyped-call]

    async def task_types(self) -> list[str]:
        if self.is_v2:
            metadata: Any = service_pb2_grpc.ConnectorMetadataServiceStub(self.channel)  # type: ignore[no-untyped-call]
            answer = await metadata.ListConnectors(connector_pb2.ListConnectorsRequest())
            agents = answer.connectors
        else:
            metadata = agent_pb2_grpc.AgentMetadataServiceStub(self.channel)  # type: ignore[no-untyped-call]
            agents = (await metadata.ListAgents(agent_pb2.ListAgentsRequest())).agents
        return sorted(one.name for agent in agents for one in agent.supported_task_categories)

    async def offers(self, *names: str) -> None:
        """Return when all of these are offered."""
        async with asyncio.timeout(30):
            while not set(names) <= set(await self.task_types()):
                pass

    async def create(
        self,
        template: tasks_pb2.TaskTemplate,
        inputs: Mapping[str, literals_pb2.Literal] | None = None,
        *,
        attempt: int = 0,
        node: str = NODE,
    ) -> bytes:
        """The resource meta."""
        request = agent_pb2.CreateTaskRequest(
            template=template,
            output_prefix=f"{node}/{attempt}",
            inputs=literals_pb2.LiteralMap(literals=inputs),
        )
        task = request.task_execution_metadata.task_execution_id
        task.retry_attempt = attempt
        execution = task.node_execution_id.execution_id
        execution.project, execution.domain, execution.name = "sales", "prod", "a8xk2"
        if self.is_v2:
            sent = connector_pb2.CreateTaskRequest.FromString(request.SerializeToString())
            return bytes((await self.tasks.CreateTask(sent)).resource_meta)
        return bytes((await self.tasks.CreateTask(request)).resource_meta)

    async def get(self, meta: bytes, task_type: str = "") -> agent_pb2.Resource:
        kind = connector_pb2.GetTaskRequest if self.is_v2 else agent_pb2.GetTaskRequest
        answer = await self.tasks.GetTask(kind(resource_meta=meta, task_category={"name": task_type}))
        return agent_pb2.GetTaskResponse.FromString(answer.SerializeToString()).resource

    async def delete(self, meta: bytes, task_type: str = "") -> None:
        kind = connector_pb2.DeleteTaskRequest if self.is_v2 else agent_pb2.DeleteTaskRequest
        await self.tasks.DeleteTask(kind(resource_meta=meta, task_category={"name": task_type}))

    async def until(
        self, meta: bytes, *phases: int, task_type: str = "", says: str = "", within_s: float = 45.0
    ) -> agent_pb2.Resource:
        """Poll until the task is in one of these phases and says so, with every commit in between."""
        async with asyncio.timeout(within_s):
            while True:
                # Of before the answer: a commit while it travelled would be waited for in vain.
                seen = await self.store.last_seq()
                found = await self.get(meta, task_type)
                if found.phase in phases and says in found.message:
                    return found
                assert found.phase not in ENDED, found
                await self.engine.executions.newer_than(seen)

    async def ended(self, meta: bytes, task_type: str = "") -> agent_pb2.Resource:
        """The task when it is over."""
        return await self.until(meta, *ENDED, task_type=task_type)

    async def record(self, meta: bytes) -> Record:
        (found,) = await self.store.get([parse_name(json.loads(meta)["propwash"])])
        assert found is not None
        return found


@asynccontextmanager
async def propwash(
    *connections: ConfiguredConnection,
    is_v2: bool = False,
    handlers: Sequence[tuple[str, Handler[Any]]] = (),
    create_s: float = 20.0,
    get_s: float = 5.0,
) -> AsyncIterator[Propwash]:
    """A started server with the plugin upstream and these connections. create_s bounds a create, get_s a look: seconds
    of real time.
    """
    clock = FastClock()
    log = EngineLog(clock)
    plugins = [Plugin(name=name, make=lambda one=one: (one,)) for name, one in handlers]  # type: ignore[misc]  # bound
    plugins.append(Plugin(name="upstream", make=lambda: (UpstreamHandler(),)))
    host = HandlerHost(
        await load([given(plugin) for plugin in plugins]),
        connections=Connections(connections),
        clock=clock,
        instrument=log,
        options=HostOptions(deadlines_s={"create": create_s, "get": get_s}),
    )
    store = MemoryStore(owner="upstream1")
    await store.open()
    engine = Engine(
        clock=clock, store=store, handlers=host, instrument=log, options=EngineOptions(overload=NEVER_LATE)
    )
    await host.start()
    await engine.start()
    server = ApiServer(
        LOCAL,
        store=store,
        executions=engine.executions,
        handlers=host,
        instrument=Heard(),
        flyte=host.flyte,
    )
    port = await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Propwash(port, store, engine, host, log, channel, is_v2)
    finally:
        await server.stop(1.0)
        await engine.stop()
        await host.close()
        await store.close()


@asynccontextmanager
async def both(
    version: str = "v1", *, is_v2: bool = False, create_s: float = 20.0, **settings: Any
) -> AsyncIterator[tuple[Propwash, FakeServer]]:
    """A server of ours before a fake one that offers the task type spark."""
    async with serving(version) as upstream:
        made = connection("spark-prod", upstream.endpoint, **settings)
        async with propwash(made, is_v2=is_v2, create_s=create_s) as there:
            await there.offers("spark")
            yield there, upstream
