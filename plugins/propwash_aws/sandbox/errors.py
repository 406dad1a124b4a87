"""Errors of the stand-in, in the words of AWS's services.

Source: Smithy documentation, "AWS restJson1 protocol" and "AWS JSON 1.1 protocol", "Operation error serialization": the
code is in the header x-amzn-errortype, in the body as __type, or in both; the message's key is message or Message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from propwash.sandbox import Answer, Fault, FaultKind, Standing

JSON = "application/json"


class AwsError(Exception):
    """A refusal that a caller may be told."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def answer(self, headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
        """The answer on the wire, such that clients of either protocol can read it."""
        body = {"__type": self.code, "message": self.message, "Message": self.message}
        marked = {"x-amzn-errortype": self.code, "x-amzn-requestid": "sandbox", **headers}
        return Answer(self.status, json.dumps(body).encode(), marked, JSON)


def invalid(message: str) -> AwsError:
    """A request that is refused as it is."""
    return AwsError("ValidationException", message)


def missing(kind: str, name: str) -> AwsError:
    """A resource that is not there."""
    return AwsError("ResourceNotFoundException", f"{kind} {name} does not exist", status=404)


def ok(body: Mapping[str, Any]) -> Answer:
    """A good answer."""
    return Answer(200, json.dumps(body).encode(), {"x-amzn-requestid": "sandbox"}, JSON)


def refusal(fault: Fault) -> Answer:
    """Throttled, out of quota, or failed."""
    match fault.kind:
        case FaultKind.THROTTLE if fault.is_for_jobs:
            error = AwsError("ServiceQuotaExceededException", "Too many concurrent job runs", status=402)
        case FaultKind.THROTTLE:
            error = AwsError("ThrottlingException", "Rate exceeded", status=fault.status or 429)
        case FaultKind.QUOTA:
            error = AwsError("ServiceQuotaExceededException", "A quota of the account is reached", status=402)
        case _:
            status = fault.status or 500
            code = "ServiceUnavailableException" if status == 503 else "InternalServerException"
            error = AwsError(code, "The sandbox was told to fail", status=status)
    wait = {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:g}"}
    return error.answer(wait)


def denied(standing: Standing) -> Answer:
    """Not accepted, for its credentials or for want of a permission."""
    match standing:
        case Standing.EXPIRED:
            said = "The security token included in the request is expired"
            return AwsError("ExpiredTokenException", said, status=403).answer()
        case Standing.FORBIDDEN:
            said = "User is not authorized to perform this action"
            return AwsError("AccessDeniedException", said, status=403).answer()
        case _:
            said = "The security token included in the request is invalid."
            return AwsError("UnrecognizedClientException", said, status=403).answer()
