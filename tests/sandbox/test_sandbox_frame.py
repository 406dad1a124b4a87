"""The frame: due times, durations, limits, and the admin endpoints over a real port."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from propwash.sandbox import (
    Call,
    Limits,
    ManualClock,
    MethodClass,
    Sandbox,
    SandboxOptions,
    Schedule,
    SpeedControl,
    StandInError,
    SystemClock,
    run_sandbox,
    running_sandbox,
)
from propwash.sandbox.speed import SpeedError, parse_speed
from tests.sandbox.sandbox_rig import Rig, insert_body


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(SandboxOptions(stand_ins=["bigquery"])) as serving:
        yield serving


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=sandbox.url) as session:
        yield session


async def ask(http: aiohttp.ClientSession, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
    async with http.request(verb, path, json=body) as answer:
        return answer.status, await answer.json()


def test_due_calls_come_in_order_and_once() -> None:
    clock, called = ManualClock(), list[str]()
    schedule = Schedule(clock)
    for due_at, name in ((3, "c"), (1, "a"), (2, "b")):
        schedule.at(clock.now() + due_at, lambda name=name: called.append(name))  # type: ignore[misc]
    assert schedule.run_due() == 0
    clock.advance(2)
    assert (schedule.run_due(), called, len(schedule)) == (2, ["a", "b"], 1)
    assert schedule.run_due() == 0


async def test_a_started_schedule_fires_an_earlier_call_first() -> None:
    clock = SystemClock()
    schedule = Schedule(clock)
    schedule.start()
    fired: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    schedule.at(clock.now() + 3600, lambda: fired.set_exception(AssertionError("too late")))
    schedule.at(clock.now() + 0.001, lambda: fired.set_result(None))
    await asyncio.wait_for(fired, timeout=5)
    schedule.close()
    assert len(schedule) == 0


def test_a_label_tells_the_duration_and_else_the_distribution_does() -> None:
    control = SpeedControl(parse_speed({"distribution": "uniform", "min_ms": 100, "max_ms": 200}), seed=1)
    assert control.duration_s({"sandbox-duration-ms": "1500"}) == 1.5
    assert all(0.1 <= control.duration_s({}) <= 0.2 for _ in range(50))
    control.speed = parse_speed({"distribution": "exponential", "min_ms": 100, "max_ms": 300})
    drawn = [control.duration_s({"sandbox-duration-ms": "soon"}) for _ in range(50)]
    assert max(drawn) <= 0.3
    assert len(set(drawn)) > 10
    bad: object
    for bad in (
        {"min_ms": -1},
        {"distribution": "odd"},
        {"speed": 1},
        {"distribution": "uniform", "min_ms": 2},
        [],
    ):
        with pytest.raises(SpeedError):
            parse_speed(bad)


async def test_requests_above_the_rate_are_throttled_until_time_passes() -> None:
    rig = Rig(limits=Limits(requests_per_s=2))
    answers = [await rig.call("jobs.list") for _ in range(3)]
    assert [answer.status for answer in answers if answer is not None] == [200, 200, 403]
    rig.pass_time(0.5)
    answer = await rig.call("jobs.list")
    assert answer is not None
    assert answer.status == 200
    await rig.close()


async def test_admin_shows_health_ledger_and_jobs(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    path = "/bigquery/v2/projects/p/jobs"
    status, made = await ask(
        http, "POST", path, insert_body("a", propwash_execution="x", propwash_attempt="1")
    )
    assert (status, made["jobReference"]["jobId"]) == (200, "a")
    await ask(http, "GET", "/bigquery/v2/projects/p/queries/a")
    assert await ask(http, "GET", "/_sandbox/health") == (
        200,
        {"status": "serving", "stand_ins": ["bigquery"], "live": 0},
    )
    _, summary = await ask(http, "GET", "/_sandbox/ledger")
    assert (summary["total"], summary["finished"], summary["live"]) == (1, 1, 0)
    assert summary["requests"] == {
        "bigquery": {"jobs.insert": {"200": 1}, "jobs.getQueryResults": {"200": 1}}
    }
    _, page = await ask(http, "GET", "/_sandbox/ledger/jobs?execution=x&page_size=1")
    job = page["jobs"][0]
    assert (job["name"], job["state"], job["attempt"], page["next_page_token"]) == ("a", "finished", "1", "")
    assert job["created_at"] <= job["ended_at"] <= sandbox.world.clock.now()
    assert (await ask(http, "GET", "/_sandbox/ledger/jobs?colour=x"))[0] == 400


async def test_admin_sets_faults_speed_and_limits_and_resets(http: aiohttp.ClientSession) -> None:
    path = "/bigquery/v2/projects/p/jobs"
    rule = {"kind": "server_error", "probability": 1, "status": 503, "limit": 1}
    status, plan = await ask(http, "PUT", "/_sandbox/faults", {"seed": 4, "rules": [rule]})
    assert (status, plan["seed"], plan["rules"][0]["left"]) == (200, 4, 1)
    assert [(await ask(http, "GET", path))[0] for _ in range(2)] == [503, 200]
    assert (await ask(http, "GET", "/_sandbox/faults"))[1]["injected"] == {"server_error": 1}
    assert (await ask(http, "DELETE", "/_sandbox/faults"))[1]["rules"] == []
    assert (await ask(http, "PUT", "/_sandbox/faults", {"percent": 900}))[0] == 400
    assert (await ask(http, "PUT", "/_sandbox/speed", {"min_ms": 60_000}))[1]["min_ms"] == 60_000
    body = insert_body("a")
    del body["configuration"]["labels"]
    await ask(http, "POST", path, body)
    assert (await ask(http, "GET", "/_sandbox/ledger"))[1]["live"] == 1
    assert (await ask(http, "PUT", "/_sandbox/limits", {"concurrent_requests": 5}))[0] == 200
    assert await ask(http, "POST", "/_sandbox/reset") == (200, {})
    assert (await ask(http, "GET", "/_sandbox/ledger"))[1]["total"] == 0
    assert (await ask(http, "POST", path, body))[0] == 200


async def test_a_closed_connection_is_what_a_lost_answer_looks_like(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    lost = {"rules": [{"kind": "lost_answer", "probability": 1, "limit": 1, "methods": ["create"]}]}
    await ask(http, "PUT", "/_sandbox/faults", lost)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(http, "POST", "/bigquery/v2/projects/p/jobs", insert_body("a"))
    assert (await ask(http, "GET", "/bigquery/v2/projects/p/jobs/a"))[0] == 200
    codes = sandbox.world.ledger.summary()["requests"]["bigquery"]
    assert codes == {"jobs.insert": {"lost_answer": 1}, "jobs.get": {"200": 1}}


async def test_unknown_methods_and_broken_bodies_are_answered_in_googles_envelope(
    http: aiohttp.ClientSession,
) -> None:
    status, body = await ask(http, "GET", "/bigquery/v2/nonsense")
    assert (status, body["error"]["status"]) == (404, "NOT_FOUND")
    async with http.post("/bigquery/v2/projects/p/jobs", data=b"{") as answer:
        assert (answer.status, (await answer.json())["error"]["errors"][0]["reason"]) == (400, "parseError")


async def test_closing_lets_a_long_poll_go() -> None:
    async with running_sandbox(SandboxOptions(stand_ins=["bigquery"])) as serving:
        async with aiohttp.ClientSession(base_url=serving.url) as http:
            await ask(http, "POST", "/bigquery/v2/projects/p/jobs", insert_body("a", lasting_ms=600_000))
        reader, writer = await asyncio.open_connection(serving.host, serving.port)
        path = "/bigquery/v2/projects/p/queries/a?timeoutMs=200000"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n".encode())
        # The interim answer is the signal that the poll has arrived.
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    answer = await asyncio.wait_for(reader.read(), timeout=5)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"jobComplete":false' in answer
    writer.close()
    await writer.wait_closed()


async def test_run_until_a_signal() -> None:
    ready: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
    options = SandboxOptions(stand_ins=["bigquery"], fault_percent=5, seed=1)
    running = asyncio.create_task(run_sandbox(options, on_ready=ready.set_result), name="sandbox")
    sandbox = await asyncio.wait_for(ready, timeout=10)
    assert sandbox.url == f"http://127.0.0.1:{sandbox.port}"
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, timeout=10)


async def test_an_unknown_stand_in_is_named() -> None:
    with pytest.raises(StandInError, match="no stand-in named 'bigquary'"):
        async with running_sandbox(SandboxOptions(stand_ins=["bigquary"])):
            pass


async def test_a_body_may_say_which_of_two_methods_of_one_path_is_meant() -> None:
    rig = Rig()
    try:
        (route,) = (route for route in rig.stand_in.routes() if route.name == "jobs.list")
        shared = replace(
            route,
            classify=lambda call: (
                ("jobs.peek", MethodClass.OTHER) if call.body == b"peek" else ("jobs.list", MethodClass.LIST)
            ),
        )
        rig.break_with("throttle", methods=["list"])
        path = {"project": "p"}
        peeked = await rig.exchange.answer(shared, Call(path=path, body=b"peek"))
        listed = await rig.exchange.answer(shared, Call(path=path))
        assert [answer and answer.status for answer in (peeked, listed)] == [200, 403]
        counted = rig.world.ledger.summary()["requests"]["bigquery"]
        assert counted == {"jobs.peek": {"200": 1}, "jobs.list": {"403 throttle": 1}}
    finally:
        await rig.close()


IDENTITIES = {"bigquery": {"accepted": ["new"], "expired": ["old"], "forbidden": ["poor"]}}


async def test_who_may_call_is_set_and_the_refusal_is_in_the_systems_own_words(
    http: aiohttp.ClientSession,
) -> None:
    assert await ask(http, "PUT", "/_sandbox/identities", IDENTITIES) == (200, IDENTITIES)
    answers: dict[str | None, tuple[int, str]] = {}
    for token in ("new", "old", "poor", "unheard-of", None):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with http.get("/bigquery/v2/projects/p/jobs", headers=headers) as answer:
            value = await answer.json()
        answers[token] = (answer.status, "" if answer.ok else value["error"]["errors"][0]["reason"])
    assert answers == {
        "new": (200, ""),
        "old": (401, "authError"),
        "poor": (403, "accessDenied"),
        "unheard-of": (401, "authError"),
        None: (401, "authError"),
    }
    _, ledger = await ask(http, "GET", "/_sandbox/ledger")
    codes = ledger["requests"]["bigquery"]["jobs.list"]
    assert codes == {"200": 1, "401 expired": 1, "403 forbidden": 1, "401 unknown": 2}
    await ask(http, "POST", "/_sandbox/reset")
    assert await ask(http, "GET", "/_sandbox/identities") == (200, {})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "identities are an object"),
        ({"bigquery": 1}, "bigquery: an object of lists"),
        ({"bigquery": {"unknown": ["a"]}}, "unknown field 'unknown'"),
        ({"bigquery": {"accepted": "a"}}, "bigquery.accepted: a list of strings"),
        ({"nosuch": {}}, "no stand-in 'nosuch'"),
    ],
)
async def test_identities_that_cannot_be_understood_change_nothing(
    http: aiohttp.ClientSession, body: Any, said: str
) -> None:
    status, answer = await ask(http, "PUT", "/_sandbox/identities", body)
    assert status == 400
    assert said in answer["error"]
    assert await ask(http, "GET", "/_sandbox/identities") == (200, {})
