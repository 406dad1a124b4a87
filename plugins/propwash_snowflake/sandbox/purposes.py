"""Which statements serve a client's own book-keeping: readings of the history, cancels by SQL, tagged internal ones.

They are no jobs, so they enter the ledger only where their query tag names one, and faults and request counts know them
by names of their own, though all statements come to one path.
"""

from __future__ import annotations

import json
import re
from enum import Enum

from propwash.sandbox import Call, MethodClass
from propwash_snowflake.sandbox.tags import INTERNAL, parse_tag

_CANCEL = re.compile(r"\s*select\s+system\$cancel_query\s*\(\s*'([^']*)'\s*\)\s*;?\s*", re.IGNORECASE)
_HISTORY = re.compile(r"\bquery_history(?:_by_\w+)?\s*\(", re.IGNORECASE)
_WAIT = re.compile(
    r"\s*(?:select|call)\s+system\$wait\s*\(\s*([0-9]+)\s*(?:,\s*'(\w+)'\s*)?\)\s*;?\s*", re.IGNORECASE
)
_UNITS = {"MILLISECONDS": 0.001, "SECONDS": 1.0, "MINUTES": 60.0, "HOURS": 3600.0, "DAYS": 86_400.0}

_TELLING = (b"query_history", b"system$cancel_query", INTERNAL.encode())


class Purpose(Enum):
    """What a statement is for."""

    JOB = "statements.submit"
    HISTORY = "statements.history"
    CANCEL = "statements.cancel_query"
    INTERNAL = "statements.internal"


_CLASSES = {
    Purpose.JOB: MethodClass.CREATE,
    Purpose.HISTORY: MethodClass.LIST,
    Purpose.CANCEL: MethodClass.DELETE,
    Purpose.INTERNAL: MethodClass.OTHER,
}


def purpose_of(text: str, tag: str) -> Purpose:
    """What a statement with this query tag is for; one whose tag names a job is a job."""
    read = parse_tag(tag)
    if read.name is not None:
        return Purpose.JOB
    if _HISTORY.search(text) is not None:
        return Purpose.HISTORY
    if _CANCEL.fullmatch(text) is not None:
        return Purpose.CANCEL
    return Purpose.INTERNAL if read.is_internal else Purpose.JOB


def cancelled_handle(text: str) -> str | None:
    """The handle that SELECT SYSTEM$CANCEL_QUERY('...') names, or None where the text is none."""
    match = _CANCEL.fullmatch(text)
    return None if match is None else match[1]


def waited_s(text: str) -> float | None:
    """How long SYSTEM$WAIT is to take, or None where the text is no single call of it."""
    match = _WAIT.fullmatch(text)
    return None if match is None else int(match[1]) * _UNITS.get((match[2] or "SECONDS").upper(), 1.0)


def classify(call: Call) -> tuple[str, MethodClass]:
    """The name and class of a POST of statements."""
    lower = call.body.lower()
    purpose = Purpose.JOB
    if any(word in lower for word in _TELLING):
        try:
            body = json.loads(call.body)
            parameters = {key.upper(): value for key, value in (body.get("parameters") or {}).items()}
            purpose = purpose_of(str(body["statement"]), str(parameters.get("QUERY_TAG", "")))
        except (ValueError, AttributeError, KeyError, TypeError):
            purpose = Purpose.JOB
    return purpose.value, _CLASSES[purpose]
