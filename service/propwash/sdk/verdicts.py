"""What a handler raises: a verdict on the call. An author classifies, the engine decides.

Anything else that a handler raises counts as our own error: the call is repeated with backoff, and it ends
nothing.
"""

from __future__ import annotations

import re

_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,62}")


class Verdict(Exception):
    """A classified failure of one call to a remote system.

    reason is a stable UPPER_SNAKE_CASE word of at most 63 characters; message is for people and holds no
    secret. Raises ValueError for a reason of another form.
    """

    def __init__(self, reason: str, message: str) -> None:
        if not _REASON.fullmatch(reason):
            raise ValueError(f"reason must be UPPER_SNAKE_CASE, at most 63 characters, not {reason!r}")
        super().__init__(message)
        self.reason = reason
        self.message = message


class Permanent(Verdict):
    """The remote system refuses and will refuse again. Nothing was created by this call; the execution
    fails.
    """


class Retryable(Verdict):
    """The remote system refuses this try of the job, and another attempt may pass. Uses up one of the user's
    attempts.
    """


class Throttled(Verdict):
    """The remote system asks us to slow down; the call did nothing. Is retried without using up an
    attempt.
    """

    def __init__(self, reason: str, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason, message)
        self.retry_after_s = retry_after_s


class Unavailable(Verdict):
    """No trustworthy answer: the call may or may not have taken effect. A create is looked up before any
    other is sent, not before retry_after_s where the system said when to ask again.
    """

    def __init__(self, reason: str, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason, message)
        self.retry_after_s = retry_after_s


class NotFound(Verdict):
    """The remote system knows no such job."""

    def __init__(self, message: str = "no such job", reason: str = "NOT_FOUND") -> None:
        super().__init__(reason, message)
