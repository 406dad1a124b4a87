"""Makes the witnesses' own virtual environments, and tells the tests which are there.

    python -m tests.witness.environments [NAME...]

A witness is a public stand-in of a remote system that others wrote, or a library by which others speak to it or to us.
Each has an environment of its own under .witness/, because their pins conflict with ours and with each other's, from a
locked set in requirements/. Where one cannot be
had, because an interpreter or the network is missing, the reason is written down and the tests skip with it; the
command itself ends well, so that the rest of the tests run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_HOME = ROOT / ".witness"
_UV_S = 240.0
_PIP_S = 420.0
_RETRIES = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One witness's environment. python is the version that it needs, "" for the one that runs this; with is_newest it
    is the newest that it takes, and the one that runs this serves where it is no newer.
    """

    name: str
    python: str = ""
    is_newest: bool = False

    @property
    def lock(self) -> Path:
        """The locked set."""
        return ROOT / "requirements" / f"witness-{self.name}.txt"

    @property
    def folder(self) -> Path:
        """The virtual environment."""
        return _HOME / self.name

    @property
    def interpreter(self) -> Path:
        """The environment's Python."""
        return self.folder / "bin" / "python"

    @property
    def missing(self) -> str:
        """Why the witness cannot be started, or empty."""
        if self._stamp.exists():
            return ""
        if self._excuse.exists():
            return self._excuse.read_text().strip()
        return f"the witness {self.name} is not set up: make witness"

    @property
    def _stamp(self) -> Path:
        return self.folder / ".ready"

    @property
    def _excuse(self) -> Path:
        return _HOME / f"{self.name}.missing"

    def set_up(self) -> str:
        """Make it anew where its lock is newer; returns why it cannot be had, or empty."""
        if self._stamp.exists() and self._stamp.stat().st_mtime >= self.lock.stat().st_mtime:
            return ""
        _HOME.mkdir(exist_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        excuse = self._made()
        if excuse:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._excuse.write_text(excuse + "\n")
            return excuse
        self._excuse.unlink(missing_ok=True)
        self._stamp.touch()
        return ""

    def _base(self) -> Path | None:
        newest = tuple(int(part) for part in self.python.split(".") if part)
        if not newest or (self.is_newest and sys.version_info[:2] <= newest):
            return Path(sys.executable)
        return _interpreter(self.python)

    def _made(self) -> str:
        base = self._base()
        if base is None:
            return f"the witness {self.name} needs Python {self.python}, which is not on this machine"
        if fault := _ran([base, "-m", "venv", "--without-pip", self.folder], within_s=60.0):
            return f"the witness {self.name} has no environment: {fault}"
        uv = _beside("uv")
        command: list[str | Path]
        if uv is not None:
            command = [uv, "pip", "sync", "-q", "--python", self.interpreter, "--require-hashes", self.lock]
            if not _ran(
                command, within_s=_UV_S, settings={"UV_DEFAULT_INDEX": _index(), "UV_HTTP_TIMEOUT": "30"}
            ):
                return ""
        # pip of this environment installs into that one: the same locked bytes, with pip's own settings.
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self.interpreter]
        command += ["install", "-q", "--retries", _RETRIES, "--require-hashes", "-r", self.lock]
        if fault := _ran(command, within_s=_PIP_S):
            return f"the witness {self.name} cannot be installed here: {fault}"
        return ""


MOTO = Environment(name="moto")
BIGQUERY = Environment(name="bigquery", python="3.13")
DISCOVERY = Environment(name="discovery")
"""No stand-in: the library that ships the discovery documents of Google's APIs."""
FLYTEKIT = Environment(name="flytekit", python="3.12", is_newest=True)
FLYTE = Environment(name="flyte")
"""No stand-ins either: the SDKs of Flyte 1 and Flyte 2, whose own task classes write the templates that we are sent."""
CONNECTORS = Environment(name="connectors")
"""Flyte's own connector servers, of both versions, for the handler that drives them."""
ALL = (MOTO, BIGQUERY, DISCOVERY, FLYTEKIT, FLYTE, CONNECTORS)


def _interpreter(version: str) -> Path | None:
    """An interpreter that really runs as this version: on the path, of pyenv, or known to uv."""
    found = [Path(one) for one in (shutil.which(f"python{version}"), shutil.which("python3")) if one]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found += sorted(pyenv.glob(f"versions/{version}*/bin/python"), reverse=True)
    for one in found:
        if _says(one, version):
            return one
    uv = _beside("uv")
    if uv is None:
        return None
    told = subprocess.run(
        [uv, "python", "find", "--no-project", version], capture_output=True, text=True, check=False
    )
    known = Path(told.stdout.strip())
    return known if told.returncode == 0 and _says(known, version) else None


def _says(interpreter: Path, version: str) -> bool:
    script = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        told = subprocess.run(
            [interpreter, "-c", script], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.returncode == 0 and told.stdout.strip() == version


def _beside(tool: str) -> Path | None:
    path = Path(sys.executable).parent / tool
    return path if path.exists() else None


def _index() -> str:
    """The index that pip is set up for, since uv does not read pip's own settings; empty for uv's default."""
    for name in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        if os.environ.get(name):
            return os.environ[name]
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return told.stdout.strip() if told.returncode == 0 else ""


def _ran(command: list[str | Path], *, within_s: float, settings: dict[str, str] | None = None) -> str:
    """Empty where it went well, else the last line that it said."""
    surroundings = {**os.environ, **{name: value for name, value in (settings or {}).items() if value}}
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=within_s, env=surroundings
        )
    except subprocess.TimeoutExpired:
        return f"{Path(command[0]).name} took longer than {within_s:g} s"
    except OSError as error:
        return error.strerror or type(error).__name__
    if told.returncode == 0:
        return ""
    lines = [line for line in (told.stderr or told.stdout).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit status {told.returncode}"


def main(names: list[str]) -> int:
    """Set up the named witnesses, or all."""
    for one in ALL:
        if names and one.name not in names:
            continue
        began_at = time.monotonic()
        excuse = one.set_up()
        took_s = time.monotonic() - began_at
        if excuse:
            print(f"{excuse}; its tests are skipped")
        elif took_s > 0.1:
            print(f"the witness {one.name} is set up, in {took_s:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
