"""Verifies a connection end to end: settings, a token, a statement that needs no warehouse, and the query history."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable

from propwash.sdk import CREDENTIALS_UNAVAILABLE, Checked, Connection, RemoteName, Unavailable, Verdict
from propwash_snowflake.desks import Desk, Desks
from propwash_snowflake.errors import RemoteError, verdict
from propwash_snowflake.tagging import internal_tag

_TOKEN = (
    "check auth and what it needs in the settings; Snowflake has to know the key, the token or the client"
)
_REACH = "check the account, the endpoint, the network policy and the proxy"
_HISTORY = "name a warehouse (history_warehouse) and a database (history_database) that the role may use"


async def checked(desks: Desks, connection: Connection) -> list[Checked]:
    """The steps up to the first that fails."""
    try:
        desk = desks.of(connection)
    except Verdict as error:
        return [_failed("settings", error, "correct the connection's settings")]
    steps = [Checked(what="settings", is_ok=True, message=f"endpoint {desk.client.base}")]
    for what, call, said, remedy in (
        ("token", desk.client.signed(), f"auth {desk.settings.auth}", _TOKEN),
        ("statement", _selected(desk), "SELECT 1 ran", _REACH),
        ("history", desk.history.of_names([RemoteName("pw-check")], back_s=60.0), "it can be read", _HISTORY),
    ):
        if steps[-1].is_ok:
            steps.append(await _tried(what, call, said=said, remedy=remedy))
        else:
            call.close()
    return steps


async def _selected(desk: Desk) -> None:
    settings = desk.settings
    body: dict[str, object] = {"statement": "SELECT 1", "parameters": {"QUERY_TAG": internal_tag("check")}}
    places = {"role": settings.role, "warehouse": settings.warehouse, "database": settings.database}
    body.update({name: value for name, value in places.items() if value is not None})
    try:
        found = await desk.client.submit(body, request_id=str(uuid.uuid4()), is_async=False)
    except RemoteError as error:
        raise verdict(error, is_submitting=True) from error
    if found.is_running:
        raise Unavailable("NO_ANSWER", "SELECT 1 still runs after 45 seconds")


async def _tried(what: str, call: Awaitable[object], *, said: str, remedy: str) -> Checked:
    try:
        await call
    except Verdict as error:
        return _failed(what, error, _TOKEN if error.reason == CREDENTIALS_UNAVAILABLE else remedy)
    return Checked(what=what, is_ok=True, message=said)


def _failed(what: str, error: Verdict, remedy: str) -> Checked:
    return Checked(what=what, is_ok=False, message=f"{error.reason}: {error.message}", remedy=remedy)
