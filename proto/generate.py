"""Generates service/propwash/pb from proto/: messages, gRPC stubs and their types.

Usage: python proto/generate.py [OUT]. OUT is the folder to fill, service/propwash/pb by default.
The packages stay propwash.v1 and propwash.internal.v1 on the wire; the Python modules live under propwash.pb.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
IMPORT = re.compile(r"^(\s*(?:from|import) )propwash\.(?=v1|internal)", re.MULTILINE)
GENERATED = "# Generated from proto/ by `make proto`; do not edit."


def generate(out: Path) -> None:
    """Fill out with the generated package, replacing what is there."""
    google = find_spec("google.rpc.status_pb2")
    if google is None or google.origin is None:
        raise SystemExit("googleapis-common-protos is not installed")
    includes = [ROOT, Path(google.origin).parents[2], Path(grpc_tools.__file__).parent / "_proto"]
    protos = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.proto"))
    # protoc looks its plugins up on the path; they were installed beside this interpreter.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with tempfile.TemporaryDirectory() as made:
        plugins = [f"--{kind}_out={made}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
        if protoc.main(["protoc", *(f"-I{include}" for include in includes), *plugins, *protos]):
            raise SystemExit("protoc failed")
        for path in sorted(out.rglob("*_pb2*.py*")):
            path.unlink()
        for path in sorted(Path(made).rglob("*_pb2*.py*")):
            text = path.read_text()
            if path.name.endswith("_grpc.py") and "service" not in path.name:
                continue
            if path.name.endswith("_grpc.pyi") and "service" not in path.name:
                continue
            target = out / path.relative_to(Path(made) / "propwash")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(IMPORT.sub(r"\1propwash.pb.", text))
        for package in sorted({out, *(path.parent for path in out.rglob("*_pb2.py"))}):
            while package != out.parent:
                (package / "__init__.py").write_text(f"{GENERATED}\n")
                package = package.parent


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "service" / "propwash" / "pb")
