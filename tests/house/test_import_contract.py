"""A breach planted in a copy of the tree is caught, and the contract that catches it names itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BREACHES = [
    ("service/propwash/core/machine.py", "import asyncio", "The core is pure"),
    ("service/propwash/core/machine.py", "import pydantic", "The core is pure"),
    ("service/propwash/sdk/verdicts.py", "import propwash.engine.engine", "The house"),
    ("service/propwash/engine/lanes.py", "import propwash.store.sqlite", "The house"),
    ("service/propwash/common.py", "", "The house"),
    ("service/propwash/engine/lanes.py", "import grpc", "gRPC belongs to api and client"),
    ("service/propwash/engine/lanes.py", "import prometheus_client", "Metrics belong to telemetry"),
    ("service/propwash/api/names.py", "import sqlite3", "The database belongs to the store"),
    ("service/propwash/engine/lanes.py", "import propwash.pb.v1", "Generated code belongs to"),
    (
        "service/propwash/sandbox/ledger.py",
        "import propwash.core.model",
        "The sandbox and the generated code",
    ),
    ("service/propwash/client/values.py", "import propwash.sandbox.ledger", "The client stands on"),
    ("plugins/propwash_bigquery/spec.py", "import propwash.engine.lanes", "Plugins see the SDK"),
    ("service/propwash/app.py", "import propwash_bigquery", "The service imports no plugin"),
]


def _lint(tree: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; sys.path[:0] = ['service', 'plugins']; "
        "from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("tree")
    for name in ("service", "plugins"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@pytest.mark.xdist_group("import-contract")
def test_the_tree_keeps_every_contract(tree: Path) -> None:
    done = _lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.xdist_group("import-contract")
@pytest.mark.parametrize(("path", "line", "contract"), BREACHES)
def test_a_planted_breach_is_caught(tree: Path, path: str, line: str, contract: str) -> None:
    target = tree / path
    before = target.read_text() if target.exists() else None
    target.write_text(f"{before or ''}\n{line}\n")
    try:
        done = _lint(tree)
    finally:
        if before is None:
            target.unlink()
        else:
            target.write_text(before)
    assert done.returncode != 0
    broken = [said for said in done.stdout.splitlines() if said.endswith("BROKEN") or "not a child" in said]
    assert any(contract in said for said in done.stdout.splitlines()), broken
