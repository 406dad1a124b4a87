"""The demo's pure parts: plan, measures and verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import cast

import pytest

from propwash.cli.demo.driving import Driver
from propwash.cli.demo.following import Follower
from propwash.cli.demo.ledger import LedgerFigures, is_useful
from propwash.cli.demo.measuring import Gauges, parse_lag, quantile
from propwash.cli.demo.plan import KINDS, Load, make_plan
from propwash.cli.demo.runs import STEPS
from propwash.cli.demo.verdict import Evidence, judge, not_over, percentile
from propwash.client import Client, Execution, Phase, Policy

LOAD = Load(jobs=400, aborts=40, seed=5, shortest_s=8.0, longest_s=12.0)


def execution(index: int, phase: Phase, *, attempt: int = 1) -> Execution:
    return Execution(
        name=f"projects/demo/domains/demo/executions/job-{index:05d}",
        uid=f"u{index}",
        task_type="t",
        spec={},
        inputs={},
        connection="",
        labels={},
        policy=Policy(),
        phase=phase,
        attempt=attempt,
        message="",
        reason="",
        links=(),
        outputs={},
        remote_name="",
        failures=(),
        create_time=None,
        update_time=None,
        end_time=None,
        observe_time=None,
        etag=f"{phase}{attempt}",
    )


def figures(*, live: int = 0, created_twice: int = 0, calls: int = 3) -> LedgerFigures:
    return LedgerFigures(
        total=3,
        live=live,
        peak_live=3,
        created_twice=created_twice,
        overlapping=0,
        duplicate_requests=0,
        faults=1,
        calls={"jobs.insert": calls},
        useful_calls=3,
    )


def evidence(phases: list[Phase], *, live: int = 0, created_twice: int = 0, calls: int = 3) -> Evidence:
    plan = make_plan(LOAD)
    wanted = [next(job for job in plan if job.expected is Phase.SUCCEEDED and job.abort_after_s is None)] * 3
    driver = Driver(client=cast("Client", None), jobs=plan)
    follower = Follower()
    stored = {}
    for index, phase in enumerate(phases):
        one = execution(index, phase)
        driver.acknowledged[one.name] = wanted[index]
        stored[one.name] = one
        follower.take(one, is_change=True, received_at=10.0 + index)
    return Evidence(
        driver=driver,
        follower=follower,
        gauges=Gauges(),
        stored=stored,
        at_end=figures(live=live),
        settled=figures(created_twice=created_twice, calls=calls),
        remote_ends={"u0": 9.5, "u1": 10.0, "u2": 11.0},
        live_names=(),
        crashes=0,
        seconds=1.0,
    )


def test_a_plan_follows_from_its_seed_and_is_mixed() -> None:
    plan = make_plan(LOAD)
    again = make_plan(LOAD)
    assert [job.new.spec for job in plan] == [job.new.spec for job in again]
    assert [job.abort_after_s for job in plan] == [job.abort_after_s for job in again]
    assert sum(job.abort_after_s is not None for job in plan) == 40
    assert any(job.abort_after_s == 0.0 for job in plan)
    expected = Counter(job.expected for job in plan)
    assert expected[Phase.FAILED] > 0
    assert expected[Phase.SUCCEEDED] > 300
    assert len({job.new.request_id for job in plan}) == 400
    assert {job.kind for job in plan} == {kind.name for kind in KINDS}
    assert all(job.kind == "steps" for job in make_plan(replace(LOAD, kinds=(STEPS,))))
    assert any(isinstance(value, list) for job in plan for value in job.new.inputs.values())
    assert any(job.new.policy.max_attempts > 1 for job in plan)


def test_a_good_run_has_no_faults() -> None:
    verdict = judge(evidence([Phase.SUCCEEDED] * 3))
    assert verdict.faults == ()
    assert verdict.figures["latency_p50_s"] == 1.0
    assert verdict.figures["remote_calls_jobs_insert"] == 3
    assert verdict.figures["calls_for_one_of_use"] == 1.0


@pytest.mark.parametrize(
    ("code", "is_of_use"),
    [
        *(("200", True), ("404", True), ("403 denied", True), ("200 slow", True), ("202 stuck", True)),
        *(("503", False), ("503 server_error", False), ("lost_answer", False), ("200 garbage", False)),
        *(("403 throttle", False), ("403 requests_per_s", False), ("429 concurrent_jobs", False)),
    ],
)
def test_what_is_of_use_is_told_by_the_ledgers_code(code: str, is_of_use: bool) -> None:
    assert is_useful(code) is is_of_use


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (evidence([Phase.SUCCEEDED], live=1), "still_live is 1"),
        (evidence([Phase.SUCCEEDED], created_twice=2), "created_twice is 2"),
        (evidence([Phase.RUNNING]), "lost is 1"),
        (evidence([Phase.FAILED]), "wrong_outcomes is 1"),
        (evidence([Phase.ABORTED]), "wrong_outcomes is 1"),
        (evidence([Phase.SUCCEEDED], calls=101), "101 calls, of which 3 were of use, are a storm"),
    ],
)
def test_each_fault_is_found(made: Evidence, fault: str) -> None:
    assert any(line.startswith(fault) for line in judge(made).faults)


def test_the_follower_notices_repeats_and_regressions() -> None:
    follower = Follower()
    for phase, attempt in ((Phase.RUNNING, 1), (Phase.INITIALIZING, 1), (Phase.QUEUED, 2), (Phase.QUEUED, 2)):
        follower.take(execution(0, phase, attempt=attempt), is_change=True, received_at=1.0)
    assert (follower.regressions, follower.repeats) == (1, 1)
    follower.take(execution(0, Phase.FAILED, attempt=2), is_change=True, received_at=2.0)
    follower.take(execution(0, Phase.RUNNING, attempt=3), is_change=True, received_at=3.0)
    assert follower.regressions == 2
    assert follower.received_at == {execution(0, Phase.FAILED).name: 2.0}


def test_what_is_stuck_is_named() -> None:
    made = evidence([Phase.SUCCEEDED, Phase.CLEANING_UP])
    text = not_over(made.driver, made.follower, 5.0)
    assert "not over after 5 s" in text
    assert "job-00001: CLEANING_UP attempt 1" in text
    assert "job-00000" not in text


def test_percentile_is_the_nearest_rank() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(number) for number in range(1, 101)], 0.99) == 99.0


def test_lag_is_read_from_the_exposition() -> None:
    text = "\n".join(
        f'propwash_loop_lag_seconds_bucket{{le="{bound}"}} {count}'
        for bound, count in (("0.001", "90.0"), ("0.01", "100.0"), ("+Inf", "100.0"))
    )
    buckets = parse_lag(text)
    assert buckets == {0.001: 90.0, 0.01: 100.0, float("inf"): 100.0}
    assert quantile(buckets, 0.95) == pytest.approx(0.0055)
    assert quantile({}, 0.99) is None
