"""What the handler asks of Snowflake, against Snowflake's own description of the SQL API.

Skipped, and says so, where the description is not on this machine; PROPWASH_SNOWFLAKE_OPENAPI says where it is.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.plugins.snowflake import sql_api
from tests.plugins.snowflake.snowflake_rig import SnowflakeRig, snowflake_rig

pytestmark = pytest.mark.skipif(
    not sql_api.place().is_file(),
    reason=f"Snowflake's OpenAPI description is not at {sql_api.VARIABLE}, nor beside the repository",
)

REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "places": {"warehouse": "w", "database": "d", "schema": "s", "role": "PUBLIC", "timeout_s": 0},
    "parameters": {"session_parameters": {"TIMEZONE": "UTC"}, "query_tag": "mine", "nullable": False},
    "several": {"statement": "SELECT 1; SELECT 2", "statement_count": 2},
    "bound": {
        "statement": "SELECT ?, ?",
        "bindings": ["n", {"value": "0", "type": "DATE"}],
        "inputs": {"n": 7},
    },
    "list": {"statement": "SELECT ?", "bindings": ["n"], "inputs": {"n": [1, None, 3]}},
}


class Recorder:
    """Stands before the stand-in and writes down what is asked of it."""

    def __init__(self, rig: SnowflakeRig, session: aiohttp.ClientSession) -> None:
        self._target = rig.sandbox.url
        self._session = session
        self.asked: list[tuple[str, dict[str, dict[str, str]], bytes]] = []

    async def pass_on(self, request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        raw = await request.read()
        parts = request.path.strip("/").split("/")
        operation = "cancel" if parts[-1] == "cancel" else "get" if request.method == "GET" else "submit"
        self.asked.append((operation, {"query": dict(request.query), "header": headers}, raw))
        url = self._target + request.path_qs
        async with self._session.request(request.method, url, data=raw, headers=headers) as answer:
            body = await answer.read()
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)


@pytest.mark.parametrize("observe", ["history", "statements"])
async def test_the_handler_asks_as_documented(observe: str) -> None:
    async with snowflake_rig(observe=observe) as rig, aiohttp.ClientSession() as session:
        recorder = Recorder(rig, session)
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", recorder.pass_on)
        async with TestServer(application) as server:
            rig.connection = replace(rig.connection, endpoint=str(server.make_url("")).rstrip("/"))
            jobs = []
            for fields in REQUESTS.values():
                given = dict(fields)
                inputs = given.pop("inputs", {})
                request = rig.long_request(inputs=inputs, **given)
                jobs.append((request.name, (await rig.handler.create(request)).meta))
            await rig.handler.get(rig.connection, [meta for _, meta in jobs])
            for name, meta in jobs:
                await rig.handler.delete(rig.connection, name, meta, b"")
            over = await rig.handler.create(rig.request())
            await rig.settle()
            await rig.handler.results(rig.connection, over.meta, "", 10)
        assert {operation for operation, _, _ in recorder.asked} == {"submit", "get", "cancel"}
        for operation, given, raw in recorder.asked:
            sql_api.check_parameters(operation, given)
            if operation == "submit":
                sql_api.check_submission(json.loads(raw))
