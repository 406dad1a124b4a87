"""Processes of our own: started apart from the terminal, killed and ended by their pid, their output kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

_EPHEMERAL_FROM = 32768
_BLOCK = 64 * 1024


class ProcessError(Exception):
    """A process ended by itself; the message has its last lines."""


class Process:
    """One propwash command as a process. Its output goes to the log file, line by line to on_line as well."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        log: Path,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._arguments = arguments
        self._on_line = on_line
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, once."""
        # Of a session of its own, so that Ctrl-C on the terminal reaches us alone and we end it in order.
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "propwash.cli.main",
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log if self._on_line is None else asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        if self._on_line is not None:
            self._reading = asyncio.create_task(self._read(self._on_line), name=f"log of {self.name}")

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    def check(self) -> None:
        """Raises ProcessError where it ended by itself."""
        if not self.is_alive:
            code = None if self._process is None else self._process.returncode
            raise ProcessError(f"{self.name} ended with {code}; its last lines:\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, maxlen=lines)).rstrip()

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await self._end_reading()

    async def stop(self, *, grace_s: float = 10.0) -> None:
        """SIGTERM, and SIGKILL where it takes longer than the grace; may be called twice."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(grace_s):
                    await process.wait()
            except TimeoutError:
                await self.kill()
        await self._end_reading()

    def signal_kill(self) -> None:
        """SIGKILL at this very moment; kill() afterwards waits for the end."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    def peak_rss_mib(self) -> float:
        """The most memory that it ever held, in MiB; 0 where the system does not tell."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return 0.0
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    async def _read(self, on_line: Callable[[str], None]) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        rest = b""
        while block := await self._process.stderr.read(_BLOCK):
            *lines, rest = (rest + block).split(b"\n")
            with self.log.open("ab") as log:
                for line in lines:
                    log.write(line + b"\n")
                    on_line(line.decode(errors="replace"))

    async def _end_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            await reading


def free_port(dice: random.Random) -> int:
    """A free port below those that outgoing connections take, so that it is still free after a restart.

    Raises OSError where none is found.
    """
    for _ in range(100):
        port = dice.randrange(15000, _EPHEMERAL_FROM)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port between 15000 and 32768")
