"""The calls to one connector server, on one HTTP/2 channel. Each runs until the host's deadline cancels it.

Source: flyteidl.service, agent.proto (version 1) and flyteidl2.connector, service.proto (version 2). The two have the
same fields on the wire, but that version 2 has a connection, with secrets, and version 1 a task type by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import grpc
from flyteidl.admin import agent_pb2
from flyteidl2.connector import connector_pb2
from flyteidl2.core import security_pb2

from propwash.sdk import CREDENTIALS_UNAVAILABLE, Unavailable
from propwash_upstream.connection import UpstreamSettings
from propwash_upstream.errors import CallError, retry_after_s


class Protocol(enum.Enum):
    """A version: the path of the service that drives tasks, and that of the method which lists task types."""

    V1 = ("/flyteidl.service.AsyncAgentService", "/flyteidl.service.AgentMetadataService/ListAgents")
    V2 = (
        "/flyteidl2.connector.AsyncConnectorService",
        "/flyteidl2.connector.ConnectorMetadataService/ListConnectors",
    )

    @property
    def tasks(self) -> str:
        """The service's path."""
        return self.value[0]

    @property
    def listing(self) -> str:
        """The method's path."""
        return self.value[1]


_SYNC = "/flyteidl.service.SyncAgentService/ExecuteTaskSync"
_OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # As Flyte's own client does: with dns:/// and a headless service every replica gets its part.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ("grpc.enable_http_proxy", 0),
    # So that a channel that takes another's place has a connection of its own.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Bounds an attempt to connect as well: a call then says within its deadline that nothing was sent.
    ("grpc.min_reconnect_backoff_ms", 5_000),
)
_UNSENT = ("failed to connect to all addresses", "connections to all backends failing", "errors resolving")
"""How gRPC's own client begins to say that it has no connection."""
_LAST_CALLS_S = 120.0


@dataclass(frozen=True, slots=True, eq=False)
class _Retired:
    channel: grpc.aio.Channel
    closing: asyncio.Task[None]


