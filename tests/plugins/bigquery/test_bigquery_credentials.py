"""Tokens: cached, refreshed behind the calls' back, kept while they are valid, and never shown."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from propwash.sdk import Connection, LocalSecrets, RemoteName, Unavailable
from propwash_bigquery import BigQueryHandler
from propwash_bigquery.connection import BigQuerySettings, SettingsError, base_url, settings_of
from propwash_bigquery.credentials import AccessToken, Credentials, CredentialsError
from propwash_bigquery.google_tokens import GoogleTokens

SECRET = "ya29.a-token-that-nobody-may-see"


class FakeTokens:
    """Hands out numbered tokens; a fetch waits while the gate is closed, and fails with what is set."""

    def __init__(self) -> None:
        self.fetches = 0
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_closed = False

    async def fetch(self) -> AccessToken:
        self.fetches += 1
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return AccessToken(value=f"{SECRET}-{self.fetches}", lifetime_s=3600.0)

    async def close(self) -> None:
        self.is_closed = True


class World:
    """Credentials with a fake source and a fake clock."""

    def __init__(self) -> None:
        self.time = 0.0
        self.source = FakeTokens()
        self.credentials = Credentials(self.source, name="bq", now=lambda: self.time)

    async def token(self) -> str:
        return (await self.credentials.headers())["Authorization"].removeprefix(f"Bearer {SECRET}-")

    async def turn(self) -> None:
        """Let the fetching task run."""
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.credentials.close()
    assert made.source.is_closed


async def test_many_first_calls_share_one_fetch(world: World) -> None:
    assert await asyncio.gather(*(world.token() for _ in range(50))) == ["1"] * 50
    assert world.source.fetches == 1


async def test_cancelled_call_takes_the_token_from_nobody(world: World) -> None:
    world.source.gate.clear()
    first, second = asyncio.ensure_future(world.token()), asyncio.ensure_future(world.token())
    await world.turn()
    first.cancel()
    world.source.gate.set()
    assert await second == "1"


async def test_refresh_is_behind_the_calls_back(world: World) -> None:
    await world.token()
    world.time = 1799.0
    assert await world.token() == "1"
    assert world.source.fetches == 1
    world.time = 1801.0
    world.source.gate.clear()
    assert await world.token() == "1"
    await world.turn()
    assert any(task.get_name() == "bigquery-token-bq" for task in asyncio.all_tasks())
    assert [await world.token(), await world.token(), world.source.fetches] == ["1", "1", 2]
    world.source.gate.set()
    await world.turn()
    assert await world.token() == "2"


async def test_failed_refresh_keeps_the_old_token_until_it_expires(world: World) -> None:
    await world.token()
    world.source.failure = OSError("the proxy said: assertion=secret-assertion")
    world.time = 1801.0
    assert await world.token() == "1"
    await world.turn()
    assert await world.token() == "1"
    assert world.source.fetches == 2
    world.time = 1812.0
    assert await world.token() == "1"
    await world.turn()
    assert world.source.fetches == 3
    world.time = 3571.0
    with pytest.raises(Unavailable) as raised:
        await world.token()
    assert raised.value.reason == "CREDENTIALS_UNAVAILABLE"
    assert raised.value.message == "fetching an access token failed: OSError"
    world.source.failure = None
    world.time = 3582.0
    assert await world.token() == "5"


async def test_refused_token_is_replaced(world: World) -> None:
    await world.token()
    world.time = 60.0
    world.credentials.distrust({"Authorization": f"Bearer {SECRET}-1"})
    assert await world.token() == "1"
    await world.turn()
    assert await world.token() == "2"
    assert world.source.fetches == 2


async def test_what_a_source_says_for_people_is_passed_on(world: World) -> None:
    world.source.failure = CredentialsError("the file x cannot be read")
    with pytest.raises(Unavailable, match="the file x cannot be read"):
        await world.token()


async def test_token_is_in_no_repr(world: World) -> None:
    await world.token()
    token = AccessToken(value=SECRET, lifetime_s=1.0)
    assert SECRET not in repr(token) + repr(world.credentials)


def service_account(folder: Path, token_uri: str) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "key.json"
    account = {
        "type": "service_account",
        "client_email": "me@a-project.iam.gserviceaccount.com",
        "private_key": pem.decode(),
        "private_key_id": "1",
        "project_id": "a-project",
        "token_uri": token_uri,
    }
    file.write_text(json.dumps(account))
    return file


async def test_service_account_signs_requests(tmp_path: Path) -> None:
    grants: list[str] = []
    seen: list[tuple[str, str]] = []

    async def token(request: web.Request) -> web.Response:
        grants.append(str((await request.post())["grant_type"]))
        return web.json_response({"access_token": SECRET, "expires_in": 3600})

    async def job(request: web.Request) -> web.Response:
        seen.append((request.headers["Authorization"], request.headers["x-goog-user-project"]))
        body = {"error": {"code": 401, "errors": [{"reason": "authError"}], "message": "Invalid Credentials"}}
        return web.json_response(body, status=401)

    app = web.Application()
    app.router.add_post("/token", token)
    app.router.add_get("/bigquery/v2/projects/{project}/jobs/{job}", job)
    async with TestServer(app) as server:
        file = await asyncio.to_thread(service_account, tmp_path, str(server.make_url("/token")))
        connection = Connection(
            name="bq",
            endpoint=str(server.make_url("/")),
            settings={
                "project": "a-project",
                "location": "US",
                "credentials_file": str(file),
                "quota_project": "payer-project",
            },
        )
        handler = BigQueryHandler()
        for _ in range(2):
            with pytest.raises(Unavailable) as raised:
                await handler.find(connection, RemoteName("pw-x"), b"")
            assert raised.value.reason == "CREDENTIALS_UNAVAILABLE"
            assert SECRET not in str(raised.value)
        await handler.close()
    assert grants == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert seen == [(f"Bearer {SECRET}", "payer-project")] * 2


async def test_missing_file_is_named_and_ends_nothing(tmp_path: Path) -> None:
    file = str(tmp_path / "nowhere.json")
    handler = BigQueryHandler()
    connection = Connection(name="bq", settings={"project": "a-project", "credentials_file": file})
    with pytest.raises(Unavailable, match=r"nowhere\.json cannot be read") as raised:
        await handler.find(connection, RemoteName("pw-x"), b"")
    assert raised.value.reason == "CREDENTIALS_UNAVAILABLE"
    await handler.close()


async def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.startswith("gcloud")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gcloud.aio.auth", None)
    source = GoogleTokens(BigQuerySettings(), LocalSecrets())
    with pytest.raises(CredentialsError, match=r"propwash\[bigquery\]"):
        await source.fetch()


def test_importing_the_plugin_needs_no_extra() -> None:
    code = (
        "import sys, propwash_bigquery as p; p.plugin.make(); "
        "assert not any(name.startswith('gcloud') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"projekt": "x"}, "settings.projekt: Extra"),
        ({"project": "X"}, "settings.project"),
        ({"connections": 0}, "settings.connections"),
        ({"credentials": "guess"}, "settings.credentials"),
        ({"credentials": "none", "credentials_file": "x"}, "credentials is none"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings_of(Connection(name="bq", settings=settings))
    assert str(raised.value).startswith("connection bq: ")
    assert said in str(raised.value)


def test_endpoint() -> None:
    settings, none = BigQuerySettings(), BigQuerySettings(credentials="none")
    assert base_url(Connection(name="bq"), settings) == "https://bigquery.googleapis.com/bigquery/v2"
    given = Connection(name="bq", endpoint="https://bq.example/bigquery/v2/")
    assert base_url(given, settings) == "https://bq.example/bigquery/v2"
    assert base_url(Connection(name="bq", endpoint="http://10.0.0.1:1"), none).endswith("/bigquery/v2")
    for endpoint in ("http://10.0.0.1:1", "ftp://x", "bq.example"):
        with pytest.raises(SettingsError):
            base_url(Connection(name="bq", endpoint=endpoint), settings)
