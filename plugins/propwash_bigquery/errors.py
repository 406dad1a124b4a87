"""What BigQuery's errors mean: one table for refused requests and failed jobs.

Source: BigQuery documentation, "Error messages" (the error table: reason, HTTP code, what to do), and
"Troubleshoot quota errors" (rateLimitExceeded passes in seconds, quotaExceeded in ten minutes or more). Reasons
that the table does not have come from Google's JSON API error list (authError, required, parseError and so on).
"""

from __future__ import annotations

import datetime as dt
import email.utils
import enum
import re
from dataclasses import dataclass

from propwash.sdk import (
    CREDENTIALS_UNAVAILABLE,
    NotFound,
    Permanent,
    Retryable,
    Throttled,
    Unavailable,
    Verdict,
)

PERMISSION_DENIED = "PERMISSION_DENIED"
"""The reason of every verdict that says: the connection's account lacks a permission; the execution waits."""
_MOST_RETRY_AFTER_S = 3600.0
# What BigQuery says of an object that the job names, by the object's kind, as in "Access Denied: Table p:d.t: ...". Of
# the account's own permission it says "Access Denied: Project p: User does not have bigquery.jobs.create permission".
_OF_AN_OBJECT = re.compile(
    r"Access Denied: (?:Table|View|Materialized View|Dataset|Model|Routine|Connection|File|Reservation)\b"
    r"|Permission denied while (?:globbing|getting Drive credentials)"
    r"|Permission \S+ denied on (?:table|view|dataset|model|routine|connection|resource)\b",
    re.IGNORECASE,
)


