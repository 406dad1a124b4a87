"""Every state of a job of each form: the phase, the reason, and whether another attempt may help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from propwash.sdk import RemotePhase, Unavailable
from propwash_bigquery import (
    BigQueryCopyHandler,
    BigQueryExtractHandler,
    BigQueryHandler,
    BigQueryLoadHandler,
)
from propwash_bigquery.keys import JobKey
from propwash_bigquery.observing import observation

PAGE = (Path(__file__).parents[3] / "docs" / "handlers" / "bigquery.md").read_text(encoding="utf-8")
FORMS = [
    handler.form
    for handler in (BigQueryHandler, BigQueryLoadHandler, BigQueryExtractHandler, BigQueryCopyHandler)
]
KEY = JobKey("p", "EU", "j", 1)


def status(state: str, reason: str = "") -> dict[str, Any]:
    said: dict[str, Any] = {"state": state}
    if reason:
        said["errorResult"] = {"reason": reason, "message": "said"}
    return said


STATES = [
    (status("PENDING"), RemotePhase.PENDING, "", False, "| `PENDING` | PENDING | |"),
    (status("RUNNING"), RemotePhase.RUNNING, "", False, "| `RUNNING` | RUNNING | |"),
    (status("DONE"), RemotePhase.SUCCEEDED, "", False, "| `DONE` without `errorResult` | SUCCEEDED | |"),
    (
        status("DONE", "invalidQuery"),
        RemotePhase.FAILED,
        "INVALID_QUERY",
        False,
        "| `DONE` with `errorResult` | FAILED |",
    ),
    (
        status("DONE", "backendError"),
        RemotePhase.FAILED,
        "BACKEND_ERROR",
        True,
        "| `DONE` with `errorResult` | FAILED |",
    ),
    (
        status("DONE", "stopped"),
        RemotePhase.FAILED,
        "STOPPED",
        False,
        "| `DONE` with `errorResult` | FAILED |",
    ),
    (
        status("REBALANCING"),
        RemotePhase.RUNNING,
        "",
        False,
        "| any other | RUNNING, with the state in the message | |",
    ),
]


@pytest.mark.parametrize("form", FORMS, ids=[form.job_type for form in FORMS])
@pytest.mark.parametrize(("said", "phase", "reason", "is_retryable", "row"), STATES)
def test_a_state_of_a_job(
    form: Any, said: dict[str, Any], phase: RemotePhase, reason: str, is_retryable: bool, row: str
) -> None:
    resource = {
        "jobReference": {"projectId": "p", "location": "EU", "jobId": "j"},
        "status": said,
        "configuration": {"jobType": form.job_type},
    }
    seen = observation(resource, KEY, form)
    assert (seen.phase, seen.reason, seen.is_retryable) == (phase, reason, is_retryable)
    assert any(line.startswith(row) for line in PAGE.splitlines()), f"the page lacks {row}"


@pytest.mark.parametrize("form", FORMS, ids=[form.job_type for form in FORMS])
def test_an_answer_without_a_state_is_none(form: Any) -> None:
    with pytest.raises(Unavailable) as raised:
        observation({"jobReference": {"jobId": "j"}, "status": {}}, KEY, form)
    assert raised.value.reason == "UNEXPECTED_ANSWER"
