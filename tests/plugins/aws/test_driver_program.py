"""The entry point of commands as EMR Serverless would run it: a process of its own, without anything of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from propwash_aws.serverless import driver_program
from propwash_aws.serverless.entry_points import PROGRAM


@pytest.fixture
def program(tmp_path: Path) -> Path:
    place = tmp_path / "entry-point.py"
    place.write_bytes(PROGRAM)
    return place


def begun(program: Path, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # As on a machine that has nothing of ours.
        [sys.executable, "-I", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=program.parent,
        env={"PATH": os.defpath, **variables},
    )


def ended(program: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """The exit status, and what went to both outputs."""
    process = begun(program, *arguments, **variables)
    out, error = process.communicate(timeout=10)
    return process.returncode, out.decode(), error.decode()


TELLS = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"


def test_the_command_runs_with_its_arguments_and_surroundings(program: Path) -> None:
    status, out, _ = ended(
        program, sys.executable, "-c", TELLS, "a b", '""', "--x=1", PYTHONPATH="/spark/python", SPARK="7"
    )
    arguments, variables = json.loads(out)
    assert status == 0
    assert arguments == ["a b", "", "--x=1"]
    assert variables["SPARK"] == "7"
    assert (variables["FLYTE_FAIL_ON_ERROR"], variables["FLYTE_SDK_RICH_TRACEBACKS"]) == ("true", "0")
    assert variables["PYTHONPATH"] == f"/spark/python{os.pathsep}{program.parent}"
    assert variables["PATH"].startswith(os.defpath + os.pathsep)


def test_commands_beside_python_are_found(tmp_path: Path) -> None:
    made = driver_program.environment({}, folder="/work", scripts="/opt/python/bin")
    assert made["PATH"].endswith(f"{os.pathsep}/opt/python/bin")
    assert made["PYTHONPATH"] == "/work"


def test_its_exit_status_is_the_run_s(program: Path) -> None:
    status, _, error = ended(
        program, sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"
    )
    assert (status, error) == (3, "why\n")


def test_a_task_that_failed_without_a_status_fails_the_run(program: Path) -> None:
    said = "import sys; print('!! Begin User Error Captured by Flyte !!', file=sys.stderr)"
    status, _, error = ended(program, sys.executable, "-c", said)
    assert status == 1
    assert "Captured by Flyte" in error


def test_a_command_that_is_not_there_is_named(program: Path) -> None:
    status, _, error = ended(program, "no-such-command", "x")
    assert status == 1
    assert error.startswith("no-such-command cannot be run in this image: ")
    assert ended(program)[0] == 1


def test_the_end_that_is_asked_for_is_passed_on(program: Path) -> None:
    waits = (
        "import signal, sys, time\n"
        "def end(*_): print('told', flush=True); sys.exit(9)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('ready', file=sys.stderr, flush=True)\n"
        "time.sleep(30)\n"
    )
    process = begun(program, sys.executable, "-c", waits)
    assert process.stderr is not None
    assert process.stderr.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert (process.returncode, out) == (9, b"told\n")


def test_of_a_command_that_a_signal_ended_the_status_tells_which(program: Path) -> None:
    status, _, _ = ended(program, sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert status == 128 + 9