class Meaning(enum.Enum):
    """What a refused request means.

    Where a request only looks (get, list, cancel), all that is not MISSING, THROTTLED or QUOTA is no answer: it
    says nothing of the job.
    """

    REFUSED = "Permanent: it will be refused again"
    RETRYABLE = "Retryable: another attempt may pass"
    THROTTLED = "Throttled: passes in seconds"
    QUOTA = "Throttled: passes in minutes or hours"
    MISSING = "NotFound where it looks, Permanent where it submits"
    TAKEN = "the name is taken: adopted if ours, else Permanent"
    DENIED = (
        "Permanent where it submits and an object of the job is denied, else Unavailable PERMISSION_DENIED"
    )
    UNAUTHENTICATED = "Unavailable CREDENTIALS_UNAVAILABLE"
    NO_ANSWER = "Unavailable: says nothing"


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason: what it means as the answer to a request, and whether a job that failed with it may be retried."""

    request: Meaning
    is_job_retryable: bool


RULES: dict[str, Rule] = {
    "accessDenied": Rule(Meaning.DENIED, False),
    "attributeError": Rule(Meaning.REFUSED, False),
    "backendError": Rule(Meaning.NO_ANSWER, True),
    # Documented for rows that are still in the streaming buffer: passes in minutes.
    "badRequest": Rule(Meaning.REFUSED, True),
    "billingNotEnabled": Rule(Meaning.REFUSED, False),
    "billingTierLimitExceeded": Rule(Meaning.REFUSED, False),
    "blocked": Rule(Meaning.RETRYABLE, True),
    "duplicate": Rule(Meaning.TAKEN, False),
    "internalError": Rule(Meaning.NO_ANSWER, True),
    "invalid": Rule(Meaning.REFUSED, False),
    "invalidQuery": Rule(Meaning.REFUSED, False),
    # Stale credentials are the operator's to mend.
    "invalidUser": Rule(Meaning.UNAUTHENTICATED, True),
    "jobBackendError": Rule(Meaning.NO_ANSWER, True),
    "jobInternalError": Rule(Meaning.NO_ANSWER, True),
    "jobRateLimitExceeded": Rule(Meaning.NO_ANSWER, True),
    "notFound": Rule(Meaning.MISSING, False),
    "notImplemented": Rule(Meaning.REFUSED, False),
    "proxyAuthenticationRequired": Rule(Meaning.NO_ANSWER, True),
    "quotaExceeded": Rule(Meaning.QUOTA, True),
    "rateLimitExceeded": Rule(Meaning.THROTTLED, True),
    "resourceInUse": Rule(Meaning.RETRYABLE, True),
    "resourcesExceeded": Rule(Meaning.REFUSED, False),
    "responseTooLarge": Rule(Meaning.REFUSED, False),
    "stopped": Rule(Meaning.REFUSED, False),
    "tableUnavailable": Rule(Meaning.RETRYABLE, True),
    "timeout": Rule(Meaning.NO_ANSWER, False),
    "bytesBilledLimitExceeded": Rule(Meaning.REFUSED, False),
    "required": Rule(Meaning.REFUSED, False),
    "parseError": Rule(Meaning.REFUSED, False),
    "invalidParameter": Rule(Meaning.REFUSED, False),
    "uploadTooLarge": Rule(Meaning.REFUSED, False),
    "badGateway": Rule(Meaning.NO_ANSWER, True),
    "userRateLimitExceeded": Rule(Meaning.THROTTLED, True),
    "dailyLimitExceeded": Rule(Meaning.QUOTA, True),
    "authError": Rule(Meaning.UNAUTHENTICATED, True),
    # The token lacks a scope, which is the operator's to mend.
    "insufficientPermissions": Rule(Meaning.DENIED, True),
    # The API is not switched on in the project, which is the operator's to mend.
    "accessNotConfigured": Rule(Meaning.NO_ANSWER, True),
}
"""Every documented reason. One that is not here ends no request: it is no answer. A job that failed with one has
failed, and may be retried."""


class ApiError(Exception):
    """An error answer: the reason is empty where the body is not BigQuery's, message is for people."""

    def __init__(self, *, status: int, reason: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s

    @property
    def is_taken(self) -> bool:
        """Whether there is a job of that name already."""
        return self.status == 409 and self.reason == "duplicate"


def verdict(error: ApiError, *, is_submitting: bool) -> Verdict:
    """What an error answer means for a request that submits (insert, dry run, results), or one that only looks."""
    reason, message = stable_reason(error.reason), error.message or f"HTTP status {error.status}"
    match _meaning(error):
        case Meaning.THROTTLED:
            return Throttled(reason or "RATE_LIMIT_EXCEEDED", message, retry_after_s=error.retry_after_s)
        case Meaning.QUOTA:
            # A wait that the service did not ask for would hold every job of the connection up for one answer: the
            # engine's own backoff and the lowered rate do, and try whether the quota is back.
            return Throttled(reason, message, retry_after_s=error.retry_after_s)
        case Meaning.MISSING if not is_submitting:
            return NotFound(message)
        case Meaning.REFUSED | Meaning.MISSING if is_submitting:
            return Permanent(reason or "REQUEST_REFUSED", message)
        case Meaning.TAKEN if is_submitting:
            return Permanent("NAME_TAKEN", message)
        case Meaning.RETRYABLE if is_submitting:
            return Retryable(reason, message)
        case Meaning.UNAUTHENTICATED:
            return Unavailable(CREDENTIALS_UNAVAILABLE, message)
        case Meaning.DENIED:
            if is_submitting and _OF_AN_OBJECT.search(error.message):
                return Permanent(reason, message)
            return Unavailable(PERMISSION_DENIED, message)
        case _:
            return Unavailable(reason or "UNEXPECTED_ANSWER", message, retry_after_s=error.retry_after_s)


def _meaning(error: ApiError) -> Meaning:
    rule = RULES.get(error.reason)
    # A status that says more than a reason does: the answer may be a proxy's, or the reason a new one.
    if error.status == 401:
        return Meaning.UNAUTHENTICATED
    if error.status == 429 and (rule is None or rule.request is not Meaning.QUOTA):
        return Meaning.THROTTLED
    if error.status >= 500 and error.reason != "notImplemented":
        return Meaning.NO_ANSWER
    if rule is not None:
        return rule.request
    return Meaning.REFUSED if error.status == 413 else Meaning.NO_ANSWER


def is_job_retryable(reason: str) -> bool:
    """Whether another attempt of a job that failed for this reason may succeed."""
    rule = RULES.get(reason)
    return True if rule is None else rule.is_job_retryable


def stable_reason(reason: str) -> str:
    """UPPER_SNAKE_CASE of BigQuery's camel case, at most 63 characters; empty for what has no letter to begin with."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", reason)
    return re.sub(r"[^A-Z0-9_]", "_", words.upper()).lstrip("_0123456789")[:63]


def retry_after(header: str | None, *, now: dt.datetime) -> float | None:
    """Seconds that a Retry-After header asks for, at most an hour; None where it says nothing.

    Source: RFC 9110, section 10.2.3: seconds, or an HTTP date.
    """
    if not header:
        return None
    if header.strip().isdecimal():
        return min(float(header), _MOST_RETRY_AFTER_S)
    try:
        at = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    at = at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at
    return min(max((at - now).total_seconds(), 0.0), _MOST_RETRY_AFTER_S)
