"""How requests are signed: key pairs and access tokens, and when they are rotated, refused or not to be had."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from propwash.sandbox import Standing
from propwash.sdk import CREDENTIALS_UNAVAILABLE, Connection, RemoteName, Unavailable
from propwash_snowflake.connection import SettingsError, base_url, settings_of
from propwash_snowflake.key_pair import fingerprint
from tests.plugins.snowflake.snowflake_rig import SnowflakeRig, snowflake_rig

ACCOUNT_USER = "ACME-SANDBOX.LOADER"
PASSPHRASE = "open sesame, and quickly"
NAME = RemoteName("pw-battery1-01hzzzzzzzzzzzzzzzzzzzzzzz-1")


@cache
def rsa_key(_number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(number: int = 0, kind: PrivateFormat = PrivateFormat.PKCS8, passphrase: str = "") -> str:
    sealed = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return rsa_key(number).private_bytes(Encoding.PEM, kind, sealed).decode()


def register(rig: SnowflakeRig, number: int = 0) -> str:
    public = rsa_key(number).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return rig.stand_in.register_key(ACCOUNT_USER, public)


@pytest.fixture
def signed(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[SnowflakeRig]]:
    """Rigs whose connection is signed by the key in the file "key"; passphrase opens it."""

    @asynccontextmanager
    async def made(text: str, passphrase: str = "") -> AsyncIterator[SnowflakeRig]:
        (tmp_path / "key").write_text(text)
        settings: dict[str, Any] = {"private_key": f"file:{tmp_path}/key"}
        if passphrase:
            (tmp_path / "passphrase").write_text(passphrase + "\n")
            settings["private_key_passphrase"] = f"file:{tmp_path}/passphrase"
        async with snowflake_rig(auth="key_pair", user="loader", **settings) as rig:
            yield rig

    return made


async def look(rig: SnowflakeRig) -> None:
    """One call that needs credentials; raises Unavailable."""
    await rig.handler.find(rig.connection, NAME, b"")


async def complaint(rig: SnowflakeRig) -> str:
    """What a call says that has no credentials."""
    with pytest.raises(Unavailable) as raised:
        await look(rig)
    assert raised.value.reason == CREDENTIALS_UNAVAILABLE
    return raised.value.message


def refusals(rig: SnowflakeRig) -> int:
    """Answers of 401."""
    counted = rig.world.ledger.summary()["requests"]["snowflake"]
    return sum(answers.get("401", 0) for answers in counted.values())


async def settled() -> None:
    """Wait for a fetch that is under way."""
    fetching = [task for task in asyncio.all_tasks() if task.get_name() == "snowflake-token-sf"]
    await asyncio.gather(*fetching)


@asynccontextmanager
async def client_rig(place: Path) -> AsyncIterator[SnowflakeRig]:
    """A rig whose connection fetches its tokens by a client's own credentials."""
    (place / "secret").write_text(PASSPHRASE)
    async with snowflake_rig() as rig:
        rig.stand_in.register_client("loader", PASSPHRASE)
        settings = {
            "account": "acme-sandbox",
            "auth": "oauth",
            "oauth_token_url": f"{rig.sandbox.url}/oauth/token-request",
            "oauth_client_id": "loader",
            "oauth_client_secret": f"file:{place}/secret",
            "oauth_scope": "session:role:LOADER",
        }
        rig.connection = Connection(name="sf", endpoint=rig.sandbox.url, settings=settings)
        yield rig


@pytest.mark.parametrize(
    ("text", "passphrase"),
    [
        pytest.param(lambda: pem(), "", id="pkcs8"),
        pytest.param(lambda: pem(kind=PrivateFormat.TraditionalOpenSSL), "", id="pkcs1"),
        pytest.param(lambda: pem(passphrase=PASSPHRASE), PASSPHRASE, id="encrypted pkcs8"),
    ],
)
async def test_keys_of_each_kind_sign(signed: Any, text: Callable[[], str], passphrase: str) -> None:
    async with signed(text(), passphrase) as rig:
        assert register(rig) == fingerprint(rsa_key(0))
        await look(rig)
        assert refusals(rig) == 0


async def test_a_jwt_is_replaced_before_it_expires(signed: Any) -> None:
    async with signed(pem()) as rig:
        register(rig)
        for _ in range(12):
            rig.advance(1000.0)
            await look(rig)
            await settled()
        assert refusals(rig) == 0


async def test_a_key_that_was_rotated_holds_with_the_very_call_that_the_old_one_is_refused_in(
    signed: Any, tmp_path: Path
) -> None:
    async with signed(pem(0)) as rig:
        old = register(rig, 0)
        await look(rig)
        rig.advance(6.0)
        register(rig, 1)
        (tmp_path / "key").write_text(pem(1))
        rig.stand_in.authentication.revoke_key(ACCOUNT_USER, old)
        await look(rig)
        assert refusals(rig) == 1


async def test_a_revoked_key_is_no_answer_until_there_is_another(signed: Any, tmp_path: Path) -> None:
    async with signed(pem(0)) as rig:
        old = register(rig, 0)
        await look(rig)
        rig.stand_in.authentication.revoke_key(ACCOUNT_USER, old)
        rig.advance(6.0)
        assert "JWT token is invalid" in await complaint(rig)
        before = refusals(rig)
        for _ in range(20):
            await complaint(rig)
        # While refusals go on, another is fetched once in a pause at most.
        assert refusals(rig) - before <= 1
        register(rig, 1)
        (tmp_path / "key").write_text(pem(1))
        rig.advance(6.0)
        await look(rig)


