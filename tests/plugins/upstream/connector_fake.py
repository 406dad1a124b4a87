"""A connector server on a real port, of both versions of the protocol, made with the published stubs.

Jobs end as their template's custom says: {"ends": "SUCCEEDED"} at the first look; without it they run until they are
finished or deleted. What a test plans for an operation happens to its next call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl.service import agent_pb2_grpc
from flyteidl2.connector import connector_pb2, service_pb2_grpc
from google.protobuf.message import Message
from grpc import StatusCode

Operation = Literal["list", "create", "get", "delete", "logs", "sync"]
Context = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the next call of an operation meets. is_late: the call takes effect before."""

    code: StatusCode = StatusCode.OK
    details: str = ""
    is_late: bool = False
    hangs: bool = False
    trailing: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True, eq=False)
class FakeJob:
    number: int
    request: agent_pb2.CreateTaskRequest
    resource: agent_pb2.Resource
    deletes: int = 0
    is_deaf: bool = False

    @property
    def prefix(self) -> str:
        return self.request.output_prefix

    @property
    def is_live(self) -> bool:
        return self.resource.phase in (TaskExecution.RUNNING, TaskExecution.QUEUED)

    def finish(self, phase: int = TaskExecution.SUCCEEDED) -> None:
        self.resource.phase = phase  # type: ignore[assignment]  # an enum's number


@dataclass(slots=True, eq=False)
class Connectors:
    """What both versions serve."""

    agents: list[agent_pb2.Agent] = field(default_factory=list)
    jobs: list[FakeJob] = field(default_factory=list)
    calls: list[tuple[Operation, Message]] = field(default_factory=list)
    plans: dict[Operation, deque[Plan]] = field(default_factory=dict)
    any_plan: Plan | None = None
    is_idempotent: bool = False
    make_meta: Callable[[int], bytes] = lambda number: b'{"job_id": "%d"}' % number
    logs: Sequence[Message] = ()
    logs_hang: bool = False
    sync: agent_pb2.Resource | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a call hangs."""

    def plan(
        self, operation: Operation, code: StatusCode = StatusCode.OK, details: str = "", **more: Any
    ) -> None:
        self.plans.setdefault(operation, deque()).append(Plan(code=code, details=details, **more))

    def count(self, operation: Operation) -> int:
        return sum(one == operation for one, _ in self.calls)

    def last(self, operation: Operation) -> Any:
        return [message for one, message in self.calls if one == operation][-1]

    def live(self, prefix: str = "") -> int:
        return sum(job.is_live and job.prefix.startswith(prefix) for job in self.jobs)

    async def met(self, operation: Operation, message: Message, context: Context) -> Plan:
        """Note the call, and have the plan's fault unless it comes late."""
        self.calls.append((operation, message))
        queue = self.plans.get(operation)
        plan = queue.popleft() if queue else Plan()
        if self.any_plan is not None:
            plan, self.any_plan = self.any_plan, None
        if not plan.is_late:
            await self.fault(plan, context)
        return plan

    async def fault(self, plan: Plan, context: Context) -> None:
        if plan.hangs:
            self.reached.set()
            await asyncio.Event().wait()
        if plan.code is not StatusCode.OK:
            await context.abort(plan.code, plan.details, plan.trailing)

    async def create(self, request: Message, context: Context) -> bytes:
        """The resource meta."""
        plan = await self.met("create", request, context)
        known = agent_pb2.CreateTaskRequest.FromString(request.SerializeToString())
        there = [job for job in self.jobs if job.prefix == known.output_prefix]
        if there and self.is_idempotent:
            job = there[0]
        else:
            resource = agent_pb2.Resource(phase=TaskExecution.RUNNING, message="runs")
            job = FakeJob(len(self.jobs) + 1, known, resource)
            self.jobs.append(job)
        await self.fault(plan, context)
        return self.make_meta(job.number)

    async def get(self, request: Any, context: Context) -> agent_pb2.Resource:
        plan = await self.met("get", request, context)
        job = await self._job(request, context)
        custom = job.request.template.custom
        if "ends" in custom and job.is_live:
            job.finish(TaskExecution.Phase.Value(str(custom["ends"])))
        await self.fault(plan, context)
        return job.resource

    async def delete(self, request: Any, context: Context) -> None:
        plan = await self.met("delete", request, context)
        job = await self._job(request, context)
        job.deletes += 1
        if job.is_live and not job.is_deaf:
            job.finish(TaskExecution.ABORTED)
        await self.fault(plan, context)

    async def _job(self, request: Any, context: Context) -> FakeJob:
        for job in self.jobs:
            if self.make_meta(job.number) == request.resource_meta:
                return job
        await context.abort(
            StatusCode.INTERNAL, "failed to get it with error:\n Trace:\n\n  KeyError: 'job'."
        )
        raise AssertionError


