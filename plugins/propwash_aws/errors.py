"""What the errors of AWS's services mean: one table from error code to meaning, for all forms.

Source: "Common errors" of the EMR Serverless, EMR on EKS, EMR and STS API references, "Error responses" of the S3 API
reference, and the errors that botocore's service models (emr-serverless 2021-07-13, emr-containers 2020-10-01,
elasticmapreduce 2009-03-31, sts 2011-06-15) declare for their operations.
"""

from __future__ import annotations

import enum
import re

from propwash.sdk import (
    CREDENTIALS_UNAVAILABLE,
    NotFound,
    Permanent,
    Throttled,
    Unavailable,
    Verdict,
)

PERMISSION_DENIED = "PERMISSION_DENIED"
ROLE_NOT_PASSABLE = "ROLE_NOT_PASSABLE"
UNEXPECTED_ANSWER = "UNEXPECTED_ANSWER"


class Meaning(enum.Enum):
    """What an error answer means.

    Where a request only looks (get, list, cancel), all that is not MISSING or THROTTLED is no answer: it says nothing
    of the job.
    """

    REFUSED = "Permanent where it submits: it will be refused again"
    THROTTLED = "Throttled: passes in seconds"
    QUOTA = "Throttled: passes when others end"
    MISSING = "NotFound where it looks, Permanent where it submits"
    CONFLICT = "Unavailable: another request of the same token, or a state that passes"
    CREDENTIALS = "Unavailable: the credentials do not serve"
    FORBIDDEN = "Unavailable: a permission is missing; of a role that the spec names, Permanent"
    NO_ANSWER = "Unavailable: says nothing"


_WORDS: dict[Meaning, tuple[str, ...]] = {
    Meaning.REFUSED: (
        "ValidationException",
        "InvalidRequestException",
        "ValidationError",
        "InvalidParameterValue",
        "InvalidParameterCombination",
        "InvalidQueryParameter",
        "MissingParameter",
        "MalformedQueryString",
        "SerializationException",
        "RequestEntityTooLarge",
        "RequestEntityTooLargeException",
        "MalformedPolicyDocument",
        "PackedPolicyTooLarge",
        "InvalidBucketName",
    ),
    Meaning.THROTTLED: (
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
        "EKSRequestThrottledException",
    ),
    Meaning.QUOTA: ("ServiceQuotaExceededException",),
    Meaning.MISSING: ("ResourceNotFoundException", "NoSuchBucket", "NoSuchKey"),
    Meaning.CONFLICT: ("ConflictException",),
    Meaning.CREDENTIALS: (
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "InvalidAccessKeyId",
        "RequestTimeTooSkewed",
    ),
    Meaning.FORBIDDEN: (
        "AccessDenied",
        "NotAuthorized",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "UnauthorizedException",
        "OptInRequired",
        "SubscriptionRequiredException",
        "RegionDisabledException",
    ),
    Meaning.NO_ANSWER: (
        "InternalServerException",
        "InternalServerError",
        "InternalFailure",
        "InternalError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
        "RequestAbortedException",
        # The service, or an action of it, is not known where the request went: the endpoint is the operator's.
        "UnknownOperationException",
        "UnknownEndpoint",
        "InvalidAction",
    ),
}

MEANINGS: dict[str, Meaning] = {code: meaning for meaning, codes in _WORDS.items() for code in codes}
"""Every documented code. One that is not here is no answer, unless its HTTP status says more."""

_PASS_ROLE = re.compile(r"iam:PassRole", re.IGNORECASE)


class RemoteError(Exception):
    """An error answer of a service. code is empty where the body is not the service's; message is for people."""

    def __init__(self, *, status: int, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code or status}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s

    @property
    def meaning(self) -> Meaning:
        """What it means, by its code, or by its status where the code says nothing."""
        found = MEANINGS.get(self.code)
        if found is not None:
            return found
        if self.status == 429:
            return Meaning.THROTTLED
        if self.status == 401:
            return Meaning.CREDENTIALS
        return Meaning.NO_ANSWER


def verdict(error: RemoteError, *, is_submitting: bool, names_role: bool = True) -> Verdict:
    """What an error answer means for a request that submits, or one that only looks (or cancels).

    names_role says whether the user's spec names the role that the job runs as; the connection's is the operator's.
    """
    reason = stable_reason(error.code)
    message = error.message or f"HTTP status {error.status}"
    match error.meaning:
        case Meaning.THROTTLED | Meaning.QUOTA:
            return Throttled(reason or "TOO_MANY_REQUESTS", message, retry_after_s=error.retry_after_s)
        case Meaning.CREDENTIALS:
            return Unavailable(CREDENTIALS_UNAVAILABLE, f"{error.code or error.status}: {message}")
        case Meaning.FORBIDDEN if is_submitting and names_role and _PASS_ROLE.search(message):
            return Permanent(ROLE_NOT_PASSABLE, message)
        case Meaning.FORBIDDEN:
            return Unavailable(PERMISSION_DENIED, message)
        case Meaning.REFUSED | Meaning.MISSING if is_submitting:
            return Permanent(reason or "REQUEST_REFUSED", message)
        case Meaning.MISSING:
            return NotFound(message)
        case _:
            return Unavailable(reason or UNEXPECTED_ANSWER, message, retry_after_s=error.retry_after_s)


def stable_reason(code: str) -> str:
    """UPPER_SNAKE_CASE of AWS's camel case without its Exception, at most 63 characters; empty for what has no letter
    to begin with.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", code.removesuffix("Exception"))
    return re.sub(r"[^A-Z0-9_]", "_", words.upper()).lstrip("_0123456789")[:63]


def retry_after(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, at most an hour; None where it says nothing or gives a date.

    Source: RFC 9110, section 10.2.3; AWS's services send seconds where they send it at all.
    """
    if header and header.strip().isascii() and header.strip().isdecimal():
        return min(float(header), 3600.0)
    return None
