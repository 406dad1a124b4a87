"""What a refused or failed call raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

_BROKEN_STREAM = ("RST_STREAM", "Stream removed", "GOAWAY", "Socket closed", "Connection reset")


@dataclass(frozen=True, slots=True)
class Violation:
    """A field's fault: its path in the request, and what is wrong with it."""

    field: str
    description: str


class ClientError(Exception):
    """A call that the server refused, or that could not be made.

    code is gRPC's name of the status, such as NOT_FOUND; reason is the server's own stable word, such as
    EXECUTION_NOT_FOUND, and empty where the server was not reached. is_transient says that the same call may
    succeed later; the client has then already repeated it until its time was over. is_repeat says that an earlier
    try of the call was not answered: what is refused may be what that one has done.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        reason: str = "",
        violations: tuple[Violation, ...] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.violations = violations
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s
        self.is_repeat = False

    def __str__(self) -> str:
        return f"{self.reason or self.code}: {self.message}"

    @property
    def is_transient(self) -> bool:
        """Whether the same call may be repeated: the server says so, or was not reached, or broke off."""
        if self.code == "UNAVAILABLE" or self.retry_after_s is not None:
            return True
        if self.reason:
            return False
        # Without a reason it is not our server that speaks but the transport below it.
        if self.code == "CANCELLED":
            return True
        return self.code in {"INTERNAL", "UNKNOWN"} and any(word in self.message for word in _BROKEN_STREAM)


def from_rpc(error: grpc.aio.AioRpcError) -> ClientError:
    """The error with its details taken out."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    retry_after_s: float | None = None
    for detail in _status(error).details:
        detail.Unpack(info)
        detail.Unpack(bad)
        if detail.Unpack(retry):
            retry_after_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return ClientError(
        error.code().name,
        error.details() or error.code().name.lower().replace("_", " "),
        reason=info.reason,
        violations=tuple(Violation(one.field, one.description) for one in bad.field_violations),
        metadata=dict(info.metadata),
        retry_after_s=retry_after_s,
    )


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            status.ParseFromString(value)
    return status
