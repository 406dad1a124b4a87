"""What a connection's settings may say."""

from __future__ import annotations

import pytest

from propwash.sdk import Connection, Unavailable
from propwash_aws.accounts import Accounts
from propwash_aws.connection import SettingsError, endpoints_of, region_of, settings_of

KEYS = {"credentials": "keys", "access_key_id": "env:AN_ID", "secret_access_key": "env:A_SECRET"}


def connection(endpoint: str = "", **settings: object) -> Connection:
    return Connection(name="aws", endpoint=endpoint, settings=settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"credentials": "keys"}, "access_key_id or secret_access_key"),
        ({"access_key_id": "env:AN_ID"}, "keys are given, but credentials is default"),
        ({**KEYS, "access_key_id": "AKIAWRONG"}, "settings.access_key_id"),
        ({"external_id": "ours"}, "no role_arn"),
        ({"role_arn": "propwash"}, "settings.role_arn"),
        ({"credentials": "none", "role_arn": "arn:aws:iam::123456789012:role/r"}, "role_arn is given"),
        ({"region": "Ireland"}, "settings.region"),
        ({"regoin": "eu-west-1"}, "settings.regoin"),
        ({"role_duration_s": 60}, "settings.role_duration_s"),
        ({"connections": 0}, "settings.connections"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings_of(connection("", **settings))
    assert said in str(raised.value)
    assert "AKIAWRONG" not in str(raised.value), "a secret in the wrong place must not be shown"


def test_the_region_is_the_connection_s_or_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match=r"settings\.region"):
        region_of(connection(), settings_of(connection()))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert region_of(connection(), settings_of(connection())) == "eu-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert region_of(connection(), settings_of(connection())) == "eu-west-3"
    named = connection(region="eu-west-1")
    assert region_of(named, settings_of(named)) == "eu-west-1"


@pytest.mark.parametrize(
    ("endpoint", "credentials", "is_good"),
    [
        ("", "default", True),
        ("https://vpce.example", "default", True),
        ("http://127.0.0.1:9000", "default", True),
        ("http://aws.example", "none", True),
        ("http://aws.example", "default", False),
        ("ftp://aws.example", "none", False),
        ("aws.example", "none", False),
    ],
)
def test_signed_requests_stay_off_the_open_wire(endpoint: str, credentials: str, is_good: bool) -> None:
    one = connection(endpoint, credentials=credentials)
    if is_good:
        assert set(map(endpoints_of(one, settings_of(one)).of, ("emr", "sts", "s3"))) == {endpoint}
        return
    with pytest.raises(SettingsError, match="endpoint"):
        endpoints_of(one, settings_of(one))


def test_sts_and_s3_may_be_elsewhere() -> None:
    one = connection(
        "https://a.example/", sts_endpoint="https://sts.example/", s3_endpoint="https://s3.example/"
    )
    found = endpoints_of(one, settings_of(one))
    expected = ["https://a.example", "https://sts.example", "https://s3.example"]
    assert [found.of(service) for service in ("emr", "sts", "s3")] == expected


async def test_settings_that_do_not_serve_end_no_job() -> None:
    accounts = Accounts()
    with pytest.raises(Unavailable) as raised:
        accounts.of(connection(regoin="eu-west-1"))
    assert raised.value.reason == "CONNECTION_INVALID"
    await accounts.close()


async def test_a_changed_connection_gets_a_new_account() -> None:
    accounts = Accounts()
    first = accounts.of(connection(region="eu-west-1"))
    assert accounts.of(connection(region="eu-west-1")) is first
    assert accounts.of(connection(region="eu-west-2")) is not first
    await accounts.close()
