"""Starting and stopping a sandbox on a port of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from propwash.sandbox.application import application
from propwash.sandbox.clock import Clock, Schedule, SystemClock
from propwash.sandbox.faults import FaultPlan, FaultRule, percent_rules, read_plan
from propwash.sandbox.ledger import Ledger
from propwash.sandbox.limits import Limits
from propwash.sandbox.speed import Speed, SpeedControl
from propwash.sandbox.stand_in import StandIn, World, installed

_BACKLOG = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """How to run a sandbox.

    Port 0 takes a free one. stand_ins None means all that are installed. The fault rules are those given, those of the
    file (JSON or YAML) and fault_percent of every kind but stuck; the seed rules faults and speed, and a seed in the
    file wins. worker_threads bounds the SQL that runs at once.
    """

    host: str = "127.0.0.1"
    port: int = 0
    stand_ins: Sequence[str] | None = None
    fault_rules: Sequence[FaultRule] = ()
    fault_file: Path | None = None
    fault_percent: float = 0.0
    seed: int = 0
    speed: Speed = field(default_factory=Speed)
    limits: Limits = field(default_factory=Limits)
    worker_threads: int = 2
    clock: Clock = field(default_factory=SystemClock)


@dataclass(slots=True, kw_only=True)
class Sandbox:
    """A sandbox that serves. close() lets long polls go, stops listening and ends every thread it began."""

    host: str
    port: int
    world: World
    stand_ins: Mapping[str, StandIn]
    runner: web.AppRunner

    @property
    def url(self) -> str:
        """Where clients are pointed at, for example as BigQuery's api_endpoint."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def close(self) -> None:
        """Stop; calling it twice does no harm."""
        self.world.schedule.close()
        await self.runner.cleanup()


async def serve(
    host: str, port: int, *, stand_ins: Mapping[str, StandIn], world: World, limits: Limits | None = None
) -> Sandbox:
    """Serve these stand-ins of this world and answer with what listens. Raises OSError where the port is taken."""
    runner = web.AppRunner(
        application(world, stand_ins, limits=limits),
        access_log=None,
        shutdown_timeout=2.0,
        keepalive_timeout=75.0,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=_BACKLOG)
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    world.schedule.start()
    bound = runner.addresses[0]
    return Sandbox(host=host, port=bound[1], world=world, stand_ins=stand_ins, runner=runner)


@contextlib.asynccontextmanager
async def running_sandbox(options: SandboxOptions) -> AsyncIterator[Sandbox]:
    """A sandbox for as long as the block lasts. Raises StandInError, FaultPlanError, OSError before it begins."""
    rules, seed = list(options.fault_rules), options.seed
    if options.fault_file is not None:
        # Read once at start, before anything is served.
        more, from_file = await asyncio.to_thread(read_plan, options.fault_file)
        rules += more
        seed = from_file or seed
    if options.fault_percent:
        rules += percent_rules(options.fault_percent)
    makers = installed(options.stand_ins)
    workers = ThreadPoolExecutor(options.worker_threads, thread_name_prefix="sandbox-worker")
    try:
        world = World(
            clock=options.clock,
            schedule=Schedule(options.clock),
            ledger=Ledger(),
            faults=FaultPlan(rules, seed=seed),
            speed=SpeedControl(options.speed, seed=seed),
            workers=workers,
        )
        stand_ins = {name: make(world) for name, make in makers.items()}
        sandbox = await serve(
            options.host, options.port, stand_ins=stand_ins, world=world, limits=options.limits
        )
        try:
            yield sandbox
        finally:
            await sandbox.close()
    finally:
        workers.shutdown(cancel_futures=True)


async def run_sandbox(options: SandboxOptions, *, on_ready: Callable[[Sandbox], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. on_ready is called once the port is bound, to print the address or the like."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        async with running_sandbox(options) as sandbox:
            if on_ready is not None:
                on_ready(sandbox)
            await stop.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
