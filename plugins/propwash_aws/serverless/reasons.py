"""Why an EMR Serverless job run failed: stable reasons out of stateDetails, which is text for people.

Source: EMR Serverless User Guide, "Job run states" (see StateDetails) and "Troubleshooting" (the texts of errors);
the service has no code for it. The first pattern that fits counts; a text that none fits is JOB_FAILED, of which we
know nothing, and so may be tried again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason, whether another attempt may succeed, and what the text says."""

    reason: str
    is_retryable: bool
    pattern: re.Pattern[str]


def _rule(reason: str, is_retryable: bool, pattern: str) -> Rule:
    return Rule(reason, is_retryable, re.compile(pattern, re.IGNORECASE))


RULES = (
    _rule(
        "INTERNAL_ERROR",
        True,
        r"internal (?:server |service )?(?:error|failure)|INTERNAL_ERROR|InternalServerException",
    ),
    _rule(
        "CAPACITY_EXCEEDED",
        True,
        r"maximum ?capacity|MaxCapacityExceeded|vCPUs? (?:limit|quota)|service quota|insufficient capacity"
        r"|not enough (?:free )?(?:IP|capacity)|insufficient free addresses|queue(?:d)? (?:timeout|timed out)",
    ),
    _rule(
        "WORKER_LOST",
        True,
        r"ExecutorLost|executors? (?:was |were )?lost|\bspot\b|worker could not be allocated",
    ),
    _rule(
        "ACCESS_DENIED",
        False,
        r"AccessDenied|access denied|not authorized|cannot be assumed|Status Code: 403|trust polic",
    ),
    _rule(
        "VALIDATION_ERROR",
        False,
        r"VALIDATION_ERROR|ValidationException|invalid (?:parameter|configuration|entry ?point)",
    ),
    _rule(
        "INPUT_NOT_FOUND",
        False,
        r"NoSuchKey|NoSuchBucket|FileNotFoundException|(?:file|object|bucket|path|table) does not exist",
    ),
    _rule(
        "USER_ERROR", False, r"USER_ERROR|exit ?code:? ?[1-9]|user application exited|\bexception|SyntaxError"
    ),
)


def failure_of(details: str) -> tuple[str, bool]:
    """The reason of a failed run, and whether another attempt may succeed."""
    for rule in RULES:
        if rule.pattern.search(details):
            return rule.reason, rule.is_retryable
    return "JOB_FAILED", True


_TIMED_OUT = re.compile(r"time(?:d)? ?-?out|executionTimeout|exceeded.*(?:time|duration)", re.IGNORECASE)


def cancellation_of(details: str) -> str:
    """The reason of a cancelled run: the service cancels what outlasts its execution timeout."""
    return "EXECUTION_TIMEOUT" if _TIMED_OUT.search(details) else "CANCELLED"
