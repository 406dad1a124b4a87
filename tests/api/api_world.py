"""A real server on a real port, over the fakes, with a real channel."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from propwash.api.hinting import Admits
from propwash.api.options import ApiOptions
from propwash.api.pools import Permit, anyone
from propwash.api.server import ApiServer
from propwash.pb.v1 import execution_service_pb2_grpc, handler_service_pb2_grpc, pool_service_pb2_grpc
from propwash.pb.v1.execution_pb2 import Execution
from propwash.pb.v1.execution_service_pb2 import CreateExecutionRequest
from propwash.pb.v1.value_pb2 import MapValue, Value
from propwash.ports import ConnectionStatuses, ExecutionName, FlyteTasks
from tests.api.api_fake_host import FakeHandlers, Heard
from tests.api.api_fake_pools import FakePools
from tests.api.api_fakes import FakeExecutions, FakeStore

PARENT = "projects/p/domains/d"
LOCAL = ApiOptions(listen="127.0.0.1:0", log_poll_s=0.01)


@dataclass
class World:
    """The server's parts and stubs."""

    store: FakeStore = field(default_factory=FakeStore)
    handlers: FakeHandlers = field(default_factory=FakeHandlers)
    heard: Heard = field(default_factory=Heard)
    flyte: FlyteTasks | None = None
    pools: FakePools = field(default_factory=FakePools)
    permit: Permit = anyone
    admits_hint: Admits | None = None
    connections: ConnectionStatuses | None = None
    port: int = 0

    def __post_init__(self) -> None:
        self.executions = FakeExecutions(self.store, self.handlers)
        self.channel: grpc.aio.Channel
        self.stub: execution_service_pb2_grpc.ExecutionServiceAsyncStub
        self.catalogue: handler_service_pb2_grpc.HandlerServiceAsyncStub
        self.pool_stub: pool_service_pb2_grpc.PoolServiceAsyncStub
        self.server: ApiServer

    @contextlib.asynccontextmanager
    async def serving(
        self, options: ApiOptions = LOCAL, channel_options: Sequence[tuple[str, int]] = ()
    ) -> AsyncIterator[World]:
        """Run the server inside the block."""
        self.server = ApiServer(
            options,
            store=self.store,
            executions=self.executions,
            handlers=self.handlers,
            instrument=self.heard,
            flyte=self.flyte,
            pools=self.pools,
            permit=self.permit,
            admits_hint=self.admits_hint,
            connections=self.connections,
        )
        self.port = await self.server.start()
        target = f"127.0.0.1:{self.port}"
        try:
            async with grpc.aio.insecure_channel(target, options=list(channel_options)) as self.channel:
                self.stub = execution_service_pb2_grpc.ExecutionServiceStub(self.channel)
                self.catalogue = handler_service_pb2_grpc.HandlerServiceStub(self.channel)
                self.pool_stub = pool_service_pb2_grpc.PoolServiceStub(self.channel)
                yield self
        finally:
            await self.server.stop(1.0)

    async def create(self, name: str = "a", **fields: str) -> ExecutionName:
        """Create one execution."""
        await self.stub.CreateExecution(create(name, **fields))
        return ExecutionName("p", "d", name)


def spec(query: str = "select 1") -> MapValue:
    """A valid spec."""
    return MapValue(entries={"query": Value(text=query)})


def create(
    name: str = "", *, task_type: str = "query", request_id: str = "", query: str = "select 1"
) -> CreateExecutionRequest:
    """A valid request."""
    body = Execution(task_type=task_type, spec=spec(query))
    return CreateExecutionRequest(parent=PARENT, execution_id=name, execution=body, request_id=request_id)


def full(name: str) -> str:
    """The resource name."""
    return f"{PARENT}/executions/{name}"


@dataclass(frozen=True)
class Refusal:
    """A status taken apart."""

    code: str
    reason: str
    fields: tuple[str, ...]
    metadata: dict[str, str]
    retry_after_s: float | None
    message: str
    resource: tuple[str, str]
    """Type and name."""


async def refused(call: Awaitable[Message]) -> Refusal:
    """The refusal that the call ends with."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return taken_apart(error)
    raise AssertionError(f"was not refused: {answer}")


def taken_apart(error: grpc.aio.AioRpcError) -> Refusal:
    """The details of a status."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.ParseFromString(value)
    info, bad, retry, about = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
        error_details_pb2.ResourceInfo(),
    )
    has_retry = False
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
        detail.Unpack(about)
        has_retry = detail.Unpack(retry) or has_retry
    if info.reason:
        assert info.domain == "propwash.dev"
        assert status.code == error.code().value[0]
    return Refusal(
        code=error.code().name,
        reason=info.reason,
        fields=tuple(violation.field for violation in bad.field_violations),
        metadata=dict(info.metadata),
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if has_retry else None,
        message=error.details() or "",
        resource=(about.resource_type, about.resource_name),
    )
