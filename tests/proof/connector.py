"""A tiny server of Flyte's connector protocol, version 1: jobs run until they are deleted, each with its instants."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl.service import agent_pb2_grpc

TASK_TYPE = "endless"


@dataclass(slots=True)
class ConnectorJob:
    """One job; instants are UTC seconds."""

    created_at: float
    deleted_at: float | None = None


class Connector(agent_pb2_grpc.AsyncAgentServiceServicer):
    """The jobs by their output prefix, and how often each method was called."""

    def __init__(self) -> None:
        self.jobs: dict[str, ConnectorJob] = {}
        self.calls: Counter[str] = Counter()

    @property
    def live(self) -> int:
        """How many run."""
        return sum(job.deleted_at is None for job in self.jobs.values())

    async def CreateTask(self, request: Any, _: Any) -> Any:
        """Begin a job."""
        self.calls["create"] += 1
        self.jobs.setdefault(request.output_prefix, ConnectorJob(time.time()))
        return agent_pb2.CreateTaskResponse(resource_meta=request.output_prefix.encode())

    async def GetTask(self, request: Any, _: Any) -> Any:
        """Say how it is."""
        self.calls["get"] += 1
        is_live = self.jobs[request.resource_meta.decode()].deleted_at is None
        phase = TaskExecution.RUNNING if is_live else TaskExecution.ABORTED
        return agent_pb2.GetTaskResponse(resource=agent_pb2.Resource(phase=phase))

    async def DeleteTask(self, request: Any, _: Any) -> Any:
        """End it."""
        self.calls["delete"] += 1
        job = self.jobs[request.resource_meta.decode()]
        job.deleted_at = job.deleted_at or time.time()
        return agent_pb2.DeleteTaskResponse()


class _Metadata(agent_pb2_grpc.AgentMetadataServiceServicer):
    async def ListAgents(self, _: Any, __: Any) -> Any:
        """The one task type."""
        category = agent_pb2.TaskCategory(name=TASK_TYPE)
        agent = agent_pb2.Agent(
            name=TASK_TYPE, supported_task_types=(TASK_TYPE,), supported_task_categories=[category]
        )
        return agent_pb2.ListAgentsResponse(agents=[agent])


@contextlib.asynccontextmanager
async def connector() -> AsyncIterator[tuple[Connector, str]]:
    """The connector, and its endpoint."""
    served, server = Connector(), grpc.aio.server()
    agent_pb2_grpc.add_AsyncAgentServiceServicer_to_server(served, server)  # type: ignore[no-untyped-call]
    agent_pb2_grpc.add_AgentMetadataServiceServicer_to_server(_Metadata(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield served, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
