"""The composition root: the only place that names concrete classes, and the life of the server process."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import version

import uvloop

from propwash.api.options import ApiOptions, Tls
from propwash.api.options import CannotListen as CannotListenApi
from propwash.api.server import ApiServer
from propwash.config import Settings
from propwash.engine.clock import SystemClock
from propwash.engine.engine import Engine
from propwash.engine.supervision import TaskDied
from propwash.handlers import discovery, registry
from propwash.handlers.connections import Connections
from propwash.handlers.host import HandlerHost
from propwash.handlers.inspection import Inspector
from propwash.handlers.options import HostOptions
from propwash.ports import StoreError
from propwash.sdk import LocalSecrets
from propwash.store.sqlite import SqliteStore
from propwash.telemetry import Telemetry, announce, configure_logging
from propwash.web.bearer import Bearer
from propwash.web.hints import HintHook
from propwash.web.server import CannotListen as CannotListenWeb
from propwash.web.server import WebOptions, WebServer

_REMOTE_METHODS = ("create", "get", "find", "delete", "validate", "logs", "results")


class ExitCode(enum.IntEnum):
    """How the server process ends."""

    OK = 0
    """Drained and stopped as asked."""
    FAILED = 1
    """The engine could not go on; a restart takes up where it was."""
    STORE = 8
    """The data directory does not serve; nothing in it was changed."""
    PORT = 9
    """A port could not be listened on."""
    HASTY = 130
    """Stopped by a second signal before the drain was over."""


def run(settings: Settings) -> int:
    """Serve on a loop of its own until told to stop; returns the process's exit code."""
    # The store's writer thread must win the interpreter back quickly from a busy loop: commits gate everything.
    sys.setswitchinterval(0.0005)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(settings))


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the first drains, the second stops at once. Returns the exit code."""
    configure_logging(format=settings.log.format, level=settings.log.level.upper())
    async with contextlib.AsyncExitStack() as stack:
        try:
            return await Server(settings, stack).serve()
        except StoreError as error:
            return _fail(str(error), ExitCode.STORE)
        except (CannotListenApi, CannotListenWeb) as error:
            return _fail(str(error), ExitCode.PORT)


@contextlib.asynccontextmanager
async def inspecting(settings: Settings, *, deadline_s: float = 60.0) -> AsyncIterator[Inspector]:
    """Look at the connections as the server would: with its plugins, its configuration and its way to secrets.

    Nothing is served, and nothing stored. deadline_s is for one handler's check of one connection.
    """
    clock = SystemClock()
    # Troubles that the inspector finds too are not told twice, in a log.
    telemetry = Telemetry(now=clock.now, version=version("propwash"))
    configure_logging(format="text", level="CRITICAL")
    host = await _host(settings, telemetry=telemetry, clock=clock, check_deadline_s=deadline_s)
    try:
        yield host.inspector
    finally:
        await host.close()


async def _host(
    settings: Settings, *, telemetry: Telemetry, clock: SystemClock, check_deadline_s: float = 60.0
) -> HandlerHost:
    loaded = await registry.load(discovery.discover(), report=lambda line: telemetry.trouble("plugins", line))
    telemetry.expect(loaded.served)
    return HandlerHost(
        loaded,
        connections=Connections(settings.configured_connections(), secrets=LocalSecrets()),
        clock=clock,
        instrument=telemetry,
        options=HostOptions(
            deadlines_s={
                **dict.fromkeys(_REMOTE_METHODS, settings.calls.deadline_s),
                "check": check_deadline_s,
            },
            threads=settings.calls.threads,
        ),
    )


class Server:
    """One process: what it is made of, and in which order that starts and ends."""

    def __init__(self, settings: Settings, stack: contextlib.AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()

    async def serve(self) -> int:
        """Start in order of need: the store, the handlers, who speaks to the outside, the engine behind it."""
        settings = self._settings
        self._listen_to_signals()
        clock = SystemClock()
        telemetry = Telemetry(now=clock.now, version=version("propwash"))
        store = SqliteStore(settings.data_dir)
        await store.open()
        self._stack.push_async_callback(store.close)
        host = await _host(settings, telemetry=telemetry, clock=clock)
        telemetry.count_abandoned(lambda: sum(host.abandoned.values()))
        await host.start()
        self._stack.push_async_callback(host.close)
        engine = Engine(
            clock=clock,
            store=store,
            handlers=host,
            instrument=telemetry,
            options=settings.engine.options(),
        )
        self._stack.push_async_callback(engine.stop)
        bearer = _bearer(settings, clock=clock, telemetry=telemetry)
        hook = HintHook(engine.executions, bearer=bearer, now=clock.now)
        api = ApiServer(
            _api_options(settings),
            store=store,
            executions=engine.executions,
            handlers=host,
            instrument=telemetry,
            flyte=host.flyte,
            pools=engine.pools,
            connections=engine.connections,
            admits_hint=bearer.admits if bearer is not None else None,
        )
        # Before the engine has taken up its work, which takes a while where there is much of it.
        grpc_port = await api.start(is_ready=False)
        self._stack.push_async_callback(api.stop, 0.0)
        web = WebServer(
            _web_options(settings),
            expose=telemetry.exposition,
            checks={"store": _store_check(engine)},
            routes=hook.routes(),
        )
        http_port = await web.start()
        self._stack.push_async_callback(web.stop)
        with _settled_memory():
            await engine.start()
        await api.ready()
        announce("serving", grpc_port=grpc_port, http_port=http_port, owner=store.owner, term=store.term)
        return await self._until_told(engine, api, web)

    async def _until_told(self, engine: Engine, api: ApiServer, web: WebServer) -> int:
        told = asyncio.create_task(self._signals.get(), name="first signal")
        failed = asyncio.create_task(engine.failed(), name="engine failure")
        await asyncio.wait((told, failed), return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            told.cancel()
            code = _failure(failed)
            await api.stop(0.0)
            return code
        failed.cancel()
        announce("draining", drain_s=int(self._settings.drain_s))
        web.begin_drain()
        await api.begin_drain()
        drained = asyncio.create_task(self._drain(engine, api), name="drain")
        hurry = asyncio.create_task(self._signals.get(), name="second signal")
        await asyncio.wait((drained, hurry), return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if drained.done():
            await drained
            announce("drained")
            return ExitCode.OK
        drained.cancel()
        await asyncio.wait((drained,))
        return ExitCode.HASTY

    async def _drain(self, engine: Engine, api: ApiServer) -> None:
        drain_s = self._settings.drain_s
        await asyncio.gather(api.stop(drain_s), engine.drain(deadline_s=drain_s))

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signals.put_nowait, number)
            self._stack.callback(loop.remove_signal_handler, number)


def _fail(line: str, code: ExitCode) -> ExitCode:
    print(f"propwash: {line}", file=sys.stderr)
    return code


def _failure(failed: asyncio.Task[None]) -> ExitCode:
    error = failed.exception()
    cause = error.__cause__ if isinstance(error, TaskDied) and error.__cause__ is not None else error
    return _fail(f"{error}: {type(cause).__name__}: {cause}", ExitCode.FAILED)


def _api_options(settings: Settings) -> ApiOptions:
    listen = settings.listen
    tls = None
    if listen.tls_cert is not None and listen.tls_key is not None:
        tls = Tls(
            certificate_file=listen.tls_cert, key_file=listen.tls_key, client_ca_file=listen.tls_client_ca
        )
    return ApiOptions(
        listen=listen.grpc,
        tls=tls,
        flyte_lease_s=settings.flyte.lease_s,
        flyte_tells_retryable=settings.flyte.tells_retryable,
    )


def _web_options(settings: Settings) -> WebOptions:
    host, _, port = settings.listen.http.rpartition(":")
    return WebOptions(host=host.strip("[]"), port=int(port))


@contextlib.contextmanager
def _settled_memory() -> Iterator[None]:
    """What is made inside stays for long: the garbage collector does not look through it again and again, which would
    hold the loop for a fifth of a second at 20,000 executions.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _bearer(settings: Settings, *, clock: SystemClock, telemetry: Telemetry) -> Bearer | None:
    reference = settings.hints.token
    if reference is None:
        return None
    return Bearer(
        reference,
        secrets=LocalSecrets(),
        now=clock.now,
        trouble=lambda message: telemetry.trouble("hints", message),
    )


def _store_check(engine: Engine) -> Callable[[], asyncio.Future[str | None]]:
    def check() -> asyncio.Future[str | None]:
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        answer.set_result(None if engine.executions.is_accepting else "takes no commits")
        return answer

    return check
