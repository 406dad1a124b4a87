"""What the statuses of a connector server mean.

Source: flytekit's connector service and flyte-sdk's: NOT_FOUND where no connector serves the task type, INTERNAL with
the traceback or the text of whatever a connector raised, UNKNOWN where the server did not catch it; gRPC's own guide,
"Status codes", for the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import StatusCode

from propwash.sdk import Permanent, Retryable, Throttled, Unavailable, Verdict

UNREACHABLE = "UPSTREAM_UNREACHABLE"
RAISED = "CONNECTOR_RAISED"
_MOST_CHARS = 1000
_MOST_RETRY_AFTER_S = 3600.0
_DETAILS = "grpc-status-details-bin"
_TOO_LARGE = "message larger than max"
_NO_CONNECTOR = "cannot find"
_BROKEN_STREAM = "RST_STREAM"
_BREAKS = (StatusCode.UNAVAILABLE, StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED)


class CallError(Exception):
    """A call that ended with another status than OK."""

    def __init__(
        self, code: StatusCode, details: str, *, is_unsent: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.is_unsent = is_unsent
        """Whether no connection could be made, so that nothing was sent."""
        self.retry_after_s = retry_after_s
        """When the server wants to be asked again."""

    @property
    def is_broken(self) -> bool:
        """Whether the call broke off, so that the server may not have answered at all."""
        return self.code in _BREAKS

    @property
    def has_raised(self) -> bool:
        """Whether the connector itself raised an error."""
        is_raised = self.code in (StatusCode.INTERNAL, StatusCode.UNKNOWN)
        return is_raised and _BROKEN_STREAM not in self.details

    @property
    def said(self) -> str:
        """The status for people: of a traceback its last line."""
        lines = [line.strip() for line in self.details.splitlines() if line.strip()]
        last = lines[-1].removesuffix(".") if lines else "no details"
        return f"{self.code.name}: {last}"[:_MOST_CHARS]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a status means. kind is what a create that got it is worth."""

    reason: str
    create: type[Verdict]
    look: type[Verdict] = Unavailable


RULES: dict[StatusCode, Rule] = {
    # Throttled says that nothing was created and that the execution waits: so it is for what an operator mends.
    StatusCode.NOT_FOUND: Rule("CONNECTOR_NOT_FOUND", Throttled),
    StatusCode.UNIMPLEMENTED: Rule("UPSTREAM_UNIMPLEMENTED", Throttled),
    StatusCode.UNAUTHENTICATED: Rule("UPSTREAM_UNAUTHENTICATED", Throttled),
    StatusCode.PERMISSION_DENIED: Rule("UPSTREAM_PERMISSION_DENIED", Throttled),
    StatusCode.RESOURCE_EXHAUSTED: Rule("UPSTREAM_EXHAUSTED", Throttled, Throttled),
    StatusCode.INVALID_ARGUMENT: Rule("INVALID_ARGUMENT", Permanent),
    StatusCode.UNAVAILABLE: Rule("UPSTREAM_UNAVAILABLE", Unavailable),
    StatusCode.DEADLINE_EXCEEDED: Rule("UPSTREAM_SILENT", Unavailable),
    StatusCode.CANCELLED: Rule("UPSTREAM_BROKE_OFF", Unavailable),
}
"""A status that is not here proves nothing."""
_OTHER = Rule("UPSTREAM_ANSWERED_ERROR", Unavailable)
_RAISED: dict[str, type[Verdict]] = {"retry": Retryable, "fail": Permanent, "doubt": Unavailable}


def of_create(error: CallError, *, when_raised: Literal["retry", "fail", "doubt"]) -> Verdict:
    """What the status of a create, or of a synchronous task's one call, means."""
    if error.is_unsent:
        return Throttled(UNREACHABLE, error.said)
    if error.has_raised:
        return _RAISED[when_raised](RAISED, error.said)
    if error.code is StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in error.details:
        return Permanent("REQUEST_TOO_LARGE", error.said)
    if error.code is StatusCode.NOT_FOUND and _NO_CONNECTOR not in error.details.lower():
        return Unavailable("UPSTREAM_NOT_FOUND", error.said)
    rule = RULES.get(error.code, _OTHER)
    return _verdict(rule.create, rule.reason, error)


def of_look(error: CallError) -> Verdict:
    """What the status of any other call means. None ends anything: it says nothing of the job."""
    if error.is_unsent:
        return Unavailable(UNREACHABLE, error.said)
    if error.has_raised:
        return Unavailable(RAISED, error.said)
    rule = RULES.get(error.code, _OTHER)
    return _verdict(rule.look, rule.reason, error)


def retry_after_s(metadata: Iterable[tuple[str, str | bytes]]) -> float | None:
    """Seconds, at most an hour, after which a status wants the call to be repeated; None where it does not say.

    Source: google.rpc.RetryInfo in the google.rpc.Status of the trailing metadata grpc-status-details-bin, as servers
    in the manner of Google's APIs send it with RESOURCE_EXHAUSTED and UNAVAILABLE.
    """
    for name, value in metadata:
        if name == _DETAILS and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                return None
            for detail in status.details:
                retry = error_details_pb2.RetryInfo()
                if detail.Is(retry.DESCRIPTOR) and detail.Unpack(retry):
                    delay_s: float = retry.retry_delay.ToTimedelta().total_seconds()
                    return min(max(delay_s, 0.0), _MOST_RETRY_AFTER_S)
    return None


def _verdict(kind: type[Verdict], reason: str, error: CallError) -> Verdict:
    if issubclass(kind, Throttled | Unavailable):
        return kind(reason, error.said, retry_after_s=error.retry_after_s)
    return kind(reason, error.said)
