"""BigQuery's errors: reasons, the HTTP codes that go with them, and Google's JSON error envelope.

Source of the reasons and codes: "Error messages", the error table of BigQuery's documentation. 499 for a stopped job is
what getQueryResults answers in practice.
"""

from __future__ import annotations

import json
from typing import Any, Final

from propwash.sandbox import Answer, Fault, FaultKind, Standing

HTTP_CODE: Final[dict[str, int]] = {
    "accessDenied": 403,
    "attributeError": 400,
    "backendError": 503,
    "badGateway": 502,
    "billingNotEnabled": 403,
    "billingTierLimitExceeded": 400,
    "blocked": 403,
    "bytesBilledLimitExceeded": 400,
    "badRequest": 400,
    "duplicate": 409,
    "internalError": 500,
    "invalid": 400,
    "invalidQuery": 400,
    "invalidUser": 400,
    "jobBackendError": 400,
    "jobInternalError": 400,
    "jobRateLimitExceeded": 400,
    "notFound": 404,
    "notImplemented": 501,
    "proxyAuthenticationRequired": 407,
    "quotaExceeded": 403,
    "rateLimitExceeded": 403,
    "required": 400,
    "resourceInUse": 400,
    "resourcesExceeded": 400,
    "responseTooLarge": 403,
    "stopped": 499,
    "tableUnavailable": 400,
    "timeout": 400,
}
_STATUS: Final[dict[int, str]] = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
}
_BY_LOWER: Final[dict[str, str]] = {reason.lower(): reason for reason in HTTP_CODE}


class BigQueryError(Exception):
    """An error in BigQuery's words. code defaults to the one that belongs to the reason."""

    def __init__(
        self, reason: str, message: str, *, location: str | None = None, code: int | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.location = location
        self.code = code or HTTP_CODE.get(reason, 400)
        self.details: list[BigQueryError] = []
        """What a job's errors[] says besides, where the message alone says little."""

    def proto(self) -> dict[str, str]:
        """The ErrorProto that a job's status carries."""
        located = {} if self.location is None else {"location": self.location}
        return {"reason": self.reason, **located, "message": self.message}

    def answer(self, *, retry_after_s: float | None = None) -> Answer:
        """The HTTP answer with the envelope that Google's JSON APIs use."""
        located: dict[str, str] = {}
        if self.location is not None:
            located = {"location": self.location, "locationType": "other"}
        body: dict[str, Any] = {
            "error": {
                "code": self.code,
                "message": self.message,
                "errors": [
                    {"message": self.message, "domain": "global", "reason": self.reason, **located},
                ],
                "status": _STATUS.get(self.code, "UNKNOWN"),
            }
        }
        headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:.0f}"}
        return Answer(self.code, json.dumps(body).encode(), headers)


def reason_of_label(value: str) -> str:
    """The reason that a label value names: case, "-" and "_" do not count, since label values are lowercase."""
    plain = value.replace("-", "").replace("_", "")
    return _BY_LOWER.get(plain, value)


def refusal(fault: Fault) -> Answer:
    """What BigQuery says when it throttles, has no quota left or fails."""
    if fault.kind is FaultKind.THROTTLE:
        # Source: https://cloud.google.com/bigquery/docs/troubleshoot-quotas
        message = "Exceeded rate limits: too many api requests per user per method for this user_method."
        if fault.is_for_jobs:
            message = "Exceeded rate limits: too many concurrent queries for this project_and_region."
        error = BigQueryError("rateLimitExceeded", message, code=fault.status or 403)
    elif fault.kind is FaultKind.QUOTA:
        message = "Quota exceeded: Your project exceeded quota for query jobs."
        error = BigQueryError("quotaExceeded", message, code=fault.status or 403)
    else:
        code = fault.status or 503
        reason = {500: "internalError", 502: "badGateway"}.get(code, "backendError")
        error = BigQueryError(reason, "The service is currently unavailable.", code=code)
    return error.answer(retry_after_s=fault.retry_after_s)


def denial(standing: Standing) -> Answer:
    """What BigQuery says to a caller without valid credentials, and to one without permission."""
    if standing is Standing.FORBIDDEN:
        lacking = "User does not have bigquery.jobs.create permission in project sandbox."
        message = f"Access Denied: Project sandbox: {lacking}"
        return BigQueryError("accessDenied", message, code=403).answer()
    message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
    return BigQueryError("authError", message, code=401).answer()
