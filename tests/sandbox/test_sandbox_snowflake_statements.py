"""Snowflake's stand-in without a port: states by the clock, request ids, cancels, the history, faults, many at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from propwash.sandbox.speed import parse_speed
from tests.sandbox.snowflake_sandbox_rig import SnowflakeRig, decoded

HISTORY = (
    "SELECT query_tag, execution_status, error_code FROM "
    "TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => {limit}))"
)
OURS = " WHERE query_tag LIKE '%pw-%' ORDER BY query_tag"


@pytest.fixture
async def rig() -> AsyncIterator[SnowflakeRig]:
    made = SnowflakeRig()
    yield made
    await made.close()


def lasting(ms: int) -> dict[str, str]:
    return {"sandbox-duration-ms": str(ms)}


async def history(
    rig: SnowflakeRig, limit: int = 10_000, *, where: str = OURS
) -> list[tuple[str, str, str | None]]:
    rows = await rig.rows(HISTORY.format(limit=limit) + where)
    return [(json.loads(tag or "{}").get("propwash", ""), str(status), code) for tag, status, code in rows]


async def test_states_follow_the_clock(rig: SnowflakeRig) -> None:
    rig.world.speed.speed = parse_speed({"pending_ms": 1000})
    handle = (await rig.submit(name="pw-a", labels=lasting(2000)))["statementHandle"]
    seen = [(*await rig.status(handle), (await history(rig))[0][1])]
    for seconds in (1, 1, 1):
        rig.pass_time(seconds)
        if seconds and len(seen) == 3:
            await rig.ended(handle)
        seen.append((*await rig.status(handle), (await history(rig))[0][1]))
    assert seen == [
        (202, "333334", "QUEUED"),
        (202, "333334", "RUNNING"),
        (202, "333334", "RUNNING"),
        (200, "090001", "SUCCESS"),
    ]


async def test_ten_thousand_statements_are_live_at_once_and_none_is_left(rig: SnowflakeRig) -> None:
    for index in range(10_000):
        await rig.submit(name=f"pw-{index:05}", labels=lasting(1000 + index % 500))
    assert rig.world.ledger.summary()["live"] == 10_000
    # The question itself is one of the 10,000 that the history shows.
    counted = "SELECT COUNT(*) AS n FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 10000))"
    assert await rig.rows(f"{counted} WHERE execution_status = 'RUNNING' AND query_tag <> ''") == [["9999"]]
    rig.pass_time(1.25)
    assert 0 < rig.world.ledger.summary()["live"] < 10_000
    rig.pass_time(0.25)
    summary = rig.world.ledger.summary()
    assert (summary["live"], summary["finished"], summary["peak_live"]) == (0, 10_000, 10_000)


async def test_a_request_id_is_one_statement_only_where_it_is_marked_as_a_retry(rig: SnowflakeRig) -> None:
    asked = {"requestId": "0b1f5a4e-8a52-4a6c-9a4e-0d3a3a1b6c11"}
    first = await rig.submit(name="pw-a", query=asked)
    again = await rig.submit(name="pw-a", query={**asked, "retry": "true"})
    assert again["statementHandle"] == first["statementHandle"]
    unmarked = await rig.submit(name="pw-a", query=asked)
    assert unmarked["statementHandle"] != first["statementHandle"]


async def test_a_request_id_may_fail_to_hold(rig: SnowflakeRig) -> None:
    asked = {"requestId": "0b1f5a4e-8a52-4a6c-9a4e-0d3a3a1b6c11", "retry": "true"}
    labels = {**lasting(1000), "sandbox-rerun": "true"}
    handles = {
        (await rig.submit(name="pw-a", labels=labels, query=asked))["statementHandle"] for _ in range(2)
    }
    assert len(handles) == 2
    assert rig.world.ledger.summary()["created_twice"] == 1


async def test_a_cancel_takes_effect_a_little_later(rig: SnowflakeRig) -> None:
    handle = (await rig.submit(name="pw-a", labels=lasting(60_000)))["statementHandle"]
    for _ in range(2):
        answer = await rig.call("statements.cancel", handle)
        assert answer is not None
        assert (answer.status, decoded(answer)["statementHandle"]) == (200, handle)
    assert (await rig.status(handle))[0] == 202
    rig.pass_time(1)
    assert await rig.status(handle) == (422, "000604")
    assert await history(rig) == [("pw-a", "FAILED_WITH_ERROR", "000604")]
    assert rig.world.ledger.summary()["live"] == 0


async def test_a_running_query_is_really_interrupted(rig: SnowflakeRig) -> None:
    endless = "SELECT COUNT(*) AS n FROM TABLE(GENERATOR(ROWCOUNT => 900000)) a, TABLE(GENERATOR(ROWCOUNT => 900000)) b"
    handle = (await rig.submit(endless, name="pw-a"))["statementHandle"]
    rig.pass_time(0)
    await rig.call("statements.cancel", handle)
    ended = asyncio.ensure_future(rig.ended(handle))
    while not ended.done():
        # An interrupt that comes between two statements of the engine is repeated by the clock.
        rig.pass_time(0.1)
        await asyncio.to_thread(int)
    await ended
    assert await rig.status(handle) == (422, "000604")


async def test_a_timeout_ends_a_statement(rig: SnowflakeRig) -> None:
    handle = (await rig.submit(name="pw-a", labels=lasting(60_000), timeout=2))["statementHandle"]
    rig.pass_time(1.9)
    assert (await rig.status(handle))[0] == 202
    rig.pass_time(0.2)
    assert await rig.status(handle) == (422, "000630")


async def test_the_history_has_its_limit_before_the_filter_and_newest_first(rig: SnowflakeRig) -> None:
    for number in range(5):
        await rig.submit(name=f"pw-{number}", labels=lasting(60_000))
        rig.pass_time(0.1)
    assert [name for name, _, _ in await history(rig, 2)] == ["pw-4"]
    assert len(await history(rig)) == 5
    status, body = await rig.result(HISTORY.format(limit=10_001))
    assert (status, body["code"]) == (422, "001044")


async def test_the_history_forgets_after_seven_days(rig: SnowflakeRig) -> None:
    handle = (await rig.submit(name="pw-a"))["statementHandle"]
    rig.pass_time(0)
    await rig.ended(handle)
    rig.pass_time(7 * 86_400 - 1)
    assert len(await history(rig)) == 1
    rig.pass_time(2)
    assert await history(rig) == []


@pytest.mark.parametrize(
    ("reason", "code"),
    [("locked", "000625"), ("002003", "002003"), ("quota", "090073"), ("internal", "000603")],
)
async def test_a_statement_fails_with_what_it_is_told(rig: SnowflakeRig, reason: str, code: str) -> None:
    labels = {**lasting(1000), "sandbox-fail-reason": reason}
    handle = (await rig.submit(name="pw-a", labels=labels))["statementHandle"]
    rig.pass_time(1)
    await rig.ended(handle)
    assert await rig.status(handle) == (422, code)


@pytest.mark.parametrize(
    ("kind", "status", "made"),
    [("throttle", 429, 0), ("server_error", 500, 0), ("lost_answer", None, 1), ("dropped_request", None, 0)],
)
async def test_a_fault_answers_in_snowflake_s_words_and_applies_what_it_says(
    rig: SnowflakeRig, kind: str, status: int | None, made: int
) -> None:
    rig.break_with(kind, **({"status": status} if kind == "server_error" else {}))
    answer = await rig.call("statements.submit", body={"statement": "SELECT 1"}, query={"async": "true"})
    assert (None if answer is None else answer.status) == status
    assert len(rig.world.ledger.jobs) == made
    rig.mend()
    assert (await rig.submit())["statementHandle"]


async def test_a_late_create_is_applied_after_its_caller_gave_up(rig: SnowflakeRig) -> None:
    rig.break_with("late_create", duration_s=5)
    body = {"statement": "SELECT 1", "parameters": {"QUERY_TAG": '{"propwash": "pw-late"}'}}
    assert await rig.call("statements.submit", body=body, query={"async": "true"}) is None
    rig.mend()
    assert await history(rig) == []
    rig.pass_time(5)
    await asyncio.sleep(0)
    assert [name for name, _, _ in await history(rig)] == ["pw-late"]


async def test_a_vanishing_statement_is_in_neither_read_nor_history_for_a_while(rig: SnowflakeRig) -> None:
    rig.break_with("vanishing", duration_s=3)
    handle = (await rig.submit(name="pw-a", labels=lasting(60_000)))["statementHandle"]
    rig.mend()
    assert (await rig.status(handle), await history(rig)) == ((400, "000709"), [])
    rig.pass_time(3)
    assert (await rig.status(handle))[0] == 202
    assert [name for name, _, _ in await history(rig)] == ["pw-a"]


async def test_an_ignored_cancel_has_no_effect_and_the_next_one_has(rig: SnowflakeRig) -> None:
    handle = (await rig.submit(name="pw-a", labels=lasting(60_000)))["statementHandle"]
    rig.break_with("cancel_ignored")
    for code in ("333334", "000604"):
        answer = await rig.call("statements.cancel", handle)
        assert answer is not None
        assert answer.status == 200
        rig.pass_time(1)
        assert (await rig.status(handle))[1] == code


async def test_an_unknown_state_shows_for_a_while(rig: SnowflakeRig) -> None:
    handle = (await rig.submit(name="pw-a"))["statementHandle"]
    rig.pass_time(0)
    await rig.ended(handle)
    rig.break_with("unknown_state", duration_s=2)
    seen: list[Any] = [await rig.status(handle)]
    rig.mend()
    seen.append(await rig.status(handle))
    rig.pass_time(2)
    seen.append(await rig.status(handle))
    assert [status for status, _ in seen] == [202, 202, 200]
