"""Verifies a connection end to end: its settings, the server, and the task types that it lists."""

from __future__ import annotations

from propwash.sdk import Checked, Connection, Verdict
from propwash_upstream.errors import CallError, of_look
from propwash_upstream.upstreams import Upstreams

_REACH = "check the endpoint, tls and tls_ca, and that the server runs"
_LIST = "state protocol and task_types where the server is too old to list them"


async def checked(upstreams: Upstreams, connection: Connection) -> list[Checked]:
    """The steps up to the first that fails."""
    try:
        upstream = upstreams.of(connection)
    except Verdict as error:
        return [_failed("settings", error, "correct the connection's endpoint or settings")]
    steps = [Checked(what="settings", is_ok=True, message=f"endpoint {connection.endpoint}")]
    try:
        types = await upstream.types()
        spoken = await upstream.protocol()
    except CallError as error:
        return [*steps, _failed("server", of_look(error), _REACH)]
    except Verdict as error:
        return [*steps, _failed("server", error, _LIST)]
    steps.append(
        Checked(what="server", is_ok=True, message=f"speaks version {spoken.name.removeprefix('V')}")
    )
    told = ", ".join(one.name for one in types) or "none"
    hidden = ", ".join(upstream.settings.hidden_task_types) or "none"
    steps.append(Checked(what="task types", is_ok=True, message=f"{told}; hidden: {hidden}"))
    for name in upstream.settings.secrets:
        try:
            await connection.secrets.read(upstream.settings.secrets[name])
        except Verdict as error:
            return [*steps, _failed(f"secret {name}", error, "set what the reference names")]
    return steps


def _failed(what: str, error: Verdict, remedy: str) -> Checked:
    return Checked(what=what, is_ok=False, message=f"{error.reason}: {error.message}", remedy=remedy)
