"""The HTTP application of a sandbox: mounts the stand-ins' routes and the admin endpoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import hdrs, web

from propwash.sandbox.admin import Admin
from propwash.sandbox.exchange import Exchange
from propwash.sandbox.limits import Limits
from propwash.sandbox.stand_in import Call, Route, StandIn, World

_MOST_BODY_BYTES = 16 * 1024 * 1024


def application(
    world: World, stand_ins: Mapping[str, StandIn], *, limits: Limits | None = None
) -> web.Application:
    """Build the application. Its cleanup closes the stand-ins; the world stays the caller's."""
    app = web.Application(client_max_size=_MOST_BODY_BYTES)
    exchanges = {name: Exchange(world, stand_in, limits or Limits()) for name, stand_in in stand_ins.items()}
    Admin(world, stand_ins, exchanges).add_to(app.router)
    for name, stand_in in stand_ins.items():
        for route in stand_in.routes():
            app.router.add_route(route.verb, route.path, _handler(exchanges[name], route))

    async def close(_app: web.Application) -> None:
        for exchange in exchanges.values():
            await exchange.close()
        for stand_in in stand_ins.values():
            await stand_in.close()

    # On shutdown and not on cleanup: long polls must be let go before the server waits for open requests.
    app.on_shutdown.append(close)
    return app


def _handler(exchange: Exchange, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        call = Call(
            path=request.match_info,
            query=request.query,
            headers=request.headers,
            body=await request.read() if request.can_read_body else b"",
        )
        answer = await exchange.answer(route, call)
        if answer is None:
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=500)
        headers = {hdrs.CONTENT_TYPE: answer.content_type, **answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    return handle
