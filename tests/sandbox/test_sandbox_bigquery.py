"""BigQuery's stand-in without a port: states by the clock, many jobs at once, lists, masks, told failures."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from propwash.sandbox.speed import parse_speed
from tests.sandbox.sandbox_rig import Rig, insert_body


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.close()


async def test_states_follow_the_clock(rig: Rig) -> None:
    rig.world.speed.speed = parse_speed({"pending_ms": 1000})
    await rig.insert("a", lasting_ms=2000)
    seen = [await rig.state("a")]
    for _ in range(3):
        rig.pass_time(1)
        seen.append(await rig.state("a"))
    assert seen == ["PENDING", "RUNNING", "RUNNING", "DONE"]
    job = rig.world.ledger.jobs[0]
    assert (job.started_at, job.ended_at) == (job.created_at + 1, job.created_at + 3)


async def test_ten_thousand_jobs_are_live_at_once_and_none_is_left(rig: Rig) -> None:
    for index in range(10_000):
        await rig.insert(f"j{index}", sql=f"SELECT {index} AS n", lasting_ms=1000 + index % 500)
    assert rig.world.ledger.summary()["live"] == 10_000
    assert len(await rig.listed(stateFilter="running", maxResults="1000")) == 1000
    rig.pass_time(1.25)
    assert 0 < rig.world.ledger.summary()["live"] < 10_000
    rig.pass_time(0.25)
    summary = rig.world.ledger.summary()
    assert (summary["live"], summary["finished"], summary["peak_live"]) == (0, 10_000, 10_000)
    answer = await rig.call("jobs.getQueryResults", "j9999")
    assert answer is not None
    assert json.loads(answer.body)["rows"] == [{"f": [{"v": "9999"}]}]


async def test_pages_of_a_list_neither_repeat_nor_miss_while_jobs_come(rig: Rig) -> None:
    for index in range(25):
        await rig.insert(f"j{index}")
    found: list[str] = []
    token = ""
    while True:
        answer = await rig.call("jobs.list", query={"maxResults": "10", "pageToken": token})
        assert answer is not None
        page = json.loads(answer.body)
        found += [job["jobReference"]["jobId"] for job in page["jobs"]]
        await rig.insert(f"new{len(found)}")
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert found == [f"j{index}" for index in range(24, -1, -1)]


async def test_a_list_shows_what_projection_and_mask_ask_for(rig: Rig) -> None:
    await rig.insert("a", lasting_ms=5000)
    answer = await rig.call("jobs.list", query={"projection": "full"})
    assert answer is not None
    full = json.loads(answer.body)["jobs"][0]
    assert (full["state"], full["configuration"]["labels"]) == ("RUNNING", {"sandbox-duration-ms": "5000"})
    answer = await rig.call("jobs.list")
    assert answer is not None
    assert "configuration" not in json.loads(answer.body)["jobs"][0]
    mask = {"fields": "jobs(jobReference/jobId,status(state)),nextPageToken"}
    answer = await rig.call("jobs.list", query=mask)
    assert answer is not None
    assert json.loads(answer.body) == {
        "jobs": [{"jobReference": {"jobId": "a"}, "status": {"state": "RUNNING"}}]
    }


@pytest.mark.parametrize(
    ("label", "reason"),
    [("backenderror", "backendError"), ("rate-limit-exceeded", "rateLimitExceeded"), ("stopped", "stopped")],
)
async def test_a_job_fails_with_the_reason_it_is_told(rig: Rig, label: str, reason: str) -> None:
    await rig.insert("a", sandbox_fail_reason=label)
    rig.pass_time(1)
    answer = await rig.call("jobs.get", "a")
    assert answer is not None
    assert json.loads(answer.body)["status"]["errorResult"]["reason"] == reason


async def test_a_told_failure_may_end_with_an_attempt(rig: Rig) -> None:
    for attempt in ("1", "2"):
        await rig.insert(
            f"a{attempt}",
            propwash_execution="x",
            propwash_attempt=attempt,
            sandbox_fail_reason="backenderror",
            sandbox_fail_attempts="1",
        )
        rig.pass_time(1)
    assert [job.state.value for job in rig.world.ledger.jobs] == ["failed", "finished"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"query": {"query": "SELECT 1"}}, "invalid"),
        ({"query": {"query": " ", "useLegacySql": False}}, "required"),
        ({"load": {}}, "invalid"),
        ({"jobTimeoutMs": "soon"}, "invalid"),
        ({"query": {"query": "SELECT 1", "useLegacySql": False, "priority": "FIRST"}}, "invalid"),
        ({"query": {"query": "SELECT 1", "useLegacySql": False, "destinationTable": {}}}, "required"),
    ],
)
async def test_a_bad_configuration_is_refused_and_leaves_nothing(
    rig: Rig, change: dict[str, object], reason: str
) -> None:
    body = insert_body("a")
    body["configuration"].update(change)
    answer = await rig.call("jobs.insert", body=body)
    assert answer is not None
    assert (answer.status, json.loads(answer.body)["error"]["errors"][0]["reason"]) == (400, reason)
    assert rig.world.ledger.summary()["total"] == 0


async def test_a_mask_reaches_into_the_answer_of_a_cancel(rig: Rig) -> None:
    await rig.insert("a", lasting_ms=5000)
    answer = await rig.call("jobs.cancel", "a", query={"fields": "job(id,status(state))"})
    assert answer is not None
    assert json.loads(answer.body)["job"] == {"id": "p:US.a", "status": {"state": "RUNNING"}}


@pytest.mark.parametrize(
    ("key", "value", "status"), [("größe", "straße", 200), ("Up", "x", 400), ("k", "X", 400)]
)
async def test_labels_are_of_lowercase_letters_of_any_script(
    rig: Rig, key: str, value: str, status: int
) -> None:
    body = insert_body("a")
    body["configuration"]["labels"] = {key: value}
    answer = await rig.call("jobs.insert", body=body)
    assert answer is not None
    assert answer.status == status
