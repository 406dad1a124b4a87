"""What Snowflake's errors mean: one table for refused requests and failed statements.

Sources: Snowflake documentation, "Snowflake SQL API reference" (HTTP codes; 422 with code, sqlState and message) and
the messages of Snowflake's own clients, which name the codes; SQL states by ISO/IEC 9075, class by class.
"""

from __future__ import annotations

import datetime as dt
import email.utils
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
"""The reason of every verdict that says: the connection's account is not let in; the execution waits."""
UNEXPECTED_ANSWER = "UNEXPECTED_ANSWER"
CANCELLED = "000604"
NO_WAREHOUSE = "000606"
UNKNOWN_STATEMENT = "000709"
_MOST_RETRY_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """How a statement failed: a stable reason, and whether another attempt may succeed."""

    reason: str
    is_retryable: bool = False


RULES: dict[str, Rule] = {
    "000603": Rule("INTERNAL_ERROR", is_retryable=True),
    CANCELLED: Rule("CANCELLED"),
    NO_WAREHOUSE: Rule("NO_ACTIVE_WAREHOUSE"),
    # A lock that others hold.
    "000625": Rule("LOCK_TIMEOUT", is_retryable=True),
    "000630": Rule("STATEMENT_TIMEOUT"),
    "000904": Rule("INVALID_IDENTIFIER"),
    "001003": Rule("SYNTAX_ERROR"),
    "002003": Rule("OBJECT_NOT_FOUND"),
    "003001": Rule("INSUFFICIENT_PRIVILEGES"),
    # A monitor that an administrator raises, or whose period ends.
    "090073": Rule("RESOURCE_MONITOR_EXCEEDED"),
    "100038": Rule("DATA_EXCEPTION"),
    "100051": Rule("DIVISION_BY_ZERO"),
    "100132": Rule("SCRIPT_FAILED"),
}
"""By code."""
STATES: dict[str, Rule] = {
    "02": Rule("NOT_FOUND"),
    "08": Rule("CONNECTION_EXCEPTION", is_retryable=True),
    "0A": Rule("NOT_SUPPORTED"),
    "22": Rule("DATA_EXCEPTION"),
    "23": Rule("CONSTRAINT_VIOLATION"),
    "40": Rule("TRANSACTION_ROLLED_BACK", is_retryable=True),
    "42": Rule("SQL_COMPILATION_ERROR"),
    "53": Rule("INSUFFICIENT_RESOURCES", is_retryable=True),
    "54": Rule("LIMIT_EXCEEDED"),
    "57": Rule("OPERATOR_INTERVENTION"),
    "P0": Rule("SCRIPT_FAILED"),
    "XX": Rule("INTERNAL_ERROR", is_retryable=True),
}
"""By class of the SQL state, for codes that are not in the table."""


class RemoteError(Exception):
    """An error answer; code and sql_state are empty where the body is not Snowflake's, message is for people."""

    def __init__(
        self,
        *,
        status: int,
        code: str = "",
        sql_state: str = "",
        message: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.sql_state = sql_state
        self.message = message or f"HTTP status {status}"
        self.retry_after_s = retry_after_s

    @property
    def is_unknown_statement(self) -> bool:
        """Whether there is no statement of that handle. The code tells, as the status was seen to differ."""
        return self.code == UNKNOWN_STATEMENT


def rule_of(code: str, sql_state: str) -> Rule:
    """How a statement failed. What neither table has is a failure of the statement, not to be tried again."""
    found = RULES.get(code.zfill(6) if code.isdecimal() else code) or STATES.get(sql_state[:2].upper())
    return found or Rule("STATEMENT_FAILED")


def verdict(error: RemoteError, *, is_submitting: bool) -> Verdict:
    """What an error answer means for a request that submits a statement, or for one that only looks."""
    code, message = error.code or f"HTTP_{error.status}", error.message
    if error.is_unknown_statement and not is_submitting:
        return NotFound(message)
    match error.status:
        case 401:
            return Unavailable(CREDENTIALS_UNAVAILABLE, message)
        case 403:
            return Unavailable(PERMISSION_DENIED, message)
        case 429:
            return Throttled("TOO_MANY_REQUESTS", message, retry_after_s=error.retry_after_s)
        case 408 | 422 if is_submitting:
            rule = rule_of(error.code, error.sql_state)
            kind = Retryable if rule.is_retryable else Permanent
            return kind(rule.reason, f"{code}: {message}")
        # Without a code a proxy may have said so.
        case 400 if is_submitting and error.code:
            return Permanent("REQUEST_REFUSED", f"{code}: {message}")
        case _:
            return Unavailable(UNEXPECTED_ANSWER, f"{code}: {message}", retry_after_s=error.retry_after_s)


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