class Wire:
    """One server. Every call raises CallError for a status other than OK, and Unavailable CREDENTIALS_UNAVAILABLE where
    the file that tls_ca names cannot be read.
    """

    def __init__(self, endpoint: str, settings: UpstreamSettings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._channel: grpc.aio.Channel | None = None
        self._heard_at = -math.inf
        self._retired: list[_Retired] = []

    def was_heard(self, within_s: float) -> bool:
        """Whether the server has answered anything of late."""
        return _now() - self._heard_at <= within_s

    async def list(self, protocol: Protocol) -> agent_pb2.ListAgentsResponse:
        """The connectors, in version 1's words."""
        return agent_pb2.ListAgentsResponse.FromString(await self._unary(protocol.listing, b""))

    async def create(
        self,
        protocol: Protocol,
        request: agent_pb2.CreateTaskRequest,
        connection: security_pb2.Connection | None,
    ) -> bytes:
        """Begin a job; the connector's resource meta."""
        sent = request.SerializeToString()
        if protocol is Protocol.V2 and connection is not None:
            # A message of protocol buffers goes on where another ends.
            sent += connector_pb2.CreateTaskRequest(connection=connection).SerializeToString()
        answer = await self._unary(f"{protocol.tasks}/CreateTask", sent)
        return bytes(agent_pb2.CreateTaskResponse.FromString(answer).resource_meta)

    async def get(self, protocol: Protocol, request: connector_pb2.GetTaskRequest) -> agent_pb2.Resource:
        """How a job is."""
        answer = await self._unary(f"{protocol.tasks}/GetTask", _about(protocol, request))
        return agent_pb2.GetTaskResponse.FromString(answer).resource

    async def delete(self, protocol: Protocol, request: connector_pb2.DeleteTaskRequest) -> None:
        """Ask for a job's end."""
        await self._unary(f"{protocol.tasks}/DeleteTask", _about(protocol, request))

    async def logs(
        self, protocol: Protocol, request: connector_pb2.GetTaskLogsRequest
    ) -> AsyncGenerator[agent_pb2.GetTaskLogsResponse, None]:
        """Log messages, in version 1's words, for as long as the server sends any."""
        channel = await self._opened()
        name = request.task_category.name if protocol is Protocol.V1 else ""
        sent = agent_pb2.GetTaskLogsRequest(
            task_type=name,
            task_category=_category(request.task_category),
            resource_meta=request.resource_meta,
            lines=request.lines,
            token=request.token,
        )
        method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
        method = channel.unary_stream(f"{protocol.tasks}/GetTaskLogs")
        call = method(sent.SerializeToString())
        try:
            async for answer in call:
                yield agent_pb2.GetTaskLogsResponse.FromString(answer)
        except grpc.aio.AioRpcError as error:
            raise _error(error, channel) from error
        finally:
            call.cancel()

    async def execute(self, request: agent_pb2.CreateTaskRequest) -> agent_pb2.Resource:
        """Run a synchronous task to its end; version 1 alone has the call."""
        header = agent_pb2.CreateRequestHeader(
            template=request.template,
            output_prefix=request.output_prefix,
            task_execution_metadata=request.task_execution_metadata,
        )
        sent = (
            agent_pb2.ExecuteTaskSyncRequest(header=header).SerializeToString(),
            agent_pb2.ExecuteTaskSyncRequest(inputs=request.inputs).SerializeToString(),
        )

        async def first(channel: grpc.aio.Channel) -> bytes:
            method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(_SYNC)
            call = method(iter(sent))
            try:
                async for answer in call:
                    return answer
            finally:
                call.cancel()
            raise CallError(grpc.StatusCode.DATA_LOSS, "the call ended without an answer")

        answer = agent_pb2.ExecuteTaskSyncResponse.FromString(await self._answered(first))
        return answer.header.resource

    def retire(self) -> None:
        """Close the channel when its last calls are over."""
        if self._channel is not None:
            self._retire(self._channel)

    async def close(self) -> None:
        """Close the channel, and those that it took the place of."""
        for one in self._retired:
            one.closing.cancel()
        channels = [one.channel for one in self._retired]
        if self._channel is not None:
            channels.append(self._channel)
        self._channel, self._retired = None, []
        for channel in channels:
            await channel.close()

    async def _unary(self, path: str, request: bytes) -> bytes:
        async def answer(channel: grpc.aio.Channel) -> bytes:
            method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            return await method(request)

        return await self._answered(answer)

    async def _answered(self, call: Callable[[grpc.aio.Channel], Awaitable[bytes]]) -> bytes:
        channel, began_at = await self._opened(), _now()
        try:
            answer = await call(channel)
        except grpc.aio.AioRpcError as error:
            raised = _error(error, channel)
            if not raised.is_broken:
                self._heard_at = _now()
            raise raised from error
        except asyncio.CancelledError:
            if self._heard_at < began_at:
                # Nothing came back since: the server is stuck, or its machine is gone, which TCP notices after minutes.
                self._heard_at = -math.inf
                self._retire(channel)
            raise
        self._heard_at = _now()
        return answer

    async def _opened(self) -> grpc.aio.Channel:
        if self._channel is None:
            credentials = await self._credentials()
            if self._channel is None:
                self._channel = (
                    grpc.aio.insecure_channel(self._endpoint, options=_OPTIONS)
                    if credentials is None
                    else grpc.aio.secure_channel(self._endpoint, credentials, options=_OPTIONS)
                )
        return self._channel

    async def _credentials(self) -> grpc.ChannelCredentials | None:
        if not self._settings.tls:
            return None
        if self._settings.tls_ca is None:
            return grpc.ssl_channel_credentials()
        try:
            roots = await asyncio.to_thread(self._settings.tls_ca.read_bytes)
        except OSError as error:
            said = f"{self._settings.tls_ca} cannot be read: {error.strerror or type(error).__name__}"
            raise Unavailable(CREDENTIALS_UNAVAILABLE, said) from None
        return grpc.ssl_channel_credentials(root_certificates=roots)

    def _retire(self, channel: grpc.aio.Channel) -> None:
        """Use the channel no more, if it still is used; calls that are under way on it have their time."""
        if channel is not self._channel:
            return
        self._channel = None
        name = f"upstream channel to {self._endpoint} retires"
        closing = asyncio.get_running_loop().create_task(_closed(channel), name=name)
        self._retired = [one for one in self._retired if not one.closing.done()]
        self._retired.append(_Retired(channel, closing))


async def _closed(channel: grpc.aio.Channel) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await channel.close(_LAST_CALLS_S)


def _about(
    protocol: Protocol, request: connector_pb2.GetTaskRequest | connector_pb2.DeleteTaskRequest
) -> bytes:
    """A request about a job, as the version has it."""
    if protocol is Protocol.V2:
        return request.SerializeToString()
    # The fields of both kinds: a delete has no output prefix.
    sent = agent_pb2.GetTaskRequest(
        task_type=request.task_category.name,
        task_category=_category(request.task_category),
        resource_meta=request.resource_meta,
        output_prefix=request.output_prefix if isinstance(request, connector_pb2.GetTaskRequest) else "",
    )
    return sent.SerializeToString()


def _category(category: connector_pb2.TaskCategory) -> agent_pb2.TaskCategory:
    return agent_pb2.TaskCategory(name=category.name, version=category.version)


def _error(error: grpc.aio.AioRpcError, channel: grpc.aio.Channel) -> CallError:
    details = error.details() or ""
    # A server may pass the same words on from elsewhere: but then there is a connection to it.
    is_unsent = (
        error.code() is grpc.StatusCode.UNAVAILABLE
        and details.startswith(_UNSENT)
        and channel.get_state() is not grpc.ChannelConnectivity.READY
    )
    trailing = error.trailing_metadata() or ()
    return CallError(error.code(), details, is_unsent=is_unsent, retry_after_s=retry_after_s(tuple(trailing)))


def _now() -> float:
    return asyncio.get_running_loop().time()
