"""A key pair that comes with a task takes the place of whatever the connection signs in with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from propwash.sdk import FlyteTask, Json, RemoteName, SentSecret, TemplateError
from propwash_snowflake.connection import SnowflakeSettings
from propwash_snowflake.flyte import StatementTasks
from tests.plugins.snowflake.snowflake_rig import snowflake_rig

KEY, PASSPHRASE = "snowflake_private_key", "snowflake_private_key_passphrase"
NAME = RemoteName("pw-battery1-01hzzzzzzzzzzzzzzzzzzzzzzz-1")
OWN: list[dict[str, Any]] = [
    {"auth": "none"},
    {"auth": "pat", "token": "env:TOKEN"},
    {
        "auth": "oauth",
        "oauth_token_url": "https://x",
        "oauth_client_id": "c",
        "oauth_client_secret": "env:S",
        "oauth_scope": "session:role:R",
    },
    {"private_key": "env:KEY", "private_key_passphrase": "env:PASSPHRASE"},
]


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("names", [{KEY}, {KEY, PASSPHRASE}])
def test_a_task_s_key_takes_the_place_of_every_kind_of_credentials(
    own: dict[str, Any], names: set[str]
) -> None:
    given = {"account": "a", "user": "u", "role": "R", **own, **StatementTasks().credentials(names)}
    made = SnowflakeSettings.model_validate({key: one for key, one in given.items() if one is not None})
    passphrase = SentSecret.named(PASSPHRASE) if PASSPHRASE in names else None
    assert made == SnowflakeSettings(
        account="a",
        user="u",
        role="R",
        private_key=SentSecret.named(KEY),
        private_key_passphrase=passphrase,
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({PASSPHRASE}, f"custom.secrets.{KEY}: is missing"),
        ({KEY, "password"}, "custom.secrets.password: is none of"),
        ({"x" * 500}, f"custom.secrets.{'x' * 100}: is none of"),
    ],
)
def test_other_secrets_are_named(names: set[str], said: str) -> None:
    with pytest.raises(TemplateError) as raised:
        StatementTasks().credentials(names)
    assert str(raised.value).startswith(said)


def test_a_template_s_secrets_are_no_part_of_the_spec() -> None:
    custom: dict[str, Json] = {"account": "a", "user": "u", "secrets": {KEY: "GRP_SF_KEY"}}
    asked = StatementTasks().request(FlyteTask(task_type="snowflake", statement="SELECT 1", custom=custom))
    assert "GRP_SF_KEY" not in repr(asked)


async def test_a_forgotten_connection_is_closed_and_begins_anew() -> None:
    async with snowflake_rig() as rig:
        other = replace(rig.connection, name="sf~1")
        for connection in (rig.connection, other):
            await rig.handler.find(connection, NAME, b"")
        desks = rig.handler._desks
        before, kept = desks.of(other), desks.of(rig.connection)
        await rig.handler.forget(other)
        await rig.handler.forget(other)
        assert desks.of(rig.connection) is kept
        assert desks.of(other) is not before
        assert before.client._session is not None
        assert before.client._session.closed
        await rig.handler.find(other, NAME, b"")