class V1(agent_pb2_grpc.AsyncAgentServiceServicer):
    def __init__(self, connectors: Connectors) -> None:
        self.connectors = connectors

    async def CreateTask(self, request: Any, context: Context) -> Message:
        return agent_pb2.CreateTaskResponse(resource_meta=await self.connectors.create(request, context))

    async def GetTask(self, request: Any, context: Context) -> Message:
        return agent_pb2.GetTaskResponse(resource=await self.connectors.get(request, context))

    async def DeleteTask(self, request: Any, context: Context) -> Message:
        await self.connectors.delete(request, context)
        return agent_pb2.DeleteTaskResponse()

    async def GetTaskLogs(self, request: Any, context: Context) -> AsyncIterator[Message]:
        await self.connectors.met("logs", request, context)
        for one in self.connectors.logs:
            yield one
        if self.connectors.logs_hang:
            await asyncio.Event().wait()


class V1Sync(agent_pb2_grpc.SyncAgentServiceServicer):
    def __init__(self, connectors: Connectors) -> None:
        self.connectors = connectors

    async def ExecuteTaskSync(self, requests: Any, context: Context) -> AsyncIterator[Message]:
        parts = [one async for one in requests]
        for part in parts:
            self.connectors.calls.append(("sync", part))
        plan = await self.connectors.met("sync", parts[0], context)
        await self.connectors.fault(plan, context)
        if self.connectors.sync is not None:
            header = agent_pb2.ExecuteTaskSyncResponseHeader(resource=self.connectors.sync)
            yield agent_pb2.ExecuteTaskSyncResponse(header=header)


class V1Metadata(agent_pb2_grpc.AgentMetadataServiceServicer):
    def __init__(self, connectors: Connectors) -> None:
        self.connectors = connectors

    async def ListAgents(self, request: Any, context: Context) -> Message:
        await self.connectors.met("list", request, context)
        return agent_pb2.ListAgentsResponse(agents=self.connectors.agents)


class V2(service_pb2_grpc.AsyncConnectorServiceServicer):
    def __init__(self, connectors: Connectors) -> None:
        self.connectors = connectors

    async def CreateTask(self, request: Any, context: Context) -> Message:
        return connector_pb2.CreateTaskResponse(resource_meta=await self.connectors.create(request, context))

    async def GetTask(self, request: Any, context: Context) -> Message:
        found = await self.connectors.get(request, context)
        made = connector_pb2.GetTaskResponse()
        made.resource.MergeFromString(found.SerializeToString())
        return made

    async def DeleteTask(self, request: Any, context: Context) -> Message:
        await self.connectors.delete(request, context)
        return connector_pb2.DeleteTaskResponse()

    async def GetTaskLogs(self, request: Any, context: Context) -> AsyncIterator[Message]:
        await self.connectors.met("logs", request, context)
        for one in self.connectors.logs:
            yield connector_pb2.GetTaskLogsResponse.FromString(one.SerializeToString())


class V2Metadata(service_pb2_grpc.ConnectorMetadataServiceServicer):
    def __init__(self, connectors: Connectors) -> None:
        self.connectors = connectors

    async def ListConnectors(self, request: Any, context: Context) -> Message:
        await self.connectors.met("list", request, context)
        made = agent_pb2.ListAgentsResponse(agents=self.connectors.agents)
        return connector_pb2.ListConnectorsResponse.FromString(made.SerializeToString())


def agent(*names: str, is_sync: bool = False, version: int = 0) -> agent_pb2.Agent:
    """A connector as flytekit's server lists it."""
    return agent_pb2.Agent(
        name=names[0],
        is_sync=is_sync,
        supported_task_types=names,
        supported_task_categories=[agent_pb2.TaskCategory(name=name, version=version) for name in names],
    )


@dataclass(slots=True, eq=False)
class FakeServer:
    connectors: Connectors
    versions: Sequence[str]
    credentials: grpc.ServerCredentials | None = None
    has_metadata: bool = True
    port: int = 0
    _server: grpc.aio.Server | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """On the same port as before, where it was started before."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        if "v1" in self.versions:
            agent_pb2_grpc.add_AsyncAgentServiceServicer_to_server(V1(self.connectors), server)  # type: ignore[no-untyped-call]
            agent_pb2_grpc.add_SyncAgentServiceServicer_to_server(V1Sync(self.connectors), server)  # type: ignore[no-untyped-call]
            if self.has_metadata:
                metadata = V1Metadata(self.connectors)
                agent_pb2_grpc.add_AgentMetadataServiceServicer_to_server(metadata, server)  # type: ignore[no-untyped-call]
        if "v2" in self.versions:
            service_pb2_grpc.add_AsyncConnectorServiceServicer_to_server(V2(self.connectors), server)  # type: ignore[no-untyped-call]
            if self.has_metadata:
                listing = V2Metadata(self.connectors)
                service_pb2_grpc.add_ConnectorMetadataServiceServicer_to_server(listing, server)  # type: ignore[no-untyped-call]
        if self.credentials is None:
            self.port = server.add_insecure_port(self.endpoint)
        else:
            self.port = server.add_secure_port(self.endpoint, self.credentials)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """End at once: calls in flight break off."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None


@asynccontextmanager
async def serving(*versions: str, **more: Any) -> AsyncIterator[FakeServer]:
    """A started server."""
    server = FakeServer(Connectors(agents=[agent("spark")]), versions or ("v1",), **more)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
