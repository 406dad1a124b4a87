"""What the API raises, and how it becomes a gRPC status with its details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]

from propwash.api.reasons import DOMAIN, Reason
from propwash.core.admission import Limit
from propwash.core.model import Fault
from propwash.ports import (
    AlreadyEnded,
    AlreadyExists,
    DuplicateOf,
    FieldFault,
    LimitReached,
    NoSuchExecution,
    NotAccepting,
    Overloaded,
    Refused,
    StoreError,
)

_MESSAGE_CHARS = 512
_VIOLATIONS = 16
_REFUSAL_CODES = {
    "HANDLER_BROKEN": grpc.StatusCode.FAILED_PRECONDITION,
    "CONNECTION_INVALID": grpc.StatusCode.FAILED_PRECONDITION,
    "CLAIM_EXPRESSION_FAILED": grpc.StatusCode.FAILED_PRECONDITION,
}
"""Of the reasons that the handler host gives, those that are not the request's own fault."""
_LIMITS = {
    Limit.PROJECT_QUEUE: Reason.PROJECT_QUEUE_FULL,
    Limit.ACTIVE: Reason.TOO_MANY_EXECUTIONS,
}
_DETAIL_BYTES = 4096
"""A client refuses trailers of more than 8 KiB, and the details travel as base64."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One field's fault."""

    path: str
    message: str


class ApiError(Exception):
    """A call that is refused or cannot be served."""

    def __init__(
        self,
        reason: Reason | str,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        violations: Sequence[Violation] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
        resource: str = "",
        resource_type: str = "propwash.dev/Execution",
        quota: str = "",
    ) -> None:
        """A reason of the table brings its code and delay; any other needs a code. quota is whose is used up."""
        super().__init__(message)
        row = reason.value if isinstance(reason, Reason) else None
        self.reason = reason.name if isinstance(reason, Reason) else reason
        self.code = code or (row.code if row else grpc.StatusCode.UNKNOWN)
        self.message = message
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})
        self.retry_after_s = (
            retry_after_s if retry_after_s is not None else (row.retry_after_s if row else None)
        )
        self.resource = resource
        self.resource_type = resource_type
        self.quota = quota


def invalid(path: str, message: str, reason: Reason = Reason.FIELD_INVALID, **metadata: str) -> ApiError:
    """INVALID_ARGUMENT for one field."""
    return ApiError(reason, f"{path}: {message}", violations=(Violation(path, message),), metadata=metadata)


def not_found(name: str, path: str = "name") -> ApiError:
    """NOT_FOUND for an execution."""
    return ApiError(
        Reason.EXECUTION_NOT_FOUND,
        f"there is no {name}",
        metadata={"name": name, "field": path},
        resource=name,
    )


def from_fault(fault: Fault) -> ApiError:
    """UNAVAILABLE for a failed call to a handler, with the fault's own reason."""
    return ApiError(
        fault.reason,
        fault.message,
        code=grpc.StatusCode.UNAVAILABLE,
        metadata={"fault": fault.kind.name},
        retry_after_s=fault.retry_after_s,
    )


def from_refused(refused: Refused, *, at: str = "") -> ApiError:
    """INVALID_ARGUMENT for a refused draft, FAILED_PRECONDITION where its plugin or connection is broken.

    at goes before every path, such as requests[3].
    """
    violations = tuple(Violation(_request_path(fault, at), fault.message) for fault in refused.faults)
    message = f"{at.removesuffix('.')}: {refused.message}" if at else refused.message
    code = _REFUSAL_CODES.get(refused.reason, grpc.StatusCode.INVALID_ARGUMENT)
    return ApiError(refused.reason, message, code=code, violations=violations)


def _request_path(fault: FieldFault, at: str) -> str:
    path = fault.path if fault.path.startswith("execution") else f"execution.{fault.path}"
    return at + path


