"""Metrics and probes over a real port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from propwash.web.server import CannotListen, Check, WebOptions, WebServer

LOCAL = WebOptions(port=0, check_timeout_s=0.05)


def expose(accept: str) -> tuple[str, bytes]:
    """What the telemetry would answer."""
    return "text/plain; version=0.0.4; charset=utf-8", f"# accept {accept}\n".encode()


async def fine() -> None:
    """A check that passes."""


@contextlib.asynccontextmanager
async def serving(**checks: Check) -> AsyncIterator[tuple[WebServer, str, aiohttp.ClientSession]]:
    """A server, its address and a client."""
    hello = web.get("/hello", _hello)
    server = WebServer(LOCAL, expose=expose, checks=checks, routes=[hello])
    port = await server.start()
    async with aiohttp.ClientSession() as session:
        try:
            yield server, f"http://127.0.0.1:{port}", session
        finally:
            await server.stop()
            await server.stop()


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def fetch(session: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    """Status and text."""
    async with session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_metrics_liveness_and_added_routes() -> None:
    async with serving() as (_, url, session):
        assert await fetch(session, f"{url}/metrics", Accept="text/x") == (200, "# accept text/x\n")
        assert await fetch(session, f"{url}/livez") == (200, "ok\n")
        assert await fetch(session, f"{url}/hello") == (200, "hello")
        assert (await fetch(session, f"{url}/none"))[0] == 404


async def test_ready_when_every_check_passes_and_nothing_drains() -> None:
    async with serving(store=fine, accepting=fine) as (server, url, session):
        assert await fetch(session, f"{url}/readyz") == (
            200,
            "[+] store\n[+] accepting\n[+] draining\nready\n",
        )
        server.begin_drain()
        status, text = await fetch(session, f"{url}/readyz")
        assert (status, "[-] draining: the server is stopping" in text) == (503, True)
        assert (await fetch(session, f"{url}/livez"))[0] == 200


async def test_what_fails_is_named_without_its_secrets() -> None:
    async def broken() -> str | None:
        raise OSError("password=hunter2")

    async def hanging() -> str | None:
        await asyncio.Event().wait()
        return None

    async def starting() -> str | None:
        return "the engine starts"

    async with serving(store=broken, slow=hanging, accepting=starting) as (_, url, session):
        status, text = await fetch(session, f"{url}/readyz")
    assert status == 503
    assert text.splitlines()[:3] == [
        "[-] store: failed: OSError",
        "[-] slow: no answer in time",
        "[-] accepting: the engine starts",
    ]


async def test_a_taken_port_is_one_clear_line() -> None:
    async with serving() as (_, url, _session):
        port = int(url.rpartition(":")[2])
        other = WebServer(WebOptions(port=port), expose=expose, checks={})
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}: the port is taken"):
            await other.start()
