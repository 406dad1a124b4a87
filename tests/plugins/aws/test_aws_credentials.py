"""Keys and roles: signed with what is good now; refused, expired and rotated ones end nothing."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from propwash.sdk import Connection, Unavailable
from propwash_aws.accounts import Accounts
from propwash_aws.errors import RemoteError
from tests.plugins.aws.aws_wire import Asked, Wire, answer, aws_wire, failure, session_answer, session_failure

ROLE = "arn:aws:iam::123456789012:role/propwash"
SECRET = "a-secret-that-nobody-may-see"


@dataclass(slots=True)
class Clock:
    now_s: float = 1000.0

    def now(self) -> float:
        return self.now_s


@dataclass(slots=True)
class Aws:
    """An AWS that knows which keys are good."""

    good: set[str]
    code: str = "ExpiredTokenException"
    assumed: int = 0

    def respond(self, asked: Asked) -> web.StreamResponse:
        is_sts = b"Action=" in asked.body
        if asked.access_key not in self.good:
            return session_failure(self.code) if is_sts else failure(self.code, "refused", status=403)
        if is_sts:
            self.assumed += 1
            key = f"ROLE{self.assumed}"
            self.good.add(key)
            return session_answer(key)
        return answer({"jobRuns": []})


@dataclass(slots=True)
class Rig:
    aws: Aws
    wire: Wire
    accounts: Accounts
    clock: Clock
    folder: Path

    def keys(self, key: str, token: str = "") -> None:
        """Write the secrets."""
        for name, text in (("id", key), ("secret", SECRET), ("token", token)):
            (self.folder / name).write_text(text)

    def connection(self, **settings: object) -> Connection:
        return self.wire.connection(
            credentials="keys",
            access_key_id=f"file:{self.folder}/id",
            secret_access_key=f"file:{self.folder}/secret",
            **settings,
        )

    async def call(self, **settings: object) -> None:
        account = self.accounts.of(self.connection(**settings))
        await account.call("emr-serverless", "ListJobRuns", applicationId="00a")

    def used(self) -> list[str]:
        """The keys of all calls but STS's."""
        return [asked.access_key for asked in self.wire.asked if b"Action=" not in asked.body]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    aws, clock = Aws({"KEY1"}), Clock()
    async with aws_wire(aws.respond) as wire:
        accounts = Accounts(now=clock.now)
        made = Rig(aws, wire, accounts, clock, tmp_path)
        made.keys("KEY1")
        yield made
        await accounts.close()


async def test_calls_are_signed_with_the_secrets(rig: Rig) -> None:
    rig.keys("KEY1", "a-token")
    await rig.call(session_token=f"file:{rig.folder}/token")
    assert rig.used() == ["KEY1"]
    assert rig.wire.asked[0].token == "a-token"


async def test_rotated_keys_hold_with_the_very_call_that_the_old_ones_are_refused_in(rig: Rig) -> None:
    await rig.call()
    rig.keys("KEY2")
    rig.aws.good = {"KEY2"}
    await rig.call()
    await rig.call()
    assert rig.used() == ["KEY1", "KEY1", "KEY2", "KEY2"]


async def test_rotated_keys_hold_after_half_a_minute_while_the_old_ones_are_still_good(rig: Rig) -> None:
    await rig.call()
    rig.keys("KEY2")
    rig.aws.good |= {"KEY2"}
    rig.clock.now_s += 31
    # This call begins the reading, and goes with what there is.
    await rig.call()
    while rig.used()[-1] != "KEY2":
        await rig.call()
    assert "KEY1" in rig.used()[:2]


@pytest.mark.parametrize(
    "code", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"]
)
async def test_revoked_keys_are_no_answer_until_there_are_others(rig: Rig, code: str) -> None:
    await rig.call()
    rig.aws.good, rig.aws.code = set(), code
    for _ in range(3):
        with pytest.raises(RemoteError) as raised:
            await rig.call()
        assert raised.value.code == code
    rig.keys("KEY3")
    rig.aws.good = {"KEY3"}
    rig.clock.now_s += 6
    await rig.call()
    assert rig.used()[-1] == "KEY3"


async def test_a_missing_secret_is_no_answer_and_names_the_reference_alone(rig: Rig) -> None:
    (rig.folder / "secret").unlink()
    with pytest.raises(Unavailable) as raised:
        await rig.call()
    assert raised.value.reason == "CREDENTIALS_UNAVAILABLE"
    assert f"file:{rig.folder}/secret" in raised.value.message
    assert SECRET not in raised.value.message
    assert not rig.wire.asked


async def test_a_role_is_assumed_once_and_again_at_half_its_life(rig: Rig) -> None:
    await rig.call(role_arn=ROLE, external_id="ours", role_duration_s=900)
    await rig.call(role_arn=ROLE, external_id="ours", role_duration_s=900)
    assert (rig.used(), rig.aws.assumed) == (["ROLE1", "ROLE1"], 1)
    asked = rig.wire.asked[0].body
    assert b"DurationSeconds=900" in asked
    assert b"ExternalId=ours" in asked
    rig.clock.now_s += 451
    while rig.used()[-1] != "ROLE2":
        await rig.call(role_arn=ROLE, external_id="ours", role_duration_s=900)
    assert rig.aws.assumed == 2


async def test_a_role_s_session_that_is_refused_is_made_anew_in_the_same_call(rig: Rig) -> None:
    await rig.call(role_arn=ROLE)
    rig.aws.good.discard("ROLE1")
    await rig.call(role_arn=ROLE)
    assert rig.used() == ["ROLE1", "ROLE1", "ROLE2"]


async def test_a_role_survives_keys_that_were_rotated_below_it(rig: Rig) -> None:
    await rig.call(role_arn=ROLE)
    rig.keys("KEY2")
    rig.aws.good = {"KEY2"}
    await rig.call(role_arn=ROLE)
    assert rig.used()[-1] == "ROLE2"


async def test_a_role_that_may_not_be_assumed_says_so(rig: Rig) -> None:
    rig.aws.good, rig.aws.code = set(), "AccessDenied"
    with pytest.raises(Unavailable) as raised:
        await rig.call(role_arn=ROLE)
    assert raised.value.reason == "CREDENTIALS_UNAVAILABLE"
    assert ROLE in raised.value.message


async def test_nothing_that_is_shown_holds_a_secret(rig: Rig) -> None:
    await rig.call(role_arn=ROLE)
    account = rig.accounts.of(rig.connection(role_arn=ROLE))
    shown = [repr(account), repr(account.connection), repr(account.settings)]
    keepers = (account._keys, account._base)
    for keeper in keepers:
        assert keeper is not None
        shown += [repr(keeper), repr(await keeper.get_frozen_credentials())]
    assert not any(SECRET in one or "a-session" in one or "a-secret" in one for one in shown)


async def test_the_sdk_s_own_search_is_used_and_searched_again_after_a_refusal(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    account = rig.accounts.of(rig.wire.connection(credentials="default"))
    await account.call("emr-serverless", "ListJobRuns", applicationId="00a")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY2")
    rig.aws.good = {"KEY2"}
    await account.call("emr-serverless", "ListJobRuns", applicationId="00a")
    assert rig.used() == ["KEY1", "KEY1", "KEY2"]


async def test_a_missing_extra_is_said_when_a_call_is_made(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "propwash_aws.botocore_door", raising=False)
    for name in [one for one in sys.modules if one.partition(".")[0] == "aiobotocore"] or ["aiobotocore"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unavailable) as raised:
        await rig.call()
    assert raised.value.reason == "EXTRA_MISSING"
    assert "pip install 'propwash[aws]'" in raised.value.message
