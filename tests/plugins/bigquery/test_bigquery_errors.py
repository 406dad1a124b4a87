"""The verdict table, row by row, and what is not in it."""

from __future__ import annotations

import datetime as dt

import pytest

from propwash.sdk import NotFound, Permanent, RemotePhase, Retryable, Throttled, Unavailable
from propwash_bigquery.errors import RULES, ApiError, is_job_retryable, retry_after, stable_reason, verdict
from propwash_bigquery.keys import JobKey
from propwash_bigquery.observing import failed, observation
from propwash_bigquery.queries import QUERY

KEY = JobKey("a-project", "US", "j")
# reason: HTTP status, verdict on a create, verdict on a look, whether a job that failed so may be retried
TABLE: dict[str, tuple[int, type[Exception], type[Exception], bool]] = {
    "accessDenied": (403, Unavailable, Unavailable, False),
    "attributeError": (400, Permanent, Unavailable, False),
    "backendError": (503, Unavailable, Unavailable, True),
    "badRequest": (400, Permanent, Unavailable, True),
    "billingNotEnabled": (403, Permanent, Unavailable, False),
    "billingTierLimitExceeded": (400, Permanent, Unavailable, False),
    "blocked": (403, Retryable, Unavailable, True),
    "duplicate": (409, Permanent, Unavailable, False),
    "internalError": (500, Unavailable, Unavailable, True),
    "invalid": (400, Permanent, Unavailable, False),
    "invalidQuery": (400, Permanent, Unavailable, False),
    "invalidUser": (400, Unavailable, Unavailable, True),
    "jobBackendError": (400, Unavailable, Unavailable, True),
    "jobInternalError": (400, Unavailable, Unavailable, True),
    "jobRateLimitExceeded": (400, Unavailable, Unavailable, True),
    "notFound": (404, Permanent, NotFound, False),
    "notImplemented": (501, Permanent, Unavailable, False),
    "proxyAuthenticationRequired": (407, Unavailable, Unavailable, True),
    "quotaExceeded": (403, Throttled, Throttled, True),
    "rateLimitExceeded": (403, Throttled, Throttled, True),
    "resourceInUse": (400, Retryable, Unavailable, True),
    "resourcesExceeded": (400, Permanent, Unavailable, False),
    "responseTooLarge": (403, Permanent, Unavailable, False),
    "stopped": (499, Permanent, Unavailable, False),
    "tableUnavailable": (400, Retryable, Unavailable, True),
    "timeout": (400, Unavailable, Unavailable, False),
    "bytesBilledLimitExceeded": (400, Permanent, Unavailable, False),
    "required": (400, Permanent, Unavailable, False),
    "parseError": (400, Permanent, Unavailable, False),
    "invalidParameter": (400, Permanent, Unavailable, False),
    "uploadTooLarge": (413, Permanent, Unavailable, False),
    "badGateway": (502, Unavailable, Unavailable, True),
    "userRateLimitExceeded": (403, Throttled, Throttled, True),
    "dailyLimitExceeded": (403, Throttled, Throttled, True),
    "authError": (401, Unavailable, Unavailable, True),
    "insufficientPermissions": (403, Unavailable, Unavailable, True),
    "accessNotConfigured": (403, Unavailable, Unavailable, True),
}


def error(status: int, reason: str, *, retry_after_s: float | None = None) -> ApiError:
    return ApiError(status=status, reason=reason, message="why", retry_after_s=retry_after_s)


def test_table_is_whole() -> None:
    assert set(TABLE) == set(RULES)


@pytest.mark.parametrize("reason", TABLE)
def test_row(reason: str) -> None:
    status, on_create, on_look, retryable = TABLE[reason]
    submitted = verdict(error(status, reason), is_submitting=True)
    looked = verdict(error(status, reason), is_submitting=False)
    assert type(submitted) is on_create
    assert type(looked) is on_look
    seen = failed({"reason": reason, "message": "why"}, KEY)
    assert (seen.phase, seen.is_retryable, seen.message) == (RemotePhase.FAILED, retryable, "why")
    assert seen.reason == stable_reason(reason)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "", Unavailable),
        (400, "somethingNew", Unavailable),
        (401, "", Unavailable),
        (401, "invalid", Unavailable),
        (403, "", Unavailable),
        (403, "somethingNew", Unavailable),
        (404, "", Unavailable),
        (409, "", Unavailable),
        (413, "", Permanent),
        (429, "", Throttled),
        (429, "somethingNew", Throttled),
        (500, "", Unavailable),
        (500, "invalid", Unavailable),
        (501, "", Unavailable),
        (504, "somethingNew", Unavailable),
        (302, "", Unavailable),
    ],
)
def test_what_the_table_does_not_have(status: int, reason: str, expected: type[Exception]) -> None:
    assert type(verdict(error(status, reason), is_submitting=True)) is expected
    looked = verdict(error(status, reason), is_submitting=False)
    assert type(looked) is (Throttled if expected is Throttled else Unavailable)


@pytest.mark.parametrize("reason", ["quotaExceeded", "rateLimitExceeded", ""])
@pytest.mark.parametrize("after_s", [None, 5.0])
def test_throttling_waits_as_told_and_no_longer(reason: str, after_s: float | None) -> None:
    answer = verdict(error(429, reason, retry_after_s=after_s), is_submitting=True)
    assert isinstance(answer, Throttled)
    assert answer.retry_after_s == after_s


@pytest.mark.parametrize("is_submitting", [True, False])
def test_a_failing_service_that_says_when_is_waited_for(is_submitting: bool) -> None:
    answer = verdict(error(503, "backendError", retry_after_s=9.0), is_submitting=is_submitting)
    assert isinstance(answer, Unavailable)
    assert answer.retry_after_s == 9.0


def test_failed_job_of_an_unknown_reason_has_failed_and_may_be_retried() -> None:
    assert is_job_retryable("somethingNew")
    seen = observation({"status": {"state": "DONE", "errorResult": {}}}, KEY, QUERY)
    assert (seen.phase, seen.reason, seen.is_retryable) == (RemotePhase.FAILED, "JOB_FAILED", True)


def test_warnings_fail_no_job() -> None:
    seen = observation({"status": {"state": "DONE", "errors": [{"reason": "invalid"}]}}, KEY, QUERY)
    assert seen.phase is RemotePhase.SUCCEEDED


def test_reason_is_stable_upper_snake_case() -> None:
    assert stable_reason("billingTierLimitExceeded") == "BILLING_TIER_LIMIT_EXCEEDED"
    assert stable_reason("9 lives!") == "LIVES_"
    assert stable_reason("") == ""
    assert len(stable_reason("a" * 200)) == 63


def test_retry_after_forms() -> None:
    now = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert retry_after(None, now=now) is None
    assert retry_after("3", now=now) == 3
    assert retry_after("99999", now=now) == 3600
    assert retry_after("soon", now=now) is None
    assert retry_after("Mon, 01 Jan 2024 00:00:10 GMT", now=now) == 10
    assert retry_after("Sun, 31 Dec 2023 00:00:10 GMT", now=now) == 0
