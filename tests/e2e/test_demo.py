"""The demo in small, as a process: real sandbox, real server, a kill, faults, and the summary's figures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "propwash.cli.main", "demo", "-o", "json"]


@pytest.mark.timeout(150)
def test_a_small_demo_is_good(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--jobs", "60", "--aborts", "10", "--crashes", "1", "--faults", "5", "--seed", "3"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=140,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["submitted"] == 60
    assert figures["crashes"] == 1
    assert sum(figures[name] for name in ("succeeded", "failed", "aborted", "timed_out")) == 60
    assert figures["aborts_acknowledged"] + figures["aborts_too_late"] == 10
    assert figures["still_live"] == figures["created_twice"] == figures["overlapping"] == 0
    assert figures["ok"] is True
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(60)
def test_ctrl_c_ends_every_process_and_leaves_no_file(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [*COMMAND, "--jobs", "2000"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stderr is not None
    assert "are up" in demo.stderr.readline()
    configuration = str(next(tmp_path.iterdir()))
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=40)
    assert demo.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert _processes_with(configuration) == []


@pytest.mark.timeout(60)
def test_a_demo_that_is_not_over_in_time_says_so(tmp_path: Path) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "--jobs", "100", "--deadline", "0.5"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 1
    assert "not over after 0.5 s" in done.stderr
    assert time.monotonic() - started < 45


def _processes_with(text: str) -> list[str]:
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text().replace("\0", " ")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found