@pytest.mark.parametrize(
    ("text", "passphrase", "said"),
    [
        pytest.param(lambda: pem(passphrase=PASSPHRASE), "wrong", "does not open it", id="wrong passphrase"),
        pytest.param(lambda: pem(passphrase=PASSPHRASE), "", "does not open it", id="no passphrase"),
        pytest.param(lambda: pem(), "unwanted", "does not open it", id="passphrase of a bare key"),
        pytest.param(lambda: "MIIEvQIBADANBgkq", "", "is no private key in PEM", id="not PEM"),
        pytest.param(lambda: " \n", "", "not set or empty", id="empty"),
    ],
)
async def test_a_key_that_cannot_be_used_says_so_and_shows_nothing(
    signed: Any, tmp_path: Path, text: Callable[[], str], passphrase: str, said: str
) -> None:
    async with signed(text(), passphrase) as rig:
        message = await complaint(rig)
        assert said in message
        assert f"file:{tmp_path}/key" in message
        assert not any(part in message for part in ("MII", PASSPHRASE, "wrong", "unwanted"))


async def test_a_key_of_another_kind_says_so(signed: Any) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    async with signed(text) as rig:
        assert "is no RSA key" in await complaint(rig)


async def test_a_missing_key_file_says_so(signed: Any, tmp_path: Path) -> None:
    async with signed(pem()) as rig:
        (tmp_path / "key").unlink()
        assert "/key" in await complaint(rig)


@pytest.mark.parametrize("absent", ["jwt", "cryptography.hazmat.primitives.serialization"])
async def test_a_missing_extra_is_named(signed: Any, monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    async with signed(pem()) as rig:
        monkeypatch.setitem(sys.modules, absent, None)
        assert "propwash[snowflake]" in await complaint(rig)


def test_importing_the_plugin_needs_no_extra() -> None:
    code = (
        "import sys, propwash_snowflake as p; p.plugin.make(); "
        "assert 'jwt' not in sys.modules and 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)


@pytest.mark.parametrize("auth", ["pat", "oauth"])
async def test_a_token_that_something_else_writes_is_read_again(auth: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first-token\n")
    async with snowflake_rig(auth=auth, token=f"file:{tmp_path}/token") as rig:
        both = {"first-token": Standing.ACCEPTED, "second-token": Standing.ACCEPTED}
        rig.world.identities.set("snowflake", both)
        await look(rig)
        (tmp_path / "token").write_text("second-token\n")
        rig.advance(31.0)
        await look(rig)  # and reads the file behind the call's back
        await settled()
        rig.world.identities.set("snowflake", {"second-token": Standing.ACCEPTED})
        await look(rig)
        assert refusals(rig) == 0


async def test_a_client_fetches_its_own_tokens_before_they_expire_and_when_they_are_revoked(
    tmp_path: Path,
) -> None:
    async with client_rig(tmp_path) as rig:
        await look(rig)
        for _ in range(12):
            rig.advance(240.0)
            await look(rig)
            await settled()
        assert refusals(rig) == 0
        rig.stand_in.authentication.desk.revoke()
        rig.advance(6.0)
        await look(rig)
        assert refusals(rig) == 1


async def test_a_client_that_is_refused_says_so_without_its_secret(tmp_path: Path) -> None:
    async with client_rig(tmp_path) as rig:
        rig.stand_in.register_client("loader", "another secret")
        message = await complaint(rig)
        assert "invalid_client" in message
        assert "/oauth/token-request" in message
        assert PASSPHRASE not in message


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "auth is key_pair, which needs user and private_key"),
        ({"user": "u", "private_key": "file:/k", "token": "env:T"}, "auth is key_pair, which takes no token"),
        ({"auth": "pat"}, "auth is pat, which needs token"),
        (
            {"auth": "oauth", "oauth_token_url": "https://idp/token"},
            "needs oauth_client_id and oauth_client_secret",
        ),
        (
            {
                "auth": "oauth",
                "oauth_token_url": "http://idp/token",
                "oauth_client_id": "c",
                "oauth_client_secret": "env:S",
            },
            "a secret is not sent over http",
        ),
        ({"auth": "none", "warehous": "W"}, "settings.warehous: Extra"),
        ({"auth": "none", "session_parameters": {"query_tag": "x"}}, "QUERY_TAG is set by us"),
        ({"auth": "none", "session_parameters": {"a b": "x"}}, "is no name of a session parameter"),
        ({"auth": "pat", "token": "a-token-and-no-reference"}, "settings.token"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings_of(Connection(name="sf", settings={"account": "acme-prod", **settings}))
    assert str(raised.value).startswith("connection sf: ")
    assert said in str(raised.value)
    assert "a-token-and-no-reference" not in str(raised.value)


def test_where_the_api_is() -> None:
    for account, host in (("Acme-My_Prod", "acme-my-prod"), ("xy12345.eu-west-1", "xy12345.eu-west-1")):
        connection = Connection(name="sf", settings={"account": account, "auth": "none"})
        assert base_url(connection, settings_of(connection)) == f"https://{host}.snowflakecomputing.com"
    signed = {"account": "acme-prod", "auth": "pat", "token": "env:T"}
    for endpoint in ("http://10.0.0.1:1", "ftp://x", "acme.example"):
        connection = Connection(name="sf", endpoint=endpoint, settings=signed)
        with pytest.raises(SettingsError):
            base_url(connection, settings_of(connection))
