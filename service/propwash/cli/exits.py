"""The exit codes, the same for every command."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from propwash.client import ClientError, Phase


class ExitCode(enum.IntEnum):
    """What a script can tell from the code; propwash --help shows the table of main.EXIT_CODES."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    EXECUTION_FAILED = 3
    EXECUTION_ABORTED = 4
    EXECUTION_TIMED_OUT = 5
    NOT_FOUND = 6
    UNAVAILABLE = 7
    CONFLICT = 10
    NOT_YET = 11
    DENIED = 12
    INTERRUPTED = 130


_BY_PHASE = {
    Phase.SUCCEEDED: ExitCode.OK,
    Phase.FAILED: ExitCode.EXECUTION_FAILED,
    Phase.ABORTED: ExitCode.EXECUTION_ABORTED,
    Phase.TIMED_OUT: ExitCode.EXECUTION_TIMED_OUT,
}
_BY_STATUS = {
    "INVALID_ARGUMENT": ExitCode.USAGE,
    "OUT_OF_RANGE": ExitCode.USAGE,
    "NOT_FOUND": ExitCode.NOT_FOUND,
    "UNAVAILABLE": ExitCode.UNAVAILABLE,
    "DEADLINE_EXCEEDED": ExitCode.UNAVAILABLE,
    "RESOURCE_EXHAUSTED": ExitCode.UNAVAILABLE,
    "ALREADY_EXISTS": ExitCode.CONFLICT,
    "ABORTED": ExitCode.CONFLICT,
    "FAILED_PRECONDITION": ExitCode.CONFLICT,
    "UNAUTHENTICATED": ExitCode.DENIED,
    "PERMISSION_DENIED": ExitCode.DENIED,
}


def of_phases(phases: Iterable[Phase]) -> ExitCode:
    """OK where all succeeded; else of the worst: failed, then timed out, aborted, not yet ended."""
    seen = {_BY_PHASE.get(phase, ExitCode.NOT_YET) for phase in phases}
    for code in (
        ExitCode.EXECUTION_FAILED,
        ExitCode.EXECUTION_TIMED_OUT,
        ExitCode.EXECUTION_ABORTED,
        ExitCode.NOT_YET,
    ):
        if code in seen:
            return code
    return ExitCode.OK


def of_error(error: ClientError) -> ExitCode:
    """The code for a refused or failed call."""
    return _BY_STATUS.get(error.code, ExitCode.FAILURE)