def from_collision(collision: AlreadyExists, *, at: str = "") -> ApiError:
    """ALREADY_EXISTS for a draft that collides."""
    by_request_id = collision.of is DuplicateOf.REQUEST_ID
    path = at + ("request_id" if by_request_id else "execution_id")
    name = str(collision.existing.name)
    differences = ",".join(collision.differences)
    message = f"{name} exists" + (f" and differs in {differences}" if differences else "")
    return ApiError(
        Reason.REQUEST_ID_REUSED if by_request_id else Reason.EXECUTION_EXISTS,
        message,
        violations=(Violation(path, message),),
        metadata={"name": name, "differences": differences},
        resource=name,
    )


def from_full(
    reached: LimitReached, *, code: grpc.StatusCode | None = None, retry_after_s: float | None = None
) -> ApiError:
    """RESOURCE_EXHAUSTED for a create that a limit of executions keeps out; or another code, and another delay."""
    full = reached.full
    numbers = {"limit": str(full.most), "count": str(full.count), "arriving": str(full.arriving)}
    return ApiError(
        _LIMITS[full.limit],
        str(reached),
        code=code,
        metadata={"project": full.project, **numbers} if full.project else numbers,
        retry_after_s=full.retry_after_s if retry_after_s is None else retry_after_s,
        quota=f"projects/{full.project}" if full.project else "server",
    )


def from_port(error: Exception) -> ApiError | None:
    """What an error of the ports means to a client; None where it is not one."""
    match error:
        case Refused():
            return from_refused(error)
        case AlreadyExists():
            return from_collision(error)
        case LimitReached():
            return from_full(error)
        case Overloaded():
            return ApiError(
                Reason.SERVER_OVERLOADED,
                str(error),
                metadata={
                    "measure": error.measure.value,
                    "value": f"{error.value:.3f}",
                    "limit": f"{error.limit:g}",
                },
                retry_after_s=error.retry_after_s,
            )
        case NotAccepting():
            return ApiError(Reason.NOT_ACCEPTING, str(error) or "the server takes nothing new now")
        case NoSuchExecution():
            return ApiError(Reason.EXECUTION_NOT_FOUND, str(error) or "there is no such execution")
        case AlreadyEnded():
            name, phase = str(error.record.name), error.record.execution.phase.name
            message = f"{name} has ended: {phase}"
            return ApiError(
                Reason.EXECUTION_ENDED,
                message,
                metadata={"name": name, "phase": phase, "field": "name"},
                resource=name,
            )
        case StoreError():
            return ApiError(Reason.STORE_UNAVAILABLE, "the store cannot serve now")
        case _:
            return None


def to_status(error: ApiError) -> grpc.Status:
    """The status with its details, cut so that it fits into the trailers that every client takes."""
    message = _cut(error.message, _MESSAGE_CHARS)
    info = error_details_pb2.ErrorInfo(
        reason=error.reason,
        domain=DOMAIN,
        metadata={key: _cut(value, _MESSAGE_CHARS) for key, value in error.metadata.items()},
    )
    details: list[Message] = [info]
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if error.resource:
        details.append(
            error_details_pb2.ResourceInfo(resource_type=error.resource_type, resource_name=error.resource)
        )
    if error.quota:
        quota = error_details_pb2.QuotaFailure()
        quota.violations.add(subject=error.quota, description=message)
        details.append(quota)
    size = sum(detail.ByteSize() for detail in details)
    if error.violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations[:_VIOLATIONS]:
            added = bad.field_violations.add(
                field=_cut(violation.path, _MESSAGE_CHARS),
                description=_cut(violation.message, _MESSAGE_CHARS),
                reason=error.reason,
            )
            if size + bad.ByteSize() > _DETAIL_BYTES and len(bad.field_violations) > 1:
                bad.field_violations.remove(added)
                break
        details.append(bad)
    status = status_pb2.Status(code=error.code.value[0], message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    made: grpc.Status = rpc_status.to_status(status)
    return made


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
