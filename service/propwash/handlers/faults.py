"""Turns what a handler raises into a Fault, and free text into what may be stored and shown."""

from __future__ import annotations

import math
import re

from propwash.core.model import Fault, FaultKind
from propwash.sdk import NotFound, Permanent, Retryable, Throttled, Unavailable, Verdict

REASON = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
NONSENSE = "HANDLER_ANSWERED_NONSENSE"
_RAISED_LIMIT = 300
_VERDICT_LIMIT = 4096
# Text that is not a handler's considered message may quote a request: whatever looks like a credential goes.
_SECRETS = (
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        "[key]",
    ),
    (re.compile(r"(?i)\b(bearer|basic|negotiate)\s+[a-z0-9._~+/=-]{8,}"), r"\1 [redacted]"),
    (re.compile(r"(?i)(://[^/\s:@]*):[^/\s@]+@"), r"\1:[redacted]@"),
    (
        re.compile(
            # Not the reason that goes before many a message.
            r"(?i)(?!credentials_unavailable\b)([\w-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|signature|credential)[\w-]*"
            r"[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)"
        ),
        r"\1[redacted]",
    ),
)


class Nonsense(Exception):
    """A handler answered what it must not; the message says what."""


def short(text: str, *, limit: int = _RAISED_LIMIT) -> str:
    """One line of at most limit characters, with what looks like a credential taken out."""
    clean = text[: limit * 4]
    for pattern, replacement in _SECRETS:
        clean = pattern.sub(replacement, clean)
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def internal(reason: str, message: str) -> Fault:
    """Our own error: repeated with backoff, ends nothing."""
    return Fault(kind=FaultKind.INTERNAL, reason=reason, message=short(message))


def nonsense(message: str) -> Fault:
    """The handler answered what it must not."""
    return internal(NONSENSE, message)


def fault_of(error: BaseException, *, not_found: FaultKind) -> Fault:
    """The fault of what a call raised; not_found is what a NotFound that answers no question counts as."""
    if isinstance(error, Nonsense):
        return nonsense(str(error))
    if not isinstance(error, Verdict):
        return internal("HANDLER_RAISED", f"{type(error).__name__}: {short(str(error))}")
    reason: object = getattr(error, "reason", None)
    message: object = getattr(error, "message", None)
    if not isinstance(reason, str) or not REASON.fullmatch(reason) or not isinstance(message, str):
        return nonsense(f"{type(error).__name__} without a well-formed reason and message")
    kind = _kind_of(error, not_found=not_found)
    if kind is None:
        return nonsense(f"{type(error).__name__} is none of the verdicts")
    return Fault(
        kind=kind,
        reason=reason,
        message=short(message, limit=_VERDICT_LIMIT),
        retry_after_s=_retry_after_s(error),
    )


def _kind_of(error: Verdict, *, not_found: FaultKind) -> FaultKind | None:
    match error:
        case Permanent():
            return FaultKind.PERMANENT
        case Retryable():
            return FaultKind.RETRYABLE
        case Throttled():
            return FaultKind.THROTTLED
        case Unavailable():
            return FaultKind.UNAVAILABLE
        case NotFound():
            return not_found
        case _:
            return None


def _retry_after_s(error: Verdict) -> float | None:
    after_s: object = getattr(error, "retry_after_s", None)
    if isinstance(after_s, bool) or not isinstance(after_s, int | float):
        return None
    return float(after_s) if math.isfinite(after_s) and after_s >= 0 else None
