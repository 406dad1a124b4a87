"""A key that comes with a task is a service account's, and leads to nowhere but Google."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from propwash.sdk import (
    CREDENTIALS_UNAVAILABLE,
    Connection,
    FlyteTask,
    Json,
    RemoteName,
    Secret,
    SentSecret,
    TemplateError,
    Unavailable,
)
from propwash_bigquery import BigQueryHandler
from propwash_bigquery.connection import BigQuerySettings
from propwash_bigquery.flyte import QueryTasks
from propwash_bigquery.sent_keys import SentKeys
from tests.plugins.bigquery.bigquery_rig import bigquery_rig

REFERENCE = SentSecret.named("google_application_credentials")
PRIVATE = "a-private-key-that-nobody-may-see"
NAME = RemoteName("pw-battery1-01hzzzzzzzzzzzzzzzzzzzzzzz-1")
KEY: dict[str, Any] = {
    "type": "service_account",
    "client_email": "anna@a-project.iam.gserviceaccount.com",
    "private_key": PRIVATE,
    "private_key_id": "1",
    "token_uri": "https://oauth2.googleapis.com/token",
}


class Given:
    """The secret that a task came with."""

    def __init__(self, key: object) -> None:
        self.text = key if isinstance(key, str) else json.dumps(key)

    async def read(self, reference: str) -> Secret:
        assert reference == REFERENCE
        return Secret(self.text)


async def read(key: object, *, endpoint: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (await SentKeys(Given(key), endpoint=endpoint).read(REFERENCE)).reveal()
    )
    return found


async def test_a_key_is_read_without_what_a_token_does_not_need() -> None:
    more = {
        "project_id": "a-project",
        "service_account_impersonation_url": "https://internal.example/x",
        "universe_domain": "evil.example",
    }
    assert await read({**KEY, **more}) == KEY
    assert await read({name: value for name, value in KEY.items() if name != "token_uri"}) == KEY
    assert await read(json.dumps(KEY, indent=2) + "\n") == KEY


@pytest.mark.parametrize(
    ("key", "said"),
    [
        pytest.param(PRIVATE, "is no JSON of a service account's key", id="a bare private key"),
        pytest.param([KEY], "is no JSON of a service account's key", id="a list"),
        pytest.param({}, "is no JSON of a service account's key", id="an empty object"),
        pytest.param(
            {**KEY, "type": "external_account", "credential_source": {"file": "/etc/passwd"}},
            "its type should be service_account",
            id="a file of ours",
        ),
        pytest.param({**KEY, "type": "authorized_user"}, "its type should be service_account", id="a user"),
        pytest.param({**KEY, "client_email": ""}, "has no client_email", id="nobody"),
        pytest.param({**KEY, "private_key": None}, "has no private_key", id="no key"),
    ],
)
async def test_what_is_no_key_of_a_service_account_is_told_and_not_shown(key: object, said: str) -> None:
    with pytest.raises(Unavailable) as raised:
        await read(key)
    assert raised.value.reason == CREDENTIALS_UNAVAILABLE
    assert raised.value.message.startswith(f"the secret {REFERENCE} ")
    assert said in raised.value.message
    assert PRIVATE not in raised.value.message + repr(raised.value.__cause__)


@pytest.mark.parametrize(
    "uri",
    [
        "https://internal.example/token",
        "http://oauth2.googleapis.com/token",
        "https://oauth2.googleapis.com.evil.example/token",
        "https://oauth2.googleapis.com@evil.example/token",
        "https://googleapis.com.evil.example",
        "http://127.0.0.1:1/token",
        "http://[",
        "file:///etc/passwd",
        "",
    ],
)
async def test_a_token_is_asked_for_at_google_alone(uri: str) -> None:
    with pytest.raises(Unavailable, match="has a token_uri that is not Google's"):
        await read({**KEY, "token_uri": uri})


async def test_a_token_may_be_asked_for_at_the_endpoint_s_host() -> None:
    uri = "http://127.0.0.1:9/token"
    assert (await read({**KEY, "token_uri": uri}, endpoint="http://127.0.0.1:1"))["token_uri"] == uri
    with pytest.raises(Unavailable):
        await read({**KEY, "token_uri": uri}, endpoint="https://127.0.0.1:1")


async def test_credentials_that_would_read_a_file_of_ours_send_nothing_anywhere(tmp_path: Path) -> None:
    calls: list[str] = []

    async def hear(request: web.Request) -> web.Response:
        calls.append(request.path)
        return web.json_response({"access_token": "x", "expires_in": 3600})

    (tmp_path / "ours").write_text("a-secret-of-the-operator")
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", hear)
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        theirs = {
            "type": "external_account",
            "audience": "x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{url}token",
            "credential_source": {"file": str(tmp_path / "ours")},
        }
        connection = Connection(
            name="bq~1",
            endpoint=url,
            settings={"project": "a-project", "credentials_json": REFERENCE},
            secrets=Given(theirs),
        )
        handler = BigQueryHandler()
        with pytest.raises(Unavailable, match="its type should be service_account"):
            await handler.find(connection, NAME, b"")
        await handler.close()
    assert calls == []


def test_a_task_s_key_takes_the_place_of_whatever_the_connection_has() -> None:
    own: list[dict[str, Any]] = [
        {},
        {"credentials": "none"},
        {"credentials_file": "/key.json", "impersonate": "boss@x", "quota_project": "payer-project"},
        {"credentials_json": "env:KEY"},
        {"access_token": "env:TOKEN"},
    ]
    for settings in own:
        given = {**settings, "location": "EU", **QueryTasks().credentials(["google_application_credentials"])}
        made = BigQuerySettings.model_validate({key: one for key, one in given.items() if one is not None})
        assert made == BigQuerySettings(location="EU", credentials_json=REFERENCE)
    with pytest.raises(
        TemplateError, match=r"custom\.secrets\.password: is not google_application_credentials"
    ):
        QueryTasks().credentials(["google_application_credentials", "password"])


def test_a_template_s_secrets_are_no_part_of_the_spec() -> None:
    custom: dict[str, Json] = {"ProjectID": "p", "secrets": {"google_application_credentials": "GCP_KEY"}}
    asked = QueryTasks().request(FlyteTask(task_type="x", statement="SELECT 1", custom=custom))
    assert "GCP_KEY" not in repr(asked)


async def test_a_forgotten_connection_is_closed_and_begins_anew() -> None:
    async with bigquery_rig() as rig:
        other = replace(rig.connection, name="bq~1")
        for connection in (rig.connection, other):
            await rig.handler.find(connection, NAME, rig.handler.hint(connection, rig.request().spec))
        desks = rig.handler._desks
        before, kept = desks.of(other), desks.of(rig.connection)
        await rig.handler.forget(other)
        await rig.handler.forget(other)
        assert desks.of(rig.connection) is kept
        assert desks.of(other) is not before
        assert before.client._session is not None
        assert before.client._session.closed
        await rig.handler.find(other, NAME, b"")
