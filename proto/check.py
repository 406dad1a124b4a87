"""Checks the protos with buf: lint, format, and breaking changes against proto/baseline.binpb.

Usage: python proto/check.py [--renew]. BUF names the buf program. Google's protos come from the installed
googleapis-common-protos, so that nothing is fetched. --renew writes the baseline anew, at a release.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BASELINE = ROOT / "baseline.binpb"
WORKSPACE = """\
version: v2
modules:
  - path: ours
  - path: google
    lint:
      ignore: [google]
    breaking:
      ignore: [google]
lint:
  use: [STANDARD, COMMENTS]
  except:
    - RPC_RESPONSE_STANDARD_NAME   # AIP-131, AIP-133: Get and Create answer the resource itself
    - RPC_REQUEST_RESPONSE_UNIQUE  # the same
breaking:
  use: [FILE]
"""


def workspace(folder: Path, protos: Path = ROOT) -> None:
    """Fill a folder with our protos, the Google protos that they import, and buf's settings."""
    for path in protos.rglob("*.proto"):
        target = folder / "ours" / path.relative_to(protos)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    google = find_spec("google.rpc.status_pb2")
    if google is None or google.origin is None:
        raise SystemExit("googleapis-common-protos is not installed")
    for name in ("api/field_behavior.proto", "api/resource.proto"):
        target = folder / "google" / "google" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(google.origin).parents[1] / name, target)
    (folder / "buf.yaml").write_text(WORKSPACE)


def check(folder: Path, buf: str) -> list[str]:
    """Every complaint of lint, format and breaking, in buf's words."""
    complaints = []
    for words in (
        ["lint"],
        ["format", "ours", "--diff", "--exit-code"],
        ["build", "-o", "present.binpb"],
        ["breaking", "present.binpb", "--against", str(BASELINE)],
    ):
        done = subprocess.run([buf, *words], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            complaints.append(f"buf {words[0]}:\n{done.stdout}{done.stderr}")
    return complaints


def main(arguments: list[str]) -> int:
    """Check, or renew the baseline; returns the exit code."""
    buf = str(Path(os.environ.get("BUF", "buf")).absolute()) if "BUF" in os.environ else "buf"
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        workspace(folder)
        if "--renew" in arguments:
            built = subprocess.run([buf, "build", "-o", str(BASELINE)], cwd=folder, check=False)
            return built.returncode
        complaints = check(folder, buf)
    print("\n".join(complaints) or "protos: lint, format and compatibility hold")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
