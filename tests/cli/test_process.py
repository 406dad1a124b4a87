"""The command line as a real process: pipes, colours, signals, and how fast help comes."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from propwash.pb.v1 import pool_service_pb2 as pb
from tests.client.fake_server import FakeServer, World

COMMAND = [sys.executable, "-m", "propwash.cli.main"]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer(World())
    made.start()
    yield made
    made.stop()


def start(server: FakeServer, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PROPWASH_SERVER": server.target, "FORCE_COLOR": "1"}
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_help_lists_every_command_and_imports_none() -> None:
    code = "import sys; from propwash.cli.main import cli; cli(['--help'], standalone_mode=False);"
    code += "print([n for n in ('grpc', 'rich', 'aiohttp', 'pydantic', 'yaml') if n in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"
    for name in ("serve", "sandbox", "demo", "submit", "wait", "pools", "connections", "config"):
        assert f"\n  {name} " in shown.stdout


@pytest.mark.parametrize(
    "name",
    [
        "serve",
        "sandbox",
        "demo",
        "submit",
        "get",
        "list",
        "watch",
        "wait",
        "abort",
        "logs",
        "results",
        "handlers",
        "pools",
    ],
)
def test_every_command_teaches_by_example(server: FakeServer, name: str) -> None:
    shown, _ = start(server, name, "--help").communicate(timeout=30)
    assert f"propwash {name}" in shown.split("Examples:")[1]


def test_a_pipe_gets_no_colour(server: FakeServer) -> None:
    start(server, "submit", "-t", "query", "--query", "fail", "--id", "a").communicate(timeout=30)
    for arguments in (("list",), ("get", "a"), ("watch", "a"), ("wait", "a")):
        shown, errors = start(server, *arguments).communicate(timeout=30)
        assert "FAILED" in shown
        assert "\x1b" not in shown + errors


def test_ctrl_c_ends_a_watch_with_130(server: FakeServer) -> None:
    start(server, "submit", "-t", "query", "--query", "x", "--id", "a").communicate(timeout=30)
    watching = start(server, "watch")
    assert watching.stdout is not None
    assert "QUEUED" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert "Traceback" not in errors


def test_a_live_table_is_drawn_anew_until_ctrl_c(server: FakeServer) -> None:
    server.pools.put(pb.Pool(name="pools/p", capacity=3))
    reader, writer = pty.openpty()
    environment = {
        **os.environ,
        "PROPWASH_SERVER": server.target,
        "TERM": "xterm",
        "COLUMNS": "100",
        "LINES": "30",
    }
    words = [*COMMAND, "pools", "list", "--watch", "--every", "0.1"]
    watching = subprocess.Popen(words, env=environment, stdin=writer, stdout=writer, stderr=writer)
    os.close(writer)
    shown = b""
    while shown.count(b"CAPACITY") < 3:
        shown += os.read(reader, 4096)
    assert b"1 pool, " in shown
    watching.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # what the end of a terminal is
        while more := os.read(reader, 4096):
            shown += more
    os.close(reader)
    assert watching.wait(timeout=30) == 130
    assert b"Traceback" not in shown


def test_a_reader_that_leaves_is_no_traceback(server: FakeServer) -> None:
    listing = start(server, "list", "--watch", "--every", "0.1")
    assert listing.stdout is not None
    listing.stdout.close()
    for number in range(3):
        start(server, "submit", "-t", "query", "--query", "x", "--id", f"a{number}").communicate(timeout=30)
    assert listing.stderr is not None
    errors = listing.stderr.read()
    listing.stderr.close()
    assert listing.wait(timeout=30) == 1
    assert "Traceback" not in errors
