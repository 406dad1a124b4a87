"""What the handlers ask of BigQuery, and what the stand-in answers, against BigQuery's own discovery document."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from propwash.sdk import CreateRequest, Permanent
from propwash_bigquery import BigQueryCopyHandler, BigQueryExtractHandler, BigQueryLoadHandler
from propwash_bigquery.job_handler import BigQueryJobHandler
from tests.plugins.bigquery.bigquery_rig import LONG, PROJECT, BigQueryRig, bigquery_rig
from tests.witness.discovery import Exchange, faults, method_of
from tests.witness.environments import DISCOVERY

pytestmark = pytest.mark.skipif(bool(DISCOVERY.missing), reason=DISCOVERY.missing or "-")

TABLE = {"projectId": PROJECT, "datasetId": "d", "tableId": "t"}
SPECS: dict[str, dict[str, Any]] = {
    "query": {"query": "SELECT 1 AS one", "labels": LONG, "priority": "BATCH", "maximumBytesBilled": "1000"},
    "parameters": {"query": "SELECT @n AS n, @days AS days", "labels": LONG},
    "load": {
        "source_uris": ["gs://bucket/a.csv"],
        "destination_table": TABLE,
        "labels": LONG,
        "schema": {"fields": [{"name": "n", "type": "INTEGER", "mode": "REQUIRED"}]},
        "skip_leading_rows": 1,
    },
    "extract": {"source_table": TABLE, "destination_uris": ["gs://bucket/b-*.csv"], "labels": LONG},
    "copy": {"source_table": TABLE, "destination_table": {**TABLE, "tableId": "u"}, "labels": LONG},
}
INPUTS: dict[str, dict[str, Any]] = {"parameters": {"n": 7, "days": [1, 2, 3]}}


@dataclass(slots=True)
class Recorder:
    """Stands before the stand-in and writes down what is asked of it and answered."""

    target: str
    session: aiohttp.ClientSession
    exchanges: list[Exchange]

    async def pass_on(self, request: web.Request) -> web.Response:
        raw = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        url = self.target + request.path_qs
        async with self.session.request(request.method, url, data=raw, headers=headers) as answer:
            body = await answer.read()
            exchange = Exchange(
                verb=request.method,
                path=request.path,
                query=list(request.query.items()),
                body=json.loads(raw) if raw else None,
                status=answer.status,
                answer=json.loads(body) if body else None,
            )
            self.exchanges.append(exchange)
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)


@asynccontextmanager
async def recorded() -> AsyncIterator[tuple[BigQueryRig, list[Exchange]]]:
    async with bigquery_rig() as rig, aiohttp.ClientSession() as session:
        recorder = Recorder(rig.sandbox.url, session, [])
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", recorder.pass_on)
        async with TestServer(application) as server:
            rig.connection = replace(rig.connection, endpoint=str(server.make_url("")).rstrip("/"))
            yield rig, recorder.exchanges


def handler_of(rig: BigQueryRig, name: str) -> BigQueryJobHandler[Any]:
    """The handler of the form, on the rig's own desks."""
    made: dict[str, type[BigQueryJobHandler[Any]]] = {
        "load": BigQueryLoadHandler,
        "extract": BigQueryExtractHandler,
        "copy": BigQueryCopyHandler,
    }
    return made[name]() if name in made else rig.handler


@pytest.mark.parametrize("name", SPECS)
async def test_a_job_s_whole_life_is_as_documented(name: str) -> None:
    async with recorded() as (rig, exchanges):
        handler = handler_of(rig, name)
        spec: Any = handler.spec_type.model_validate(SPECS[name])
        request: CreateRequest[Any] = replace(
            rig.request(inputs=INPUTS.get(name, {})), spec=spec, hint=handler.hint(rig.connection, spec)
        )
        job = await handler.create(request)
        await handler.create(request)
        await handler.get(rig.connection, [job.meta])
        await handler.find(rig.connection, request.name, request.hint)
        assert [one.name for one in await handler.list(rig.connection, request.owner)] == [request.name]
        await handler.delete(rig.connection, request.name, job.meta, request.hint)
        rig.advance(1.0)
        await handler.get(rig.connection, [job.meta])
        await handler.check(rig.connection)
        if handler is not rig.handler:
            await handler.close()
    called = {method_of(one) for one in exchanges}
    assert called >= {f"bigquery.jobs.{method}" for method in ("insert", "get", "list", "cancel")}
    assert [fault for one in exchanges for fault in faults(one)] == []


async def test_batches_results_and_dry_runs_are_as_documented() -> None:
    async with recorded() as (rig, exchanges):
        query = "SELECT n, [n, 2] AS both, STRUCT(1 AS a) AS s FROM UNNEST(GENERATE_ARRAY(1, 30)) n"
        done = await rig.handler.create(rig.request(query))
        await rig.settle()
        first = await rig.handler.results(rig.connection, done.meta, "", 20)
        await rig.handler.results(rig.connection, done.meta, first.next_cursor, 20)
        await rig.handler.validate(rig.request("SELECT 1 AS one"))
        with pytest.raises(Permanent):
            await rig.handler.validate(rig.request("SELEC 1"))
        live = [await rig.handler.create(rig.long_request()) for _ in range(25)]
        over = [await rig.handler.create(rig.request("SELECT nothing_like_it")) for _ in range(25)]
        rig.advance(1.0)
        await rig.handler.get(rig.connection, [job.meta for job in (*live, *over, done)])
        script = await rig.handler.create(
            rig.request("DECLARE x INT64 DEFAULT 1; SELECT x AS x; SELECT 2 AS y;")
        )
        rig.advance(1.0)
        await rig.handler.get(rig.connection, [script.meta])
    assert "bigquery.jobs.getQueryResults" in {method_of(one) for one in exchanges}
    assert [fault for one in exchanges for fault in faults(one)] == []


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        ({"query": [("maxResult", "1")]}, "no parameter maxResult"),
        ({"query": [("projection", "all")]}, "projection may not be all"),
        ({"query": [("pageToken", "a"), ("pageToken", "b")]}, "pageToken is given twice"),
        ({"answer": {"jobs": [{"jobReferense": {}}]}}, "answer.jobs[0] has no jobReferense"),
        ({"answer": {"jobs": [{"statistics": {"creationTime": 7}}]}}, "creationTime is no string: 7"),
        (
            {"answer": {"jobs": [{"statistics": {"creationTime": "soon"}}]}},
            "creationTime is no int64: 'soon'",
        ),
    ],
)
def test_the_check_finds_what_is_not_documented(exchange: dict[str, Any], said: str) -> None:
    made: dict[str, Any] = {"verb": "GET", "path": "/bigquery/v2/projects/p/jobs", "query": []}
    found = faults(Exchange(**{**made, "body": None, "status": 200, "answer": {}, **exchange}))
    assert len(found) == 1
    assert said in found[0]
