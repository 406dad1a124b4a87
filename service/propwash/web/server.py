"""The HTTP side: metrics and probes."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web

Expose = Callable[[str], tuple[str, bytes]]
"""Takes the Accept header; answers the content type and the exposition."""
Check = Callable[[], Awaitable[str | None]]
"""Answers None where all is well, or what is wrong, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """Where to listen, and how long one readiness check may take, in seconds."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free one."""
    check_timeout_s: float = 2.0
    max_request_bytes: int = 1024 * 1024


class CannotListen(Exception):
    """The server cannot start; the message is one clear line for the operator."""


class WebServer:
    """Serves /metrics, /livez and /readyz, and what routes adds."""

    def __init__(
        self,
        options: WebOptions,
        *,
        expose: Expose,
        checks: Mapping[str, Check],
        routes: Iterable[web.RouteDef] = (),
    ) -> None:
        """checks are asked by /readyz, under their names; every one must pass."""
        self._options = options
        self._expose = expose
        self._checks = dict(checks)
        self._is_draining = False
        self._runner: web.AppRunner | None = None
        self._app = web.Application(client_max_size=options.max_request_bytes)
        self._app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                *routes,
            ]
        )

    async def start(self) -> int:
        """Serve; returns the bound port. Raises CannotListen with one clear line."""
        runner = web.AppRunner(self._app, access_log=None, handle_signals=False)
        await runner.setup()
        host, port = self._options.host, self._options.port
        site = web.TCPSite(runner, host, port, reuse_port=False)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            why = "the port is taken" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
            raise CannotListen(f"cannot listen on {host}:{port}: {why}") from error
        self._runner = runner
        return int(runner.addresses[0][1])

    def begin_drain(self) -> None:
        """Report not ready from now on; metrics and liveness go on."""
        self._is_draining = True

    async def stop(self) -> None:
        """Close; may be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        content_type, body = self._expose(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _livez(self, _: web.Request) -> web.Response:
        """That this is answered shows that the loop lives; nothing else is asked."""
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        faults = await asyncio.gather(*map(self._ask, self._checks.values()))
        findings = dict(zip(self._checks, faults, strict=True))
        findings["draining"] = "the server is stopping" if self._is_draining else None
        is_ready = not any(findings.values())
        lines = [f"[-] {name}: {fault}" if fault else f"[+] {name}" for name, fault in findings.items()]
        lines.append("ready" if is_ready else "not ready")
        return web.Response(status=200 if is_ready else 503, text="\n".join(lines) + "\n")

    async def _ask(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(self._options.check_timeout_s):
                return await check()
        except TimeoutError:
            return "no answer in time"
        except Exception as error:  # noqa: BLE001  # a check may raise anything
            return f"failed: {type(error).__name__}"
