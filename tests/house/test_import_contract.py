"""Breaches planted in a copy of the tree are caught, each by the contract that is there for it."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULE = re.compile(r"-{5,}")
BROKEN = re.compile(r"^(.+) BROKEN(?: \(\d+ ignored imports?\))?$", re.MULTILINE)

# One run carries several breaches, each of another contract: a run costs more than a contract.
ROUNDS: list[dict[str, tuple[str, str]]] = [
    {
        "The house": ("sdk/verdicts.py", "import propwash.engine.engine"),
        "The core is pure": ("core/machine.py", "import asyncio"),
        "Generated code belongs to": ("cli/printing.py", "import propwash.pb.v1"),
        "The client belongs to": ("app.py", "import propwash.client"),
        "The sandbox frame belongs to": ("engine/lanes.py", "import propwash.sandbox"),
        "gRPC belongs to": ("engine/lanes.py", "import grpc"),
        "Protocol buffers belong to": ("engine/lanes.py", "import google.protobuf"),
        "Flyte's stubs belong to": ("api/translate.py", "import flyteidl"),
        "Metrics belong to": ("engine/lanes.py", "import prometheus_client"),
        "The database belongs to": ("api/names.py", "import sqlite3"),
        "HTTP belongs to": ("engine/lanes.py", "import aiohttp"),
        "Expressions belong to": ("engine/lanes.py", "import cel"),
        "Plugins see the SDK": ("../../plugins/propwash_bigquery/spec.py", "import propwash.engine.lanes"),
        "The service imports no plugin": ("app.py", "import propwash_bigquery"),
        "Plugins are blind to each other": (
            "../../plugins/propwash_snowflake/__init__.py",
            "import propwash_aws",
        ),
    },
    {
        "The house": ("engine/lanes.py", "import propwash.store.sqlite"),
        "The core is pure": ("core/machine.py", "import pydantic"),
        "Generated code belongs to": ("engine/lanes.py", "import propwash.pb.v1"),
        "The client belongs to": ("core/machine.py", "import propwash.client"),
        "The sandbox frame belongs to": (
            "../../plugins/propwash_bigquery/spec.py",
            "import propwash.sandbox",
        ),
        "gRPC belongs to": ("cli/printing.py", "import grpc_status"),
        "Flyte's stubs belong to": ("handlers/flyte.py", "import flyteidl2"),
        "Metrics belong to": ("web/server.py", "import prometheus_client"),
        "Plugins see the SDK": ("../../plugins/propwash_bigquery/rows.py", "import propwash.core.model"),
    },
    {
        "The house": ("sandbox/ledger.py", "import propwash.core.model"),
        "The core is pure": ("core/pool.py", "def late() -> None:\n    import time"),
        "The client belongs to": ("sdk/verdicts.py", "import propwash.client"),
        "Plugins see the SDK": (
            "../../plugins/propwash_bigquery/sandbox/rows.py",
            "import propwash.store.sqlite",
        ),
    },
]
# A function of its arguments needs no more than these.
PURE = {
    *("__future__", "abc", "bisect", "collections", "dataclasses", "enum", "functools", "hashlib", "heapq"),
    *("itertools", "math", "operator", "re", "string", "struct", "types", "typing"),
}


def _settings() -> dict[str, list[dict[str, object]]]:
    settings: dict[str, list[dict[str, object]]] = tomllib.loads((ROOT / "pyproject.toml").read_text())[
        "tool"
    ]["importlinter"]
    return settings


def _lint(tree: Path) -> str:
    code = (
        "import sys; sys.path[:0] = ['service', 'plugins']; "
        "from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def _sections(said: str) -> dict[str, str]:
    """What is said of each broken contract, by the contract's name."""
    lines = said.splitlines()
    heads = [number for number, line in enumerate(lines) if RULE.fullmatch(line)]
    ends = [number - 1 for number in heads[1:]] + [len(lines)]
    return {lines[head - 1]: "\n".join(lines[head:end]) for head, end in zip(heads, ends, strict=True)}


def _broken(said: str) -> set[str]:
    return set(BROKEN.findall(said))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("service", "plugins"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _plant(tree: Path, path: str, line: str) -> str:
    """Plants the line and returns the name of the module that now has it."""
    target = (tree / "service" / "propwash" / path).resolve()
    before = target.read_text() if target.exists() else ""
    target.write_text(f"{before}\n{line}\n")
    return ".".join(target.relative_to(tree.resolve()).with_suffix("").parts[1:]).removesuffix(".__init__")


def test_the_tree_keeps_every_contract(tree: Path) -> None:
    said = _lint(tree)
    assert "0 broken" in said, said


@pytest.mark.parametrize("breaches", ROUNDS, ids=["first", "second", "third"])
def test_planted_breaches_are_caught(tree: Path, breaches: dict[str, tuple[str, str]]) -> None:
    planted = {contract: _plant(tree, *breach) for contract, breach in breaches.items()}
    said = _lint(tree)
    broken, sections = _broken(said), _sections(said)
    for contract, module in planted.items():
        names = [name for name in broken if name.startswith(contract)]
        assert len(names) == 1, f"{contract}: not broken by {breaches[contract]}\n{said}"
        assert module in sections[names[0]], f"{contract}: {module} is not named\n{said}"


def test_a_module_without_a_layer_is_a_breach(tree: Path) -> None:
    _plant(tree, "utils.py", "")
    said = _lint(tree)
    assert [name for name in _broken(said) if not name.startswith("The house")] == []
    assert "propwash.utils" in said


def test_every_contract_has_a_planted_breach() -> None:
    names = [str(contract["name"]) for contract in _settings()["contracts"]]
    planted = {start for breaches in ROUNDS for start in breaches}
    assert [name for name in names if not any(name.startswith(start) for start in planted)] == []
    assert len(names) == len(planted)


def test_every_plugin_is_under_contract() -> None:
    settings = _settings()
    plugins = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
    by_name = {str(contract["name"]): contract for contract in settings["contracts"]}
    sees = next(contract for name, contract in by_name.items() if name.startswith("Plugins see the SDK"))
    assert set(map(str, settings["root_packages"])) == {"propwash", *plugins}
    assert sees["source_modules"] == sorted(plugins)
    assert by_name["The service imports no plugin"]["forbidden_modules"] == sorted(plugins)


def test_the_core_imports_only_what_is_a_function_of_its_arguments() -> None:
    found = set()
    for path in sorted((ROOT / "service" / "propwash" / "core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = ["." * node.level + (node.module or "")]
            else:
                continue
            found |= {
                (path.name, name)
                for name in names
                if name.split(".")[0] not in PURE and name.split(".")[:2] != ["propwash", "core"]
            }
    assert found == set()


def test_a_stand_in_shares_no_code_with_the_handler_that_it_tests() -> None:
    for folder in (ROOT / "plugins").glob("*/sandbox"):
        plugin = folder.parent.name
        for path in sorted(folder.rglob("*.py")):
            imported = {
                node.module or ""
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.ImportFrom)
            }
            shared = [
                name
                for name in imported
                if name.startswith(plugin) and not name.startswith(f"{plugin}.sandbox")
            ]
            assert shared == [], f"{path.relative_to(ROOT)} imports {shared[0]}"
