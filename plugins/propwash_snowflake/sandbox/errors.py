"""Snowflake's errors: codes, SQL states, and the HTTP answers that carry them.

Sources: "Snowflake SQL API reference" (status codes with their examples) and the messages that Snowflake's own clients
are tested against. Where no public source gives a code, the answer carries a message alone.
"""

from __future__ import annotations

import json
from typing import Any, Final

from propwash.sandbox import Answer, Fault, FaultKind

SUCCESS: Final = "090001"
IN_PROGRESS: Final = "333333"
IN_PROGRESS_ASYNC: Final = "333334"
CANCELED: Final = "000604"
TIMED_OUT: Final = "000630"
NOT_FOUND: Final = "000709"
BAD_PAYLOAD: Final = "390142"

# By code: SQL state and message, for failures that a job is told to show and for those that several places raise.
_KNOWN: Final[dict[str, tuple[str, str]]] = {
    CANCELED: ("57014", "SQL execution canceled"),
    TIMED_OUT: ("57014", "Statement reached its statement or warehouse timeout and was canceled."),
    NOT_FOUND: ("02000", "Statement not found"),
    "000603": ("XX000", "SQL execution internal error: Processing aborted by error 300010:391167117"),
    "000606": (
        "57P03",
        "No active warehouse selected in the current session. "
        "Select an active warehouse with the 'use warehouse' command.",
    ),
    "000625": ("57014", "Statement has locked table in transaction and this lock has not yet been released."),
    "000904": ("42000", "SQL compilation error: error line 1 at position 7\ninvalid identifier 'X'"),
    "001003": ("42000", "SQL compilation error:\nsyntax error line 1 at position 0 unexpected '<EOF>'."),
    "002003": ("42S02", "SQL compilation error:\nObject 'X' does not exist or not authorized."),
    "003001": ("42501", "SQL access control error:\nInsufficient privileges to operate on the object."),
    "090073": ("22000", "Warehouse cannot be resumed because its resource monitor has exceeded its quota."),
    "100038": ("22018", "Numeric value 'x' is not recognized"),
    "100051": ("22012", "Division by zero"),
}
_WORDS: Final[dict[str, str]] = {
    "canceled": CANCELED, "cancelled": CANCELED, "timeout": TIMED_OUT, "internal": "000603",
    "warehouse": "000606", "locked": "000625", "identifier": "000904", "syntax": "001003",
    "missing": "002003", "permission": "003001", "quota": "090073", "numeric": "100038",
    "division": "100051",
}  # fmt: skip


class SnowflakeError(Exception):
    """An error in Snowflake's words. status is the HTTP status of an answer that carries it."""

    def __init__(
        self, code: str | None, message: str, *, state: str | None = None, status: int = 422
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.state = state
        self.status = status

    def body(self, handle: str | None = None) -> dict[str, Any]:
        """The members that the error has, in the answer about this statement."""
        shown: dict[str, Any] = {} if self.code is None else {"code": self.code}
        shown["message"] = self.message
        if self.state is not None:
            shown["sqlState"] = self.state
        if handle is not None:
            shown["statementHandle"] = handle
        return shown

    def answer(self, handle: str | None = None, *, headers: dict[str, str] | None = None) -> Answer:
        """The HTTP answer."""
        return Answer(self.status, json.dumps(self.body(handle)).encode(), headers or {})


def known(code: str, message: str | None = None) -> SnowflakeError:
    """The error with this code, with its own message or the one given."""
    state, words = _KNOWN.get(code, ("22000", "The sandbox was told to fail this statement."))
    return SnowflakeError(code, message or words, state=state)


def told(reason: str) -> SnowflakeError:
    """The error that a label value names: a code such as 002003, or one of the words for the usual ones."""
    code = _WORDS.get(reason.lower(), reason)
    return known(code.zfill(6) if code.isdecimal() else "000603")


def compilation(code: str, state: str, message: str) -> SnowflakeError:
    """An error that Snowflake finds before it runs a statement."""
    return SnowflakeError(code, f"SQL compilation error:\n{message}", state=state)


def canceled() -> SnowflakeError:
    """The error of a statement that was ended from outside."""
    return known(CANCELED)


def timed_out(seconds: float) -> SnowflakeError:
    """The error of a statement that ran into its timeout."""
    message = (
        f"Statement reached its statement or warehouse timeout of {seconds:g} second(s) and was canceled."
    )
    return known(TIMED_OUT, message)


def unknown_handle(handle: str, *, status: int) -> SnowflakeError:
    """The error for a handle that no statement has."""
    return SnowflakeError(NOT_FOUND, f"Statement {handle} not found", state="02000", status=status)


def bad_payload(detail: str) -> SnowflakeError:
    """The error for a request that is no valid one."""
    message = f"Incoming request does not contain a valid payload. {detail}"
    return SnowflakeError(BAD_PAYLOAD, message, status=400)


def refusal(fault: Fault) -> Answer:
    """What Snowflake says when there are too many requests or when it fails."""
    headers = {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:.0f}"}
    if fault.kind in {FaultKind.THROTTLE, FaultKind.QUOTA}:
        # Snowflake queues statements for a warehouse, and answers 429 where an account has too many in all.
        message = "Too many concurrent requests." if fault.is_for_jobs else "Too many requests."
        error = SnowflakeError("390505", message, status=fault.status or 429)
        return error.answer(headers=headers)
    status = fault.status or 503
    if status == 500:
        return SnowflakeError("390000", "Internal server error.", status=500).answer(headers=headers)
    # Gateways in front of the service answer these, and not in its JSON.
    words = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}.get(status, "Error")
    page = f"<html><head><title>{status} {words}</title></head><body>{words}</body></html>"
    return Answer(status, page.encode(), headers, content_type="text/html")
