"""The two processes of a demo: the sandbox, and a server that can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from propwash.cli.demo.ledger import SandboxAdmin
from propwash.cli.demo.processes import Process, free_port
from propwash.cli.demo.runs import APPLICATION, CLUSTERS, VIRTUAL_CLUSTER, cluster

PROJECT = "demo"
DOMAIN = "demo"
_START_S = 30.0
_POLL_S = 0.05
_RATE = {"rate": 500, "burst": 500}
_LIMITS = {"reads": _RATE, "writes": _RATE, "deletes": _RATE}
"""What the sandbox bears; the handlers' own limits are those of an account that others use, too."""
_SETTLE_S = 8.0
"""The sandbox applies a late create after two seconds, and its lists miss what is younger than five."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the processes listen, on 127.0.0.1."""

    grpc: int
    http: int
    sandbox: int


@dataclass(slots=True, kw_only=True)
class Stage:
    """The processes. lives counts the starts of the server."""

    folder: Path
    ports: Ports
    sandbox: Process
    admin: SandboxAdmin
    on_line: Callable[[str], None] | None = None
    servers: list[Process] = field(default_factory=list)
    is_changing: bool = False
    """Whether the server is between two lives."""

    @property
    def target(self) -> str:
        """The server's gRPC address."""
        return f"127.0.0.1:{self.ports.grpc}"

    @property
    def metrics_url(self) -> str:
        """The server's metrics."""
        return f"http://127.0.0.1:{self.ports.http}/metrics"

    @property
    def server(self) -> Process:
        """The server of now."""
        return self.servers[-1]

    async def start_server(self) -> None:
        """Start the server, for the first time or again; it is ready a little later."""
        self.is_changing = True
        self.servers.append(
            Process(
                "server",
                ("serve", "--config", str(self.folder / "propwash.yaml")),
                log=self.folder / "server.log",
                on_line=self.on_line,
            )
        )
        await self.server.start()
        self.is_changing = False

    async def crash_server(self) -> None:
        """SIGKILL the server and start it again at once."""
        self.is_changing = True
        await self.server.kill()
        await self.start_server()

    def check(self) -> None:
        """Raises ProcessError where a process ended by itself."""
        self.sandbox.check()
        if not self.is_changing:
            self.server.check()


@contextlib.asynccontextmanager
async def stage(
    ports: Ports,
    *,
    log_level: str = "info",
    on_line: Callable[[str], None] | None = None,
    is_kept: Callable[[], bool] = lambda: False,
) -> AsyncIterator[Stage]:
    """A sandbox that serves and the server's configuration, in a temporary folder that is_kept may save.

    The server is not started. Both processes are ended at the end of the block, however it ends. Raises
    ProcessError and TimeoutError where the sandbox does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="propwash-demo-"))
    url = f"http://127.0.0.1:{ports.sandbox}"
    sandbox = Process("sandbox", ("sandbox", "--port", str(ports.sandbox)), log=folder / "sandbox.log")
    try:
        async with SandboxAdmin(url) as admin:
            made = Stage(folder=folder, ports=ports, sandbox=sandbox, admin=admin, on_line=on_line)
            configuration = _configuration(folder, ports, url, log_level)
            (folder / "propwash.yaml").write_text(yaml.safe_dump(configuration))
            try:
                await sandbox.start()
                async with asyncio.timeout(_START_S):
                    while not await admin.is_serving():
                        sandbox.check()
                        await asyncio.sleep(_POLL_S)
                yield made
            finally:
                for process in (*made.servers, sandbox):
                    await process.stop()
    finally:
        if not is_kept():
            shutil.rmtree(folder, ignore_errors=True)


def pick_ports(grpc: int = 0) -> Ports:
    """Three different free ports; the first is the one given, where it is not 0. Raises OSError."""
    # Not of the demo's seed: two demos of one seed may run at once.
    dice = random.Random()
    taken: list[int] = [grpc] if grpc else []
    while len(taken) < 3:
        port = free_port(dice)
        if port not in taken:
            taken.append(port)
    return Ports(grpc=taken[0], http=taken[1], sandbox=taken[2])


def _configuration(folder: Path, ports: Ports, sandbox_url: str, log_level: str) -> dict[str, object]:
    return {
        "data_dir": str(folder / "data"),
        "listen": {"grpc": f"127.0.0.1:{ports.grpc}", "http": f"127.0.0.1:{ports.http}"},
        "log": {"format": "text", "level": log_level},
        "connections": {
            "bigquery": {
                "plugin": "bigquery",
                "endpoint": sandbox_url,
                "settings": {"project": PROJECT, "location": "US", "credentials": "none"},
            },
            "snowflake": {
                "plugin": "snowflake",
                "limits": _LIMITS,
                "settle_s": _SETTLE_S,
                "endpoint": sandbox_url,
                "settings": {
                    "account": "sandbox",
                    "auth": "none",
                    "database": "DEMO",
                    "schema": "PUBLIC",
                    "warehouse": "DEMO_WH",
                    "history_warehouse": "DEMO_WH",
                },
            },
            "aws": {
                "plugin": "aws",
                "limits": _LIMITS,
                "settle_s": _SETTLE_S,
                "endpoint": sandbox_url,
                "settings": {
                    "region": "us-east-1",
                    "credentials": "none",
                    "serverless_applications": [APPLICATION],
                    "virtual_clusters": [VIRTUAL_CLUSTER],
                    "clusters": [cluster(number) for number in range(1, CLUSTERS + 1)],
                },
            },
        },
    }
