"""The client: one object, one connection, every method of the native API."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Self

import grpc

from propwash.client.calling import Backoff, Caller
from propwash.client.channel import Tls, is_local, open_channel
from propwash.client.connections import ConnectionCalls
from propwash.client.errors import ClientError
from propwash.client.model import (
    Change,
    Execution,
    Handler,
    LogLine,
    NewExecution,
    Policy,
    ResultPage,
    new_request_id,
)
from propwash.client.pools import PoolCalls
from propwash.client.translate import from_execution, from_handler, from_results, to_create_request
from propwash.client.values import Value, to_duration
from propwash.client.watching import follow_logs, watch
from propwash.pb.v1 import (
    connection_service_pb2_grpc,
    execution_service_pb2_grpc,
    handler_service_pb2,
    handler_service_pb2_grpc,
    pool_service_pb2_grpc,
)
from propwash.pb.v1 import execution_service_pb2 as messages

BATCH_SIZE = 1000
"""The most items that one call takes."""
_BATCH_BYTES = 3 * 1024 * 1024
"""A batch ends here: a server takes 4 MiB unless told otherwise."""
_WAIT_TURN_S = 30.0
"""How long one call of a wait lasts, so that a half-open connection is found out."""
_NOTHING: Mapping[str, Value] = MappingProxyType({})
_NO_LABELS: Mapping[str, str] = MappingProxyType({})


class Client(PoolCalls, ConnectionCalls):
    """Speaks to one Propwash server; use as an asynchronous context manager.

    Every call is repeated with backoff while the server is away, until timeout_s is over. Every method raises
    ClientError. target is host:port or any other gRPC target; without tls the connection is plain text, and a
    token is then taken for this machine alone (ValueError otherwise).
    """

    def __init__(
        self,
        target: str,
        *,
        tls: Tls | None = None,
        token: str | None = None,
        timeout_s: float = 60.0,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
    ) -> None:
        if token is not None and tls is None and not is_local(target):
            raise ValueError("a token may leave this machine over TLS only")
        self._target = target
        self._tls = tls
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        self._caller = Caller(timeout_s=timeout_s, backoff=backoff, metadata=metadata)
        self._channel: grpc.aio.Channel | None = None
        self._executions: execution_service_pb2_grpc.ExecutionServiceAsyncStub
        self._handlers: handler_service_pb2_grpc.HandlerServiceAsyncStub

    async def __aenter__(self) -> Self:
        self._channel = open_channel(self._target, self._tls)
        self._executions = execution_service_pb2_grpc.ExecutionServiceStub(self._channel)
        self._handlers = handler_service_pb2_grpc.HandlerServiceStub(self._channel)
        self._pools = pool_service_pb2_grpc.PoolServiceStub(self._channel)
        self._connections = connection_service_pb2_grpc.ConnectionServiceStub(self._channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every call in flight; may be called twice."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def create(
        self,
        *,
        project: str,
        domain: str,
        task_type: str,
        spec: Mapping[str, Value],
        inputs: Mapping[str, Value] = _NOTHING,
        execution_id: str = "",
        connection: str = "",
        labels: Mapping[str, str] = _NO_LABELS,
        policy: Policy = Policy(),  # noqa: B008 - frozen
        priority: int = 0,
        request_id: str = "",
        validate_only: bool = False,
    ) -> Execution:
        """Create one execution, or only check it. The answer is durable.

        Without a request_id one is made, so that the call may be repeated here. Raises TypeError and
        OverflowError for a spec or an input that is no value.
        """
        new = NewExecution(
            task_type=task_type,
            spec=spec,
            inputs=inputs,
            execution_id=execution_id,
            connection=connection,
            labels=labels,
            policy=policy,
            priority=priority,
            request_id=request_id or new_request_id(),
        )
        return await self.create_new(new, project=project, domain=domain, validate_only=validate_only)

    async def create_new(
        self, new: NewExecution, *, project: str, domain: str, validate_only: bool = False
    ) -> Execution:
        """Create what is described; as create, and safe to repeat with the same object."""
        request = to_create_request(new, parent_name(project, domain))
        request.validate_only = validate_only
        return from_execution(await self._caller.call(self._executions.CreateExecution, request))

    async def create_many(
        self, new: Iterable[NewExecution], *, project: str, domain: str
    ) -> AsyncGenerator[Execution, None]:
        """Create many, in batches of at most 1,000; each batch is created wholly or not at all.

        A batch that is larger than a limit of the server is halved. Answers in the order given, each execution as soon
        as its batch is durable.
        """
        parent = parent_name(project, domain)
        for whole in _batches(to_create_request(one, parent) for one in new):
            parts = [whole]
            while parts:
                batch = parts.pop()
                request = messages.BatchCreateExecutionsRequest(parent=parent, requests=batch)
                try:
                    answer = await self._caller.call(self._executions.BatchCreateExecutions, request)
                except ClientError as error:
                    if not _is_too_large(error) or len(batch) == 1:
                        raise
                    half = len(batch) // 2
                    parts += [batch[half:], batch[:half]]
                    continue
                for message in answer.executions:
                    yield from_execution(message)

    async def get(self, name: str) -> Execution:
        """Read one execution by its resource name."""
        request = messages.GetExecutionRequest(name=name)
        return from_execution(await self._caller.call(self._executions.GetExecution, request))

    async def get_many(self, names: Sequence[str]) -> tuple[Execution, ...]:
        """Read many, in the order given; NOT_FOUND names the first that is missing."""
        found: tuple[Execution, ...] = ()
        for start in range(0, len(names), BATCH_SIZE):
            request = messages.BatchGetExecutionsRequest(names=names[start : start + BATCH_SIZE])
            answer = await self._caller.call(self._executions.BatchGetExecutions, request)
            found += tuple(map(from_execution, answer.executions))
        return found

    async def list(
        self, *, project: str = "-", domain: str = "-", filter: str = "", page_size: int = 0
    ) -> AsyncGenerator[Execution, None]:
        """Every execution that the filter lets through, newest first, read page by page."""
        request = messages.ListExecutionsRequest(
            parent=parent_name(project, domain), filter=filter, page_size=page_size
        )
        while True:
            answer = await self._caller.call(self._executions.ListExecutions, request)
            for message in answer.executions:
                yield from_execution(message)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def watch(
        self,
        *,
        project: str = "-",
        domain: str = "-",
        names: Sequence[str] = (),
        resume_token: str = "",
        changes_only: bool = False,
        patience_s: float = 300.0,
    ) -> AsyncGenerator[Change, None]:
        """A snapshot, then every change, for ever and through restarts, without a gap or a repeat.

        At most 1,000 names; none means all. The server may be away for patience_s at a time.
        """
        request = messages.WatchExecutionsRequest(
            parent=parent_name(project, domain),
            names=names,
            resume_token=resume_token,
            changes_only=changes_only,
        )
        return watch(self._executions, self._caller, request, patience_s=patience_s)

    async def wait(
        self, name: str, *, timeout_s: float | None = None, patience_s: float = 300.0
    ) -> Execution:
        """The execution when it is terminal, or as it is when timeout_s is over: look at its phase.

        None waits for ever. The server may be away for patience_s at a time.
        """
        now = asyncio.get_running_loop().time
        until = None if timeout_s is None else now() + timeout_s
        patience = self._caller.patience(patience_s)
        while True:
            left_s = _WAIT_TURN_S if until is None else max(0.0, min(_WAIT_TURN_S, until - now()))
            request = messages.WaitExecutionRequest(
                name=name, timeout=to_duration(dt.timedelta(seconds=left_s))
            )
            try:
                message = await self._caller.call(
                    self._executions.WaitExecution, request, timeout_s=left_s + 10.0
                )
            except ClientError as error:
                if until is not None and now() >= until:
                    raise
                is_mute = error.code == "DEADLINE_EXCEEDED"  # a turn is shorter than its call's deadline
                await patience.wait(ClientError("UNAVAILABLE", error.message) if is_mute else error)
                continue
            patience.succeeded()
            execution = from_execution(message)
            if execution.phase.is_terminal or (until is not None and now() >= until):
                return execution

    async def hint(self, name: str = "", *, remote_name: str = "") -> bool:
        """Say that an execution's remote job may be over, so that it is asked for soon; whether that is of any use.

        Give its name, or the name of the attempt's job in the remote system. False where it is over already. It ends
        nothing and may be wrong.
        """
        request = messages.HintExecutionRequest(name=name, remote_name=remote_name)
        return (await self._caller.call(self._executions.HintExecution, request)).heard

    async def abort(self, name: str, *, message: str = "", allow_missing: bool = False) -> Execution:
        """Ask for the end; the answer is durable, the end follows when the remote side is confirmed gone.

        With allow_missing an abort may come before its create, and then the create is born ABORTED.
        """
        request = messages.AbortExecutionRequest(name=name, message=message, allow_missing=allow_missing)
        return from_execution(await self._caller.call(self._executions.AbortExecution, request))

    def logs(
        self, name: str, *, follow: bool = False, cursor: str = "", patience_s: float = 300.0
    ) -> AsyncGenerator[LogLine, None]:
        """The remote job's log lines; with follow until the execution is terminal."""
        request = messages.StreamLogsRequest(name=name, follow=follow, cursor=cursor)
        return follow_logs(self._executions, self._caller, request, patience_s=patience_s)

    async def results(self, name: str, *, page_size: int = 0, page_token: str = "") -> ResultPage:
        """One page of a succeeded execution's rows."""
        request = messages.ReadResultsRequest(name=name, page_size=page_size, page_token=page_token)
        return from_results(await self._caller.call(self._executions.ReadResults, request))

    async def handlers(self) -> tuple[Handler, ...]:
        """Every handler, by name; broken plugins too."""
        request = handler_service_pb2.ListHandlersRequest(page_size=BATCH_SIZE)
        found: tuple[Handler, ...] = ()
        while True:
            answer = await self._caller.call(self._handlers.ListHandlers, request)
            found += tuple(map(from_handler, answer.handlers))
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token

    async def handler(self, task_type: str) -> Handler:
        """One handler, with the JSON Schema of its spec."""
        request = handler_service_pb2.GetHandlerRequest(name=f"handlers/{task_type}")
        return from_handler(await self._caller.call(self._handlers.GetHandler, request))


def parent_name(project: str, domain: str) -> str:
    """The resource name of a collection of executions; - stands for any."""
    return f"projects/{project}/domains/{domain}"


def execution_name(project: str, domain: str, execution: str) -> str:
    """The resource name of an execution."""
    return f"{parent_name(project, domain)}/executions/{execution}"


def _is_too_large(error: ClientError) -> bool:
    """Whether the server would take fewer at once, and never as many."""
    return error.code == "RESOURCE_EXHAUSTED" and bool(error.reason) and error.retry_after_s is None


def _batches(
    requests: Iterator[messages.CreateExecutionRequest],
) -> Iterator[list[messages.CreateExecutionRequest]]:
    batch: list[messages.CreateExecutionRequest] = []
    size = 0
    for request in requests:
        more = request.ByteSize() + 8
        if batch and (len(batch) == BATCH_SIZE or size + more > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(request)
        size += more
    if batch:
        yield batch
