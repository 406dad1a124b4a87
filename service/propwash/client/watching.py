"""A watch and a followed log that go on through restarts of the server, without a gap or a repeat."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeAlias

import grpc

from propwash.client.calling import Caller
from propwash.client.errors import ClientError, from_rpc
from propwash.client.model import Change, ChangeKind, LogLine
from propwash.client.translate import from_change, from_log_lines
from propwash.pb.v1 import execution_service_pb2_grpc
from propwash.pb.v1.execution_service_pb2 import StreamLogsRequest, WatchExecutionsRequest

_Stub: TypeAlias = (
    "execution_service_pb2_grpc.ExecutionServiceAsyncStub"  # the generated stub file alone has it
)
_ENDED = ClientError("UNAVAILABLE", "the server ended the stream")


class _Place:
    """How far a watch has come."""

    def __init__(self, request: WatchExecutionsRequest) -> None:
        self.request = request
        self._shown: dict[str, str] = {}
        self._in_snapshot = not (request.resume_token or request.changes_only)

    def take(self, change: Change) -> bool:
        """Move on; answers whether the change is new to the reader."""
        if change.kind is ChangeKind.RESET:
            # What the old token stood for is gone; a break from here on begins the snapshot again.
            self.request.resume_token, self.request.changes_only = "", False
            self._in_snapshot = True
            self._shown.clear()
            return True
        if change.resume_token:
            self.request.resume_token = change.resume_token
        if change.kind is ChangeKind.SYNCED:
            self._in_snapshot = False
            self._shown.clear()
        elif self._in_snapshot and change.execution is not None:
            name, etag = change.execution.name, change.execution.etag
            if self._shown.get(name) == etag:
                return False
            self._shown[name] = etag
        return True


async def watch(
    stub: _Stub, caller: Caller, request: WatchExecutionsRequest, *, patience_s: float
) -> AsyncGenerator[Change, None]:
    """Changes for ever. Raises ClientError where the watch is refused, or the server is away for patience_s.

    A snapshot that breaks off is begun again; what it has already shown and is unchanged is not shown twice.
    """
    place, patience = _Place(request), caller.patience(patience_s)
    while True:
        call = stub.WatchExecutions(place.request, metadata=tuple(caller.metadata))
        failure = _ENDED
        try:
            async for message in call:
                patience.succeeded()
                change = from_change(message)
                if place.take(change):
                    yield change
        except grpc.aio.AioRpcError as error:
            failure = from_rpc(error)
        finally:
            call.cancel()
        await patience.wait(failure)


async def follow_logs(
    stub: _Stub, caller: Caller, request: StreamLogsRequest, *, patience_s: float
) -> AsyncGenerator[LogLine, None]:
    """Lines until the stream ends by itself. Raises ClientError as watch does."""
    patience = caller.patience(patience_s)
    while True:
        call = stub.StreamLogs(request, metadata=tuple(caller.metadata))
        try:
            async for message in call:
                patience.succeeded()
                for line in from_log_lines(message):
                    yield line
                if message.cursor:
                    request.cursor = message.cursor
            return
        except grpc.aio.AioRpcError as error:
            failure = from_rpc(error)
        finally:
            call.cancel()
        await patience.wait(failure)
