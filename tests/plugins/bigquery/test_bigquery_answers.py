"""Answers that no stand-in gives: other jobs, missing states, unreachable locations, refused cancels, endless pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from propwash.core.names import remote_name
from propwash.sdk import Connection, Deletion, NotFound, Observation, RemotePhase, Throttled, Unavailable
from propwash_bigquery import BigQueryHandler
from propwash_bigquery.keys import JobKey, hint_of

NAME = remote_name(owner="me", uid="0" * 26, attempt=1)  # type: ignore[arg-type]
KEY = JobKey("a-project", "US", NAME, 1)
Respond = Callable[[web.Request], web.Response]


class Script:
    """Answers by path: the last part of it, and the verb; counts."""

    def __init__(self) -> None:
        self.answers: dict[str, Respond] = {}
        self.asked: list[Mapping[str, str]] = []

    def on(self, method: str, status: int, body: object, **headers: str) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.answers[method] = lambda request: web.Response(status=status, text=text, headers=headers)

    async def respond(self, request: web.Request) -> web.Response:
        last = request.path.rpartition("/")[2]
        method = {"jobs": "list", "cancel": "cancel"}.get(last, "get")
        self.asked.append({"method": method, **request.query})
        return self.answers[method](request)

    def count(self, method: str) -> int:
        return sum(one["method"] == method for one in self.asked)


class Bench:
    def __init__(self, script: Script, connection: Connection, handler: BigQueryHandler) -> None:
        self.script = script
        self.connection = connection
        self.handler = handler

    async def look(self, *keys: JobKey) -> list[object]:
        metas = [key.meta() for key in keys]
        answers = await self.handler.get(self.connection, metas)
        return [answers[meta] for meta in metas]

    async def delete(self, hint: bytes = b"", meta: bytes | None = None) -> Deletion:
        return await self.handler.delete(self.connection, NAME, meta, hint)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    script, handler = Script(), BigQueryHandler()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", script.respond)
    async with TestServer(app) as server:
        settings = {"project": "a-project", "credentials": "none"}
        yield Bench(
            script, Connection(name="bq", endpoint=str(server.make_url("/")), settings=settings), handler
        )
        await handler.close()


def job(state: str | None, *, job_id: str = NAME, location: str = "US", **more: object) -> dict[str, object]:
    status = {} if state is None else {"state": state}
    reference = {"projectId": "a-project", "jobId": job_id, "location": location}
    labels = {"propwash-owner": "me", "propwash-execution": "0" * 26, "propwash-attempt": "1"}
    return {
        "jobReference": reference,
        "status": status,
        "configuration": {"labels": labels},
        "statistics": {"creationTime": "1"},
        **status,
        **more,
    }


def error(reason: str, message: str = "why") -> dict[str, object]:
    return {"error": {"code": 400, "message": message, "errors": [{"reason": reason}]}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>"),
        (200, "[]"),
        (200, ""),
        (200, {}),
        (200, job("RUNNING", job_id="another")),
        (200, job(None)),
        (204, ""),
        (302, ""),
        (404, "<html>no such page</html>"),
        (403, error("accessDenied")),
        (401, {"error": "invalid_token"}),
        (400, error("somethingNew")),
    ],
)
async def test_answer_that_says_nothing_ends_nothing(bench: Bench, status: int, body: object) -> None:
    bench.script.on("get", status, body)
    (answer,) = await bench.look(KEY)
    assert isinstance(answer, Unavailable)
    with pytest.raises(Unavailable):
        await bench.handler.find(bench.connection, NAME, hint_of("a-project", "US"))


async def test_not_found_is_said_by_bigquery_itself(bench: Bench) -> None:
    bench.script.on("get", 404, error("notFound"))
    assert isinstance((await bench.look(KEY))[0], NotFound)


async def test_unknown_fields_do_no_harm(bench: Bench) -> None:
    statistics = {
        "query": {"totalBytesProcessed": "many", "cacheHit": "yes", "dmlStats": 5},
        "numChildJobs": None,
    }
    bench.script.on("get", 200, job("DONE", statistics=statistics, configuration=None))
    (answer,) = await bench.look(KEY)
    assert isinstance(answer, Observation)
    assert answer.phase is RemotePhase.SUCCEEDED
    assert answer.outputs == {"project": "a-project", "location": "US", "job_id": NAME}


async def test_refused_cancel_is_judged_by_the_state(bench: Bench) -> None:
    bench.script.on("cancel", 400, error("invalid", "Cannot cancel a completed job"))
    bench.script.on("get", 200, job("DONE"))
    assert await bench.delete(meta=KEY.meta()) is Deletion.GONE
    bench.script.on("get", 200, job("RUNNING"))
    assert await bench.delete(meta=KEY.meta()) is Deletion.PENDING


async def test_absent_needs_every_location(bench: Bench) -> None:
    bench.script.on("cancel", 404, error("notFound"))
    bench.script.on("get", 404, error("notFound"))
    bench.script.on("list", 200, {"jobs": [], "unreachable": ["asia-northeast1"]})
    hint = hint_of("a-project", "")
    for call in (bench.delete(hint), bench.handler.find(bench.connection, NAME, hint)):
        with pytest.raises(Unavailable) as raised:
            await call
        assert raised.value.reason == "LOCATIONS_UNREACHABLE"
    bench.script.on("list", 200, {"jobs": []})
    assert await bench.delete(hint) is Deletion.ABSENT
    assert await bench.handler.find(bench.connection, NAME, hint) is None
    assert await bench.delete(hint_of("a-project", "US")) is Deletion.ABSENT


async def test_job_that_only_the_list_knows_is_not_gone(bench: Bench) -> None:
    bench.script.on("cancel", 404, error("notFound"))
    bench.script.on("list", 200, {"jobs": [job("RUNNING")]})
    assert await bench.delete(hint_of("a-project", "")) is Deletion.PENDING


async def test_busy_project_is_not_listed_to_its_end(bench: Bench) -> None:
    others = [job("RUNNING", job_id=f"other-{number}") for number in range(3)]
    token = iter(range(10**6))
    bench.script.answers["list"] = lambda request: web.json_response(
        {"jobs": others, "nextPageToken": str(next(token))}
    )
    bench.script.on("get", 404, error("notFound"))
    answers = await bench.look(*(JobKey("a-project", "US", f"job-{number}", 5) for number in range(30)))
    assert {type(one) for one in answers} == {NotFound}
    assert bench.script.count("list") == 4
    assert bench.script.count("get") == 30


async def test_repeated_page_token_ends_the_list(bench: Bench) -> None:
    bench.script.on("list", 200, {"jobs": [], "nextPageToken": "same"})
    assert await bench.handler.list(bench.connection, "me") == []
    assert bench.script.count("list") == 2


async def test_entries_that_cannot_be_read_are_read_singly(bench: Bench) -> None:
    keys = [JobKey("a-project", "US", f"job-{number}", 5_000) for number in range(25)]
    bench.script.on("list", 200, {"jobs": ["x", {}, *(job(None, job_id=key.job_id) for key in keys)]})
    bench.script.answers["get"] = lambda request: web.json_response(
        job("RUNNING", job_id=request.path.rpartition("/")[2])
    )
    answers = await bench.look(*keys)
    assert {one.phase for one in answers if isinstance(one, Observation)} == {RemotePhase.RUNNING}
    assert bench.script.count("get") == 25
    live = bench.script.asked[0]
    assert (live["minCreationTime"], live["maxCreationTime"]) == ("4000", "6000")


async def test_retry_after_is_obeyed(bench: Bench) -> None:
    bench.script.on("get", 429, "slow down", **{"Retry-After": "12"})
    (answer,) = await bench.look(KEY)
    assert isinstance(answer, Throttled)
    assert answer.retry_after_s == 12


async def test_nobody_answers() -> None:
    handler = BigQueryHandler()
    connection = Connection(
        name="bq",
        endpoint="http://127.0.0.1:1",
        settings={"project": "a-project", "credentials": "none", "request_timeout_s": 5.0},
    )
    with pytest.raises(Unavailable) as raised:
        await handler.find(connection, NAME, b"")
    assert raised.value.reason == "CONNECTION_LOST"
    assert "127.0.0.1" not in raised.value.message
    await handler.close()
