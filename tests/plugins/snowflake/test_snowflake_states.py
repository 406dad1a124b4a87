"""Every state and every class of error: what it means to a request, and to a statement."""

from __future__ import annotations

import pytest

from propwash.sdk import (
    NotFound,
    Observation,
    Permanent,
    RemotePhase,
    Retryable,
    Throttled,
    Unavailable,
    Verdict,
)
from propwash_snowflake.errors import RULES, STATES, RemoteError, rule_of, verdict
from propwash_snowflake.history import Entry
from propwash_snowflake.observing import of_entry, of_error, of_statement
from propwash_snowflake.wire import Statement


def entry(status: str, *, code: str = "") -> Entry:
    return Entry(
        handle="h",
        tag="",
        status=status,
        code=code,
        message="said",
        session="1",
        kind="SELECT",
        row_count=3,
        started_ms=1,
        ended_ms=2,
    )


@pytest.mark.parametrize(
    ("status", "code", "phase", "reason", "is_retryable"),
    [
        ("QUEUED", "", RemotePhase.PENDING, "", False),
        ("RESUMING_WAREHOUSE", "", RemotePhase.PENDING, "", False),
        ("QUEUED_REPARING_WAREHOUSE", "", RemotePhase.PENDING, "", False),
        ("QUEUED_REPAIRING_WAREHOUSE", "", RemotePhase.PENDING, "", False),
        ("RUNNING", "", RemotePhase.RUNNING, "", False),
        ("BLOCKED", "", RemotePhase.RUNNING, "", False),
        ("REBALANCING", "", RemotePhase.RUNNING, "", False),
        ("", "", RemotePhase.RUNNING, "", False),
        ("SUCCESS", "", RemotePhase.SUCCEEDED, "", False),
        ("FAILED_WITH_ERROR", "002003", RemotePhase.FAILED, "OBJECT_NOT_FOUND", False),
        ("FAILED_WITH_ERROR", "604", RemotePhase.FAILED, "CANCELLED", False),
        ("FAILED_WITH_ERROR", "999999", RemotePhase.FAILED, "STATEMENT_FAILED", False),
        ("FAILED_WITH_INCIDENT", "370001", RemotePhase.FAILED, "INTERNAL_ERROR", True),
        ("ABORTED", "", RemotePhase.FAILED, "CANCELLED", False),
    ],
)
def test_states_of_the_history(
    status: str, code: str, phase: RemotePhase, reason: str, is_retryable: bool
) -> None:
    told = of_entry(entry(status, code=code), ())
    assert (told.phase, told.reason or "", told.is_retryable) == (phase, reason, is_retryable)


@pytest.mark.parametrize(
    ("code", "is_running", "phase"),
    [
        ("090001", False, RemotePhase.SUCCEEDED),
        ("333333", True, RemotePhase.RUNNING),
        ("333334", True, RemotePhase.RUNNING),
        ("333399", True, RemotePhase.RUNNING),
    ],
)
def test_states_of_a_read(code: str, is_running: bool, phase: RemotePhase) -> None:
    found = Statement(handle="h", is_running=is_running, code=code, message="said", created_ms=0, answer={})
    told = of_statement(found, ())
    assert told.phase is phase
    assert ("not known here" in (told.message or "")) is (code == "333399")


@pytest.mark.parametrize(("count", "is_told"), [(0, False), (1, True), (200, True), (201, False)])
def test_the_outputs_have_the_columns_unless_there_are_too_many(count: int, is_told: bool) -> None:
    column = {"name": "SHARE", "type": "fixed", "precision": 38, "scale": 2, "nullable": True}
    answer = {"resultSetMetaData": {"numRows": 1, "rowType": [column] * count}}
    found = Statement(handle="h", is_running=False, code="090001", message="", created_ms=0, answer=answer)
    told = of_statement(found, ()).outputs.get("schema")
    assert told == (({"name": "SHARE", "type": "fixed", "scale": 2},) * count if is_told else None)


@pytest.mark.parametrize("code", sorted(RULES))
def test_codes_of_failed_statements(code: str) -> None:
    told = of_error(RemoteError(status=422, code=code, message="said"), ())
    assert isinstance(told, Observation)
    assert (told.phase, told.reason) == (RemotePhase.FAILED, RULES[code].reason)
    assert told.is_retryable is RULES[code].is_retryable
    refused = verdict(RemoteError(status=422, code=code, message="said"), is_submitting=True)
    assert isinstance(refused, Retryable if RULES[code].is_retryable else Permanent)
    assert refused.reason == RULES[code].reason


@pytest.mark.parametrize("state", sorted(STATES))
def test_states_of_failed_statements(state: str) -> None:
    assert rule_of("990000", state + "000") == STATES[state]


@pytest.mark.parametrize(
    ("status", "code", "on_submit", "on_look", "reason"),
    [
        (400, "390142", Permanent, Unavailable, "REQUEST_REFUSED"),
        (400, "", Unavailable, Unavailable, "UNEXPECTED_ANSWER"),
        (400, "000709", Permanent, NotFound, "REQUEST_REFUSED"),
        (401, "390144", Unavailable, Unavailable, "CREDENTIALS_UNAVAILABLE"),
        (403, "390422", Unavailable, Unavailable, "PERMISSION_DENIED"),
        (404, "", Unavailable, Unavailable, "UNEXPECTED_ANSWER"),
        (405, "", Unavailable, Unavailable, "UNEXPECTED_ANSWER"),
        (408, "000630", Permanent, Unavailable, "STATEMENT_TIMEOUT"),
        (415, "", Unavailable, Unavailable, "UNEXPECTED_ANSWER"),
        (422, "000709", Permanent, NotFound, "STATEMENT_FAILED"),
        (429, "390505", Throttled, Throttled, "TOO_MANY_REQUESTS"),
        (500, "390000", Unavailable, Unavailable, "UNEXPECTED_ANSWER"),
        (502, "", Unavailable, Unavailable, "UNEXPECTED_ANSWER"),
        (503, "", Unavailable, Unavailable, "UNEXPECTED_ANSWER"),
        (504, "", Unavailable, Unavailable, "UNEXPECTED_ANSWER"),
    ],
)
def test_http_statuses(
    status: int, code: str, on_submit: type[Verdict], on_look: type[Verdict], reason: str
) -> None:
    error = RemoteError(status=status, code=code, message="said", retry_after_s=7.0)
    submitted, looked = verdict(error, is_submitting=True), verdict(error, is_submitting=False)
    assert (type(submitted), submitted.reason) == (on_submit, reason)
    assert type(looked) is on_look
    if isinstance(looked, Throttled):
        assert looked.retry_after_s == 7.0
