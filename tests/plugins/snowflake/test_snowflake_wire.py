"""Answers that no stand-in would give: none, slow, cut, empty, HTML, of another statement, or too much to ask for."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from propwash.sdk import Throttled, Unavailable, Verdict
from propwash_snowflake.connection import SnowflakeSettings
from propwash_snowflake.credentials import NoCredentials
from propwash_snowflake.errors import RemoteError, verdict
from propwash_snowflake.wire import Client

HANDLE = "01b2c3d4-0000-4000-8000-000000000000"
RUNNING = {"code": "333334", "message": "running", "statementHandle": HANDLE}
Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def client(respond: Respond, **settings: Any) -> AsyncIterator[Client]:
    """A client of a server that answers so."""
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", respond)
    async with TestServer(application) as server:
        made = Client(
            str(server.make_url("")).rstrip("/"),
            settings=SnowflakeSettings.model_validate({"account": "acme-prod", "auth": "none", **settings}),
            signer=NoCredentials(),
        )
        try:
            yield made
        finally:
            await made.close()


def answering(body: bytes, *, status: int = 200, **headers: str) -> Respond:
    async def respond(_request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, headers=named)

    return respond


async def said(made: Client) -> Verdict:
    """The verdict of a look."""
    try:
        await made.status(HANDLE)
    except RemoteError as error:
        return verdict(error, is_submitting=False)
    except Verdict as told:
        return told
    raise AssertionError("the answer was taken for one")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"", 202),
        (b"<html>Service Unavailable</html>", 200),
        (b"<html>Bad Gateway</html>", 502),
        (json.dumps(RUNNING).encode()[:40], 202),
        (b"[]", 200),
        (b"null", 200),
        (b'{"code": "090001"}', 200),
        (json.dumps({**RUNNING, "statementHandle": "another"}).encode(), 202),
        (b'\xff\xfe{"statementHandle"', 200),
        (b"{}", 404),
        (b"moved", 302),
    ],
)
async def test_what_is_no_answer_is_unavailable(body: bytes, status: int) -> None:
    async with client(answering(body, status=status, Location="/elsewhere")) as made:
        told = await said(made)
        assert (type(told), told.reason) == (Unavailable, "UNEXPECTED_ANSWER")


async def test_a_connection_that_closes_is_no_answer() -> None:
    async def respond(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with client(respond) as made:
        assert (await said(made)).reason == "CONNECTION_LOST"


async def test_a_body_that_is_cut_off_is_no_answer() -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(json.dumps(RUNNING).encode())
        assert request.transport is not None
        request.transport.close()
        return answer

    async with client(respond) as made:
        assert (await said(made)).reason == "CONNECTION_LOST"


async def test_an_answer_that_does_not_come_in_time_is_none() -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        # Until the caller goes away.
        while await request.content.readany():
            pass
        return answer

    async with client(respond, request_timeout_s=0.05) as made:
        assert (await said(made)).reason == "CONNECTION_LOST"


async def test_nobody_listens() -> None:
    async with client(answering(b"")) as made:
        made.base = "http://127.0.0.1:9"
        told = await said(made)
        assert (type(told), told.reason) == (Unavailable, "CONNECTION_LOST")


async def test_a_compressed_answer_and_a_large_one_are_read() -> None:
    for count in (1, 5_000):
        whole = {"code": "090001", "statementHandle": HANDLE, "data": [["x" * 20]] * count}
        packed = gzip.compress(json.dumps(whole).encode())
        async with client(answering(packed, Content_Encoding="gzip")) as made:
            assert len((await made.status(HANDLE)).rows) == count


@pytest.mark.parametrize(
    ("header", "after_s"),
    [("7", 7.0), ("0", 0.0), ("99999", 3600.0), ("soon", None), ("-1", None)],
)
async def test_retry_after_is_kept(header: str, after_s: float | None) -> None:
    async with client(answering(b'{"code": "390505"}', status=429, Retry_After=header)) as made:
        told = await said(made)
        assert isinstance(told, Throttled)
        assert (told.retry_after_s or None) == (after_s or None)


async def test_retry_after_of_a_failing_service_is_kept() -> None:
    async with client(answering(b"<html>busy</html>", status=503, Retry_After="9")) as made:
        told = await said(made)
        assert isinstance(told, Unavailable)
        assert told.retry_after_s == 9.0


async def test_no_part_of_a_request_is_in_what_is_said_of_its_failure() -> None:
    async with client(answering(b"<html>secret-in-a-page</html>", status=503)) as made:
        with pytest.raises(RemoteError) as raised:
            await made.submit({"statement": "SELECT 'secret-in-sql'"}, request_id="r")
        assert "secret" not in str(raised.value)
