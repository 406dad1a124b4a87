"""The service level of polling: how old the last answers about live jobs are, and what it costs to know."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from propwash.core.model import (
    Done,
    Execution,
    ExecutionUid,
    Observation,
    Outcome,
    OutcomeKind,
    Plan,
    RemotePhase,
    Running,
    Traits,
)
from propwash.ports import ExecutionName
from propwash.telemetry import Telemetry

RULES = Path(__file__).parents[2] / "deploy" / "prometheus"
NAME = ExecutionName("p", "d", "e")
TRAITS = Traits(poll_ceiling_s=30.0)


class Hours:
    """A clock that stands where it is put."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hours:
    return Hours()


@pytest.fixture
def telemetry(clock: Hours) -> Telemetry:
    return Telemetry(now=clock, version="1.2.3")


def running(uid: str, at: float, *, connection: str = "c", task_type: str = "query") -> Execution:
    """A live job, observed at."""
    state = Running(
        granted_at=0,
        meta=b"",
        observation=Observation(phase=RemotePhase.RUNNING),
        observed_at=at,
        poll_at=0,
        settled_at=0,
    )
    plan = Plan(task_type=task_type, connection=connection, traits=TRAITS)
    return Execution(uid=ExecutionUid(uid), plan=plan, state=state, attempt=1, created_at=0, updated_at=0)


def read(telemetry: Telemetry, name: str, connection: str = "c") -> float | None:
    """One sample."""
    labels = {"task_type": "query", "connection": connection}
    return telemetry.registry.get_sample_value(f"propwash_observation_{name}", labels)


def started(telemetry: Telemetry, *executions: Execution) -> None:
    """They are live."""
    for execution in executions:
        telemetry.stepped(NAME, None, None, execution, ())


def test_an_answer_that_tells_nothing_new_counts(telemetry: Telemetry, clock: Hours) -> None:
    job = running("a", 1000.0)
    started(telemetry, job)
    clock.now = 1030.0
    assert read(telemetry, "oldest_seconds") == 30.0
    telemetry.observed(job, 1030.0)
    assert read(telemetry, "oldest_seconds") == 0.0
    assert read(telemetry, "gap_seconds_sum") == 30.0
    assert telemetry.registry.get_sample_value("propwash_observation_staleness_seconds") == 0.0


def test_a_job_is_late_after_one_and_a_half_of_its_ceiling(telemetry: Telemetry, clock: Hours) -> None:
    jobs = [running(f"{number}", 1000.0 + number) for number in range(10)]
    started(telemetry, *jobs)
    for now, late in ((1044.0, 0), (1045.0, 1), (1049.5, 5), (1054.0, 10)):
        clock.now = now
        assert read(telemetry, "late_jobs") == late
    telemetry.observed(jobs[0], 1054.0)
    assert read(telemetry, "late_jobs") == 9
    assert read(telemetry, "live_jobs") == 10


def test_what_has_ended_counts_no_more(telemetry: Telemetry, clock: Hours) -> None:
    job = running("a", 1000.0)
    started(telemetry, job)
    clock.now = 2000.0
    ended = replace(job, state=Done(outcome=Outcome(kind=OutcomeKind.SUCCEEDED), ended_at=2000.0))
    telemetry.observed(job, 2000.0)
    telemetry.stepped(NAME, job, None, ended, ())
    telemetry.forgot(NAME, ended)
    telemetry.observed(job, 2001.0)
    for name in ("late_jobs", "live_jobs", "oldest_seconds"):
        assert read(telemetry, name) == 0.0
    assert read(telemetry, "gap_seconds_count") == 2


def test_an_older_row_does_not_take_an_answer_back(telemetry: Telemetry, clock: Hours) -> None:
    job = running("a", 1000.0)
    started(telemetry, job)
    clock.now = 1100.0
    telemetry.observed(job, 1100.0)
    telemetry.stepped(NAME, job, None, running("a", 1050.0), ())
    assert read(telemetry, "oldest_seconds") == 0.0


def test_connections_are_told_apart_and_those_of_a_task_are_not(telemetry: Telemetry, clock: Hours) -> None:
    started(
        telemetry,
        running("a", 1000.0),
        running("b", 900.0, connection="d~1"),
        running("c", 950.0, connection="d~2"),
    )
    assert (read(telemetry, "oldest_seconds"), read(telemetry, "oldest_seconds", "d")) == (0.0, 100.0)
    assert read(telemetry, "live_jobs", "d") == 2


def test_a_scrape_does_not_cost_more_for_more_jobs(telemetry: Telemetry, clock: Hours) -> None:
    """By the number of seconds that are looked at, whatever the number of jobs."""
    started(telemetry, *(running(f"{number}", 1000.0 + number % 40) for number in range(2000)))
    clock.now = 1050.0
    group = telemetry._staleness._groups["query", "c"]
    assert (len(group.observed), len(group.late)) == (40, 40)
    assert read(telemetry, "late_jobs") == 300.0


def test_hints_are_counted_by_what_became_of_them(telemetry: Telemetry) -> None:
    telemetry.hinted(became="heard", count=3)
    assert telemetry.registry.get_sample_value("propwash_hints_total", {"became": "heard"}) == 3


def test_the_rules_ask_for_metrics_that_there_are(telemetry: Telemetry) -> None:
    started(telemetry, running("a", 1000.0))
    telemetry.observed(running("a", 1000.0), 1001.0)
    exposed = telemetry.exposition("")[1].decode()
    rules = yaml.safe_load((RULES / "polling.rules.yaml").read_text())["groups"][0]["rules"]
    asked = set(re.findall(r"propwash_\w+", " ".join(rule["expr"] for rule in rules)))
    assert asked
    for name in asked:
        assert re.search(rf"^{name}{{", exposed, re.MULTILINE), name


def test_promtool_takes_the_rules_and_they_fire_when_they_should() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    for command in (("check", "rules", "polling.rules.yaml"), ("test", "rules", "polling.test.yaml")):
        done = subprocess.run([promtool, *command], cwd=RULES, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
