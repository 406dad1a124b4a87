"""Flyte's services: what they are called in each version, and who answers.

FlytePropeller lists the task types every ten seconds and forgets those that are not answered in time: the metadata is
ready before anything else, and always in one order. It keeps one version a task type: 0, which the SDKs register.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
from flyteidl.admin import agent_pb2
from google.protobuf.message import Message

from propwash.api.errors import ApiError
from propwash.api.flyte.counting import Counting
from propwash.api.flyte.keys import task_type_of
from propwash.api.flyte.sent import Reader, Sent, reader
from propwash.api.flyte.sync import SyncTasks
from propwash.api.flyte.tasks import Tasks
from propwash.api.flyte.telling import Telling
from propwash.api.options import ApiInstrument
from propwash.api.reasons import Reason
from propwash.sdk import FlyteType

V1_TASKS = "flyteidl.service.AsyncAgentService"
V1_SYNC = "flyteidl.service.SyncAgentService"
V1_METADATA = "flyteidl.service.AgentMetadataService"
V2_TASKS = "flyteidl2.connector.AsyncConnectorService"
V2_METADATA = "flyteidl2.connector.ConnectorMetadataService"
NAME = "propwash"
"""The one agent, or connector, of all task types but those that version 1 calls synchronous."""
SYNC_NAME = "propwash-sync"

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Parse = Callable[[bytes], Any]
_Answer = Callable[[Any, _Context], Awaitable[Message]]


class FlyteServices:
    """Adds both versions to a server."""

    def __init__(
        self,
        tasks: Tasks,
        sync: SyncTasks,
        telling: Telling,
        *,
        instrument: ApiInstrument,
        types: Callable[[], Sequence[FlyteType]],
    ) -> None:
        self._tasks = tasks
        self._sync = sync
        self._telling = telling
        self._counting = Counting(instrument, types=types)
        self._types = types

    def add(self, server: grpc.aio.Server) -> list[str]:
        """Serve those whose stubs are installed; their full names."""
        pb = agent_pb2
        versions: dict[str, Mapping[str, tuple[_Parse, _Answer]]] = {
            V1_TASKS: self._task_methods(
                is_v2=False,
                create=reader(pb.CreateTaskRequest),
                get=reader(pb.GetTaskRequest),
                delete=reader(pb.DeleteTaskRequest),
            ),
            V1_METADATA: {
                "ListAgents": (pb.ListAgentsRequest.FromString, self._list_agents),
                "GetAgent": (pb.GetAgentRequest.FromString, self._get_agent),
            },
        }
        try:
            # Version 2's stubs may be missing: without them its secrets could not be read, so it is not served.
            from propwash.api.flyte import secrets  # noqa: PLC0415
        except ImportError:
            pass
        else:
            versions[V2_TASKS] = self._task_methods(
                is_v2=True, create=secrets.CREATE, get=secrets.GET, delete=secrets.DELETE
            )
            versions[V2_METADATA] = {
                "ListConnectors": (pb.ListAgentsRequest.FromString, self._list_connectors),
                "GetConnector": (pb.GetAgentRequest.FromString, self._get_connector),
            }
        for service, methods in versions.items():
            handlers = {
                name: grpc.unary_unary_rpc_method_handler(
                    answer,
                    request_deserializer=parse,
                    response_serializer=_written,
                )
                for name, (parse, answer) in methods.items()
            }
            if service in (V1_TASKS, V2_TASKS):
                handlers["GetTaskLogs"] = grpc.unary_stream_rpc_method_handler(
                    self._logs,
                    request_deserializer=agent_pb2.GetTaskLogsRequest.FromString,
                    response_serializer=_written,
                )
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        execute = grpc.stream_stream_rpc_method_handler(
            self._execute,
            request_deserializer=agent_pb2.ExecuteTaskSyncRequest.FromString,
            response_serializer=_written,
        )
        handler = grpc.method_handlers_generic_handler(V1_SYNC, {"ExecuteTaskSync": execute})
        server.add_generic_rpc_handlers((handler,))
        return [*versions, V1_SYNC]

    def _task_methods(
        self,
        *,
        is_v2: bool,
        create: Reader[agent_pb2.CreateTaskRequest],
        get: Reader[agent_pb2.GetTaskRequest],
        delete: Reader[agent_pb2.DeleteTaskRequest],
    ) -> dict[str, tuple[_Parse, _Answer]]:
        tasks, counted = self._tasks, self._counting.counted

        async def created(sent: Sent[agent_pb2.CreateTaskRequest], _context: _Context) -> Message:
            kind = sent.request.template.type
            self._counting.inputs(kind, sent.request.inputs.ByteSize())
            with counted(kind, "create"):
                return await tasks.create(sent.request, secrets=sent.secrets)

        async def got(sent: Sent[agent_pb2.GetTaskRequest], _context: _Context) -> Message:
            with counted(task_type_of(sent.request), "get"):
                return await tasks.get(sent.request, is_v2=is_v2, secrets=sent.secrets)

        async def deleted(sent: Sent[agent_pb2.DeleteTaskRequest], _context: _Context) -> Message:
            with counted(task_type_of(sent.request), "delete"):
                return await tasks.delete(sent.request, secrets=sent.secrets)

        async def metrics(request: agent_pb2.GetTaskMetricsRequest, _context: _Context) -> Message:
            return await self._telling.metrics(request)

        return {
            "CreateTask": (create, created),
            "GetTask": (get, got),
            "DeleteTask": (delete, deleted),
            "GetTaskMetrics": (agent_pb2.GetTaskMetricsRequest.FromString, metrics),
        }

    async def _logs(
        self, request: agent_pb2.GetTaskLogsRequest, _context: _Context
    ) -> AsyncGenerator[Message, None]:
        async with aclosing(self._telling.logs(request)) as answers:
            async for answer in answers:
                yield answer

    async def _execute(
        self, requests: AsyncIterator[agent_pb2.ExecuteTaskSyncRequest], context: _Context
    ) -> AsyncGenerator[Message, None]:
        with contextlib.ExitStack() as stack:

            def told(request: agent_pb2.CreateTaskRequest) -> None:
                kind = request.template.type
                self._counting.inputs(kind, request.inputs.ByteSize())
                stack.enter_context(self._counting.counted(kind, "do"))

            async with aclosing(self._sync.execute(requests, context, told)) as answers:
                async for answer in answers:
                    yield answer

    async def _list_agents(self, _request: agent_pb2.ListAgentsRequest, _context: _Context) -> Message:
        return agent_pb2.ListAgentsResponse(agents=self._agents())

    async def _list_connectors(self, _request: agent_pb2.ListAgentsRequest, _context: _Context) -> Message:
        return agent_pb2.ListAgentsResponse(agents=self._connectors())

    async def _get_agent(self, request: agent_pb2.GetAgentRequest, _context: _Context) -> Message:
        return _named(request.name, self._agents())

    async def _get_connector(self, request: agent_pb2.GetAgentRequest, _context: _Context) -> Message:
        return _named(request.name, self._connectors())

    def _agents(self) -> list[agent_pb2.Agent]:
        """Version 1: which of its two ways a task type has is told of the whole agent."""
        types = self._types()
        made = [_agent(NAME, [one for one in types if not one.is_sync])]
        if sync := [one for one in types if one.is_sync]:
            made.append(_agent(SYNC_NAME, sync, is_sync=True))
        return made

    def _connectors(self) -> list[agent_pb2.Agent]:
        return [_agent(NAME, self._types())]


def _agent(name: str, types: Sequence[FlyteType], *, is_sync: bool = False) -> agent_pb2.Agent:
    made = agent_pb2.Agent(name=name, is_sync=is_sync)
    for one in types:
        made.supported_task_types.append(one.name)
        made.supported_task_categories.add(name=one.name, version=one.version)
    return made


def _named(name: str, agents: Sequence[agent_pb2.Agent]) -> agent_pb2.GetAgentResponse:
    for one in agents:
        if one.name == name:
            return agent_pb2.GetAgentResponse(agent=one)
    known = " and ".join(one.name for one in agents)
    raise ApiError(Reason.HANDLER_NOT_FOUND, f"there is no agent {name!r:.100}; there is {known}")


def _written(message: Message) -> bytes:
    return message.SerializeToString()
