"""Metrics that promtool takes, and log lines with fields and without secrets."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from propwash.core.events import AbortRequested, Observed, Resumed
from propwash.core.model import (
    Cleaning,
    CreateStatus,
    Done,
    Execution,
    ExecutionUid,
    Fault,
    FaultKind,
    Observation,
    Outcome,
    OutcomeKind,
    Plan,
    Queued,
    RemotePhase,
    Running,
    State,
)
from propwash.core.overload import Measure
from propwash.ports import ExecutionName, Instrument
from propwash.telemetry import MAX_LABEL_VALUES, JsonLines, Telemetry, TextLines, configure_logging

NAME = ExecutionName("p", "d", "secretive-name")
SEEN = Observation(phase=RemotePhase.RUNNING)
OUTCOME = Outcome(kind=OutcomeKind.SUCCEEDED, reason="R", message="done")


def execution(state: State, *, attempt: int = 1, uid: str = "u1") -> Execution:
    """An execution in a state."""
    plan = Plan(task_type="query")
    return Execution(
        uid=ExecutionUid(uid), plan=plan, state=state, attempt=attempt, created_at=0, updated_at=0
    )


def running(at: float) -> Running:
    """Observed at."""
    return Running(granted_at=0, meta=b"", observation=SEEN, observed_at=at, poll_at=0, settled_at=0)


def cleaning(since: float) -> Cleaning:
    """Cleaning since."""
    return Cleaning(
        granted_at=0,
        then=OUTCOME,
        since=since,
        create=CreateStatus.CONFIRMED,
        meta=b"",
        not_before=0,
        settled_at=0,
    )


QUEUED = execution(Queued(not_before=0))
DONE = execution(Done(outcome=OUTCOME, ended_at=9))


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(now=lambda: 100.0, version="1.2.3", task_types=["query"])


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    """One sample."""
    return telemetry.registry.get_sample_value(f"propwash_{name}", labels)


def test_it_is_an_instrument(telemetry: Telemetry) -> None:
    instrument: Instrument = telemetry
    instrument.lagged(0.1)
    assert value(telemetry, "loop_lag_seconds_count") == 1


def test_executions_by_phase(telemetry: Telemetry) -> None:
    assert value(telemetry, "executions", phase="RUNNING", task_type="query") == 0
    assert value(telemetry, "executions_ended_total", phase="FAILED", task_type="query") == 0
    telemetry.stepped(NAME, None, None, QUEUED, ())
    assert value(telemetry, "executions", phase="QUEUED", task_type="query") == 1
    first, second = execution(running(10)), execution(running(14))
    telemetry.stepped(NAME, QUEUED, None, first, ())
    telemetry.observed(first, 14)
    telemetry.stepped(NAME, first, Observed(attempt=1, observation=SEEN, asked_at=14), second, ())
    assert value(telemetry, "executions", phase="QUEUED", task_type="query") == 0
    assert value(telemetry, "executions", phase="RUNNING", task_type="query") == 1
    assert value(telemetry, "observation_gap_seconds_sum", task_type="query", connection="") == 4
    assert value(telemetry, "observation_staleness_seconds") == 86
    clean = execution(cleaning(40))
    telemetry.stepped(NAME, second, AbortRequested(), clean, ())
    assert value(telemetry, "cleanup_pending") == 1
    assert value(telemetry, "cleanup_oldest_age_seconds") == 60
    assert value(telemetry, "observation_staleness_seconds") == 0
    telemetry.stepped(NAME, clean, None, DONE, ())
    telemetry.forgot(NAME, DONE)
    assert value(telemetry, "executions_ended_total", phase="SUCCEEDED", task_type="query") == 1
    assert value(telemetry, "cleanup_pending") == 0
    moved = value(telemetry, "transitions_total", source="CLEANING_UP", target="SUCCEEDED", task_type="query")
    assert moved == 1


def test_loaded_executions_and_retries(telemetry: Telemetry) -> None:
    telemetry.stepped(NAME, None, Resumed(), DONE, ())
    assert value(telemetry, "executions_ended_total", phase="SUCCEEDED", task_type="query") == 0
    telemetry.stepped(NAME, None, None, DONE, ())
    assert value(telemetry, "executions_ended_total", phase="SUCCEEDED", task_type="query") == 1
    telemetry.stepped(NAME, execution(cleaning(1)), None, replace(QUEUED, attempt=2), ())
    assert value(telemetry, "attempt_retries_total", task_type="query") == 1


def exercise(telemetry: Telemetry) -> None:
    """Call everything once."""
    telemetry.stepped(NAME, None, None, QUEUED, ())
    telemetry.called(task_type="query", connection="c", method="get", code="OK", seconds=0.2)
    telemetry.committed(changes=3, seconds=0.01)
    telemetry.commit_failed("disk full")
    telemetry.queued(lane="create", depth=4)
    telemetry.dequeued(lane="create", seconds=0.5)
    telemetry.lagged(0.001)
    telemetry.pools([])
    telemetry.breaker(handler="h", connection="c", is_open=False)
    telemetry.swept(task_type="query", connection="c", listed=9, orphans=2)
    telemetry.trouble("engine", "odd", detail="x")
    telemetry.served(method="/propwash.v1.ExecutionService/GetExecution", code="OK", reason="", seconds=0.001)
    telemetry.streams(method="/propwash.v1.ExecutionService/WatchExecutions", count=2)
    for code in ("", "500"):
        telemetry.flyte_served(task_type="query", operation="get", error_code=code, seconds=0.25)
    telemetry.flyte_inputs(task_type="query", size=1000)
    telemetry.count_abandoned(lambda: 3)


def test_the_rest(telemetry: Telemetry) -> None:
    exercise(telemetry)
    assert value(telemetry, "remote_requests_total", connection="c", method="get", code="OK") == 1
    assert value(telemetry, "store_commit_changes_sum") == 3
    assert value(telemetry, "store_commit_failures_total") == 1
    assert value(telemetry, "workqueue_depth", lane="create") == 4
    assert value(telemetry, "workqueue_queue_duration_seconds_sum", lane="create") == 0.5
    assert value(telemetry, "orphans_found_total", task_type="query", connection="c") == 2
    assert value(telemetry, "grpc_requests_total", method="GetExecution", code="OK") == 1
    assert value(telemetry, "grpc_streams", method="WatchExecutions") == 2
    assert value(telemetry, "handler_calls_abandoned") == 3
    assert value(telemetry, "build_info", version="1.2.3", python=_python()) == 1


@pytest.mark.usefixtures("_restored_logging")
def test_a_breaker_is_told_once_when_it_opens_and_once_when_it_closes(
    telemetry: Telemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(format="json", level="info")
    labels = {"handler": "toys#0", "connection": "c"}

    def shown() -> tuple[float | None, float | None]:
        return value(telemetry, "breaker_open", **labels), value(
            telemetry, "breaker_openings_total", **labels
        )

    telemetry.breaker(handler="toys#0", connection="c", is_open=False)
    assert shown() == (0, 0)
    fault = Fault(kind=FaultKind.UNAVAILABLE, reason="NO_ANSWER", message="nothing came")
    telemetry.breaker(handler="toys#0", connection="c", is_open=True, fault=fault)
    assert shown() == (1, 1)
    telemetry.breaker(handler="toys#0", connection="c", is_open=False, seconds=12.0)
    assert shown() == (0, 1)
    opened, closed = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (opened["message"], opened["level"], opened["connection"]) == ("breaker opened", "WARNING", "c")
    assert (opened["reason"], opened["why"]) == ("NO_ANSWER", "nothing came")
    assert (closed["message"], closed["level"], closed["seconds"]) == ("breaker closed", "INFO", 12.0)


def test_the_names_of_flyte_s_own_connector_service(telemetry: Telemetry) -> None:
    exercise(telemetry)
    told = telemetry.exposition("")[1].decode()
    call = 'operation="get",task_type="query"'
    for line in (
        f"flyte_connector_requests_success_total{{{call}}} 1.0",
        'flyte_connector_requests_failure_total{error_code="500",operation="get",task_type="query"} 1.0',
        f"flyte_connector_request_latency_seconds_count{{{call}}} 2.0",
        f"flyte_connector_request_latency_seconds_sum{{{call}}} 0.5",
        'flyte_connector_input_literal_bytes_sum{task_type="query"} 1000.0',
    ):
        assert line in told.splitlines()


def _python() -> str:
    import platform

    return platform.python_version()


def test_promtool_takes_the_exposition(telemetry: Telemetry) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    exercise(telemetry)
    content_type, body = telemetry.exposition("")
    assert content_type.startswith("text/plain")
    done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_is_let_in_and_what_is_turned_away(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    for reason in ("PROJECT_QUEUE_FULL", "TOO_MANY_EXECUTIONS", "SERVER_OVERLOADED"):
        assert value(telemetry, "admissions_refused_total", reason=reason) == 0
    telemetry.refused(reason="PROJECT_QUEUE_FULL", executions=3)
    assert value(telemetry, "admissions_refused_total", reason="PROJECT_QUEUE_FULL") == 3
    with caplog.at_level(logging.INFO):
        for overload in (None, Measure.LOOP_LAG, Measure.LOOP_LAG, Measure.COMMIT_AGE, None, None):
            telemetry.load(active=7, queued=4, lag_s=1.5, backlog=20, backlog_s=0.5, overload=overload)
            shown = {one: value(telemetry, "overloaded", measure=one.value) for one in Measure}
            assert shown == {one: float(one is overload) for one in Measure}
    assert [record.message for record in caplog.records] == [
        "overloaded, new work is turned away",
        "no longer overloaded",
    ]
    assert value(telemetry, "active_executions") == 7
    assert value(telemetry, "queued_executions") == 4
    for name, expected in (
        ("commit_backlog_changes", 20),
        ("commit_backlog_age_seconds", 0.5),
        ("loop_lag_smoothed_seconds", 1.5),
    ):
        assert value(telemetry, name) == expected


def test_openmetrics_is_offered_and_no_name_is_a_label(telemetry: Telemetry) -> None:
    exercise(telemetry)
    content_type, body = telemetry.exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert b"secretive-name" not in body
    assert b"u1" not in body


def test_labels_are_bounded(telemetry: Telemetry) -> None:
    for number in range(MAX_LABEL_VALUES + 50):
        telemetry.called(task_type="query", connection="c", method="get", code=f"E{number}", seconds=0)
    assert value(telemetry, "remote_requests_total", connection="c", method="get", code="other") == 50


@pytest.fixture
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = before


@pytest.mark.usefixtures("_restored_logging")
def test_log_lines(telemetry: Telemetry, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(format="json", level="info")
    telemetry.stepped(NAME, execution(running(1)), None, DONE, ())
    telemetry.trouble(
        "engine", "Authorization: Bearer abcdefghijkl", token="t0p", url="https://me:pw1@host/x"
    )
    telemetry.incident("abc123", method="/m", error=ValueError("odd"))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["execution changed phase", "trouble", "call failed"]
    first, second, third = lines
    assert (first["execution"], first["source"], first["target"]) == (str(NAME), "RUNNING", "SUCCEEDED")
    assert (first["reason"], first["why"], first["level"]) == ("R", "done", "INFO")
    assert (second["why"], second["token"]) == ("Authorization: [secret]", "[secret]")
    assert second["url"] == "https://[secret]@host/x"
    assert third["incident"] == "abc123"
    assert "ValueError: odd" in third["traceback"]


def test_text_lines() -> None:
    record = logging.LogRecord("propwash", logging.INFO, "f", 1, "it happened", (), None)
    record.fields = {"why": 'a "b"', "n": 3, "level": "x"}
    line = TextLines().format(record)
    assert line.endswith(' level=INFO logger=propwash message="it happened" why="a \\"b\\"" n=3 level_=x')
    assert json.loads(JsonLines().format(record))["n"] == 3


@pytest.mark.parametrize(("form", "level"), [("xml", "INFO"), ("json", "LOUD")])
def test_bad_log_settings(form: str, level: str) -> None:
    with pytest.raises(ValueError, match="the log"):
        configure_logging(format=form, level=level)
