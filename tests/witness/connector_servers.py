"""Flyte's own connector servers, unmodified, as processes: flytekit's (version 1) and flyte-sdk's (version 2)."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.witness.connectors import ledger
from tests.witness.environments import CONNECTORS, ROOT
from tests.witness.processes import free_ports, running

_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "v1": ("pyflyte", "serve", "connector"),
    "v2": ("c0",),
}


@dataclass(slots=True, eq=False)
class ConnectorServer:
    """One server on a port of its own, with the ledger's connectors; the ledger outlives its ends."""

    version: str
    folder: Path
    port: int = 0
    _metrics_port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _running: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self.port, self._metrics_port = free_ports(2)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Run it until it is stopped or ends by itself; a start after that is on the same port."""
        program, *words = _COMMANDS[self.version]
        command: list[str | Path] = [CONNECTORS.interpreter.parent / program, *words]
        command += ["--port", str(self.port), "--prometheus_port", str(self._metrics_port)]
        command += ["--modules", f"ledger_{self.version}"]
        settings = {
            "LEDGER_FOLDER": str(self.folder),
            "PYTHONPATH": str(ROOT / "tests" / "witness" / "connectors"),
        }
        log = self.folder / f"log-{self.version}"
        self._process = self._running.enter_context(
            running(command, port=self.port, log=log, settings=settings)
        )

    def stop(self) -> None:
        """End it by its id, if it has not ended."""
        self._running.close()

    async def ended(self) -> None:
        """Wait until it has ended by itself."""
        assert self._process is not None
        await asyncio.to_thread(self._process.wait, 30)

    async def restarted(self) -> None:
        """End it, if it has not ended, and start it again."""
        await asyncio.to_thread(self.stop)
        await asyncio.to_thread(self.start)

    def noted(self, event: str, **what: Any) -> list[dict[str, Any]]:
        """The ledger's lines of an event that have these values."""
        lines = [one for one in ledger.noted(self.folder) if one["event"] == event]
        return [one for one in lines if all(one.get(name) == value for name, value in what.items())]
