"""A witness as a process of its own: on a free port of this machine, waited for, and ended by its id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_START_S = 40.0
_STOP_S = 5.0
_LAST_BYTES = 2000


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at the moment, all different."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], *, port: int, log: Path, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, once its port answers. Raises RuntimeError with the end of its log where it never does."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(settings or {})},
        )
    try:
        _wait(process, port, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends_at = time.monotonic() + _START_S
    while time.monotonic() < ends_at:
        if process.poll() is not None:
            raise RuntimeError(f"the witness ended with {process.returncode}: {_end_of(log)}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        # A process of others tells nobody when it listens: its port is all that can be looked at.
        time.sleep(0.05)
    raise RuntimeError(f"the witness does not listen after {_START_S:g} s: {_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_bytes()[-_LAST_BYTES:].decode(errors="replace")
