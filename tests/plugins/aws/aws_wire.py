"""A server that answers each AWS request as the test says, over a real port: for what no stand-in would do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from propwash.sdk import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: its path, its operation where the protocol names one, who signed it, and its body."""

    method: str
    path: str
    target: str
    access_key: str
    token: str
    body: bytes
    query: Mapping[str, list[str]] = field(default_factory=dict)
    drop: Callable[[], None] = lambda: None
    """Closes the connection before any answer."""

    @property
    def json(self) -> dict[str, object]:
        parsed: dict[str, object] = json.loads(self.body or b"{}")
        return parsed


Respond = Callable[[Asked], web.StreamResponse | Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Wire:
    """The server's address, what it was asked, and how it answers."""

    url: str
    respond: Respond
    asked: list[Asked] = field(default_factory=list)

    def connection(self, **settings: object) -> Connection:
        given = {"region": "eu-west-1", "credentials": "none", **settings}
        return Connection(name="aws", endpoint=self.url, settings=given)  # type: ignore[arg-type]


def answer(body: Mapping[str, object], *, status: int = 200, **headers: str) -> web.Response:
    return web.json_response(
        body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def failure(code: str, message: str = "no", *, status: int = 400, **headers: str) -> web.Response:
    return answer({"__type": code, "message": message, "Message": message}, status=status, **headers)


def session_answer(key: str, token: str = "a-session") -> web.Response:
    """STS' answer to AssumeRole."""
    return web.Response(
        content_type="text/xml",
        text=(
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
            f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>a-secret</SecretAccessKey>"
            f"<SessionToken>{token}</SessionToken><Expiration>2040-01-01T00:00:00Z</Expiration>"
            "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )


def caller_answer() -> web.Response:
    """STS' answer to GetCallerIdentity."""
    return web.Response(
        content_type="text/xml",
        text=(
            '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
            "<Arn>arn:aws:iam::123456789012:user/us</Arn><UserId>AIDA</UserId><Account>123456789012</Account>"
            "</GetCallerIdentityResult></GetCallerIdentityResponse>"
        ),
    )


def session_failure(code: str, message: str = "no") -> web.Response:
    """STS' error answer."""
    return web.Response(
        status=403,
        content_type="text/xml",
        text=(
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
            f"<Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        ),
    )


@asynccontextmanager
async def aws_wire(respond: Respond) -> AsyncIterator[Wire]:
    """A server; respond may be replaced at any time."""
    wire = Wire("", respond)

    async def handle(request: web.Request) -> web.StreamResponse:
        signed = request.headers.get("Authorization", "")
        asked = Asked(
            method=request.method,
            path=request.path,
            target=request.headers.get("X-Amz-Target", ""),
            access_key=signed.partition("Credential=")[2].partition("/")[0],
            token=request.headers.get("X-Amz-Security-Token", ""),
            body=await request.read(),
            query={key: request.query.getall(key) for key in request.query},
            drop=lambda: request.transport.close() if request.transport else None,
        )
        wire.asked.append(asked)
        answered = wire.respond(asked)
        return answered if isinstance(answered, web.StreamResponse) else await answered

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    wire.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield wire
    finally:
        await runner.cleanup()
