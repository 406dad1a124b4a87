"""Every kind of fault, as a caller meets it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from propwash.sandbox import FaultKind, FaultPlan, FaultPlanError, MethodClass, parse_plan, percent_rules
from propwash.sandbox.faults import read_plan
from tests.sandbox.sandbox_rig import Rig


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("kind", "more", "status", "reason"),
    [
        ("throttle", {}, 403, "rateLimitExceeded"),
        ("throttle", {"status": 429, "retry_after_s": 3}, 429, "rateLimitExceeded"),
        ("quota", {}, 403, "quotaExceeded"),
        ("server_error", {"status": 500}, 500, "internalError"),
        ("server_error", {"status": 502}, 502, "badGateway"),
        ("server_error", {"status": 503}, 503, "backendError"),
    ],
)
async def test_a_refusal_is_in_bigquerys_words_and_applies_nothing(
    rig: Rig, kind: str, more: dict[str, int], status: int, reason: str
) -> None:
    rig.break_with(kind, **more)
    answer = await rig.insert("a")
    assert answer is not None
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["errors"][0]["reason"]) == (status, status, reason)
    assert answer.headers.get("Retry-After") == ("3" if "retry_after_s" in more else None)
    assert rig.world.ledger.summary()["total"] == 0
    assert rig.world.ledger.summary()["faults"] == {kind: 1}


async def test_a_lost_answer_is_applied_and_a_dropped_request_is_not(rig: Rig) -> None:
    rig.break_with("lost_answer")
    assert await rig.insert("lost") is None
    rig.break_with("dropped_request")
    assert await rig.insert("dropped") is None
    rig.mend()
    assert (await rig.state("lost"), await rig.state("dropped")) == ("RUNNING", "notFound")


async def test_a_late_create_overtakes_nothing_and_keeps_its_id(rig: Rig) -> None:
    rig.break_with("late_create", duration_s=5)
    assert await rig.insert("late") is None
    rig.mend()
    rig.pass_time(4.9)
    assert await rig.state("late") == "notFound"
    rig.pass_time(0.2)
    await rig.settle_late()
    assert await rig.state("late") == "RUNNING"
    answer = await rig.insert("late")
    assert answer is not None
    assert answer.status == 409


async def test_a_slow_answer_comes_when_its_time_is_up(rig: Rig) -> None:
    rig.break_with("slow", duration_s=5)
    answer = asyncio.create_task(rig.insert("slow"), name="slow-insert")
    await asyncio.sleep(0)
    assert rig.world.ledger.summary()["total"] == 0
    rig.pass_time(5)
    made = await answer
    assert made is not None
    assert made.status == 200


async def test_garbage_is_applied_and_unreadable(rig: Rig) -> None:
    rig.break_with("garbage")
    answer = await rig.insert("a")
    assert answer is not None
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)
    assert rig.world.ledger.summary()["total"] == 1


async def test_a_stuck_job_runs_until_it_is_cancelled(rig: Rig) -> None:
    rig.break_with("stuck")
    await rig.insert("stuck")
    rig.mend()
    rig.pass_time(1e6)
    assert await rig.state("stuck") == "RUNNING"
    await rig.call("jobs.cancel", "stuck")
    rig.pass_time(1)
    assert await rig.state("stuck") == "DONE"


async def test_a_vanishing_job_is_taken_but_not_found_for_a_while(rig: Rig) -> None:
    rig.break_with("vanishing", duration_s=3)
    await rig.insert("a")
    rig.mend()
    assert (await rig.state("a"), await rig.listed()) == ("notFound", [])
    again = await rig.insert("a")
    assert again is not None
    assert again.status == 409
    rig.pass_time(3)
    assert (await rig.state("a"), await rig.listed()) == ("DONE", ["a"])


async def test_an_unknown_state_shows_for_a_while(rig: Rig) -> None:
    await rig.insert("a", lasting_ms=60_000)
    rig.break_with("unknown_state", duration_s=2, methods=["get"])
    assert await rig.state("a") not in {"PENDING", "RUNNING", "DONE"}
    rig.mend()
    assert await rig.state("a") not in {"PENDING", "RUNNING", "DONE"}
    rig.pass_time(2)
    assert await rig.state("a") == "RUNNING"


async def test_a_list_may_miss_the_newest(rig: Rig) -> None:
    for name in "ab":
        await rig.insert(name)
    rig.pass_time(5)
    for name in "cde":
        await rig.insert(name)
    rig.break_with("list_misses_newest")
    assert await rig.listed() == ["b", "a"]
    rig.pass_time(5)
    assert await rig.listed() == ["e", "d", "c", "b", "a"]


async def test_an_ignored_cancel_has_no_effect_and_the_next_one_has(rig: Rig) -> None:
    await rig.insert("a", lasting_ms=60_000)
    rig.break_with("cancel_ignored")
    for _ in range(2):
        answer = await rig.call("jobs.cancel", "a")
        assert answer is not None
        assert answer.status == 200
        before = await rig.state("a")
        rig.pass_time(1)
    assert (before, await rig.state("a")) == ("RUNNING", "DONE")


def test_percent_gives_every_class_that_share_and_every_kind_but_stuck() -> None:
    plan = FaultPlan(percent_rules(20), seed=7)
    drawn: Counter[FaultKind] = Counter()
    for method in (MethodClass.CREATE, MethodClass.GET, MethodClass.LIST, MethodClass.DELETE):
        faults = [plan.draw(system="bigquery", method=method) for _ in range(5000)]
        found = [fault.kind for fault in faults if fault is not None]
        assert 0.17 < len(found) / 5000 < 0.23
        drawn.update(found)
    assert set(drawn) == set(FaultKind) - {FaultKind.STUCK}


def test_one_seed_gives_one_sequence() -> None:
    rules = percent_rules(50)

    def sequence(seed: int) -> list[object]:
        plan = FaultPlan(rules, seed=seed)
        return [plan.draw(system="x", method=MethodClass.GET) for _ in range(200)]

    assert sequence(1) == sequence(1)
    assert sequence(1) != sequence(2)


def test_a_limit_ends_a_rule_and_a_system_confines_it() -> None:
    rules, seed = parse_plan(
        {
            "rules": [
                {"kind": "throttle", "probability": 1, "limit": 2, "system": "bigquery", "methods": ["get"]}
            ]
        }
    )
    plan = FaultPlan(rules, seed=seed)
    assert plan.draw(system="emr", method=MethodClass.GET) is None
    assert plan.draw(system="bigquery", method=MethodClass.LIST) is None
    drawn = [plan.draw(system="bigquery", method=MethodClass.GET) for _ in range(4)]
    assert [fault is not None for fault in drawn] == [True, True, False, False]
    assert plan.as_json()["rules"][0]["left"] == 0


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ([], "an object"),
        ({"rule": []}, "unknown field 'rule'"),
        ({"percent": 101}, "percent"),
        ({"rules": [{"kind": "typo", "probability": 1}]}, r"rules\[0\].kind: 'typo'"),
        ({"rules": [{"kind": "slow"}]}, r"rules\[0\].probability: required"),
        ({"rules": [{"kind": "slow", "probability": 2}]}, "from 0 to 1"),
        ({"rules": [{"kind": "stuck", "probability": 1, "methods": ["get"]}]}, "applies to create only"),
        ({"rules": [{"kind": "slow", "probability": 1, "colour": 1}]}, "unknown field 'colour'"),
        ({"seed": "x"}, "seed"),
    ],
)
def test_a_bad_plan_is_refused_with_its_place(plan: object, words: str) -> None:
    with pytest.raises(FaultPlanError, match=words):
        parse_plan(plan)


def test_probabilities_of_a_class_may_not_exceed_one() -> None:
    rules, _ = parse_plan({"rules": [{"kind": kind, "probability": 0.6} for kind in ("slow", "throttle")]})
    with pytest.raises(FaultPlanError, match="add up to"):
        FaultPlan(rules)


def test_a_plan_is_read_from_json_and_yaml(tmp_path: Path) -> None:
    as_json, as_yaml = tmp_path / "plan.json", tmp_path / "plan.yaml"
    as_json.write_text('{"seed": 3, "rules": [{"kind": "slow", "probability": 0.5}]}')
    as_yaml.write_text("seed: 3\nrules:\n- kind: slow\n  probability: 0.5\n")
    assert read_plan(as_json) == read_plan(as_yaml)
    as_json.write_text("{")
    with pytest.raises(FaultPlanError, match=r"plan\.json"):
        read_plan(as_json)
