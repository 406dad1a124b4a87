"""The entry point of commands: runs in the driver of a Spark job run, and not here.

Its arguments are a command and that command's arguments. The command is a process of its own, which inherits the way
to the driver's Spark, so that SparkSession.builder.getOrCreate() finds it. Its exit status is the run's. flytekit ends
with status 0 when a task's function raises, as Kubernetes' backend reads the file of its error. Nobody reads that file
of a Spark run, so that such an end has to be an error here: FLYTE_FAIL_ON_ERROR asks flytekit for it, and one that
does not know the variable is known by what it writes.

It needs the standard library alone, of any Python that a release of EMR has. Source: flytekit, bin/entrypoint.py;
Python's subprocess and sysconfig.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence

BLANK = '""'
"""Stands for an empty argument, which EMR Serverless does not take."""
_ERROR = b"Error Captured by Flyte"
_FAILED = 1


def environment(given: Mapping[str, str], *, folder: str, scripts: str) -> dict[str, str]:
    """The command's environment: commands are looked for beside Python, too, and modules in the working folder."""
    made = dict(given)
    made["FLYTE_FAIL_ON_ERROR"] = "true"
    # Otherwise its lines are broken to a terminal's width, and go to standard output.
    made.setdefault("FLYTE_SDK_RICH_TRACEBACKS", "0")
    made["PATH"] = os.pathsep.join(one for one in (given.get("PATH", os.defpath), scripts) if one)
    made["PYTHONPATH"] = os.pathsep.join(one for one in (given.get("PYTHONPATH", ""), folder) if one)
    return made


def run(command: Sequence[str], surroundings: Mapping[str, str]) -> int:
    """The exit status of the command; what it writes goes on as it is written."""
    try:
        process = subprocess.Popen(command, env=surroundings, stderr=subprocess.PIPE)
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be run in this image: {error.strerror}\n")
        return _FAILED
    signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
    has_failed = False
    for line in process.stderr or ():
        has_failed = has_failed or _ERROR in line
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
    status = process.wait()
    if status == 0 and has_failed:
        sys.stderr.write("the task failed, as told above\n")
        return _FAILED
    # Of one that a signal ended, as a shell tells it.
    return status if status >= 0 else 128 - status


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments are; the exit status."""
    command = ["" if one == BLANK else one for one in arguments]
    if not command:
        sys.stderr.write("the entry point was given no command\n")
        return _FAILED
    scripts = sysconfig.get_path("scripts") or ""
    return run(command, environment(os.environ, folder=os.getcwd(), scripts=scripts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
