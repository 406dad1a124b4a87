"""The committed generated code is fresh, and the proto checks catch what they are there for."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCAL_BUF = ROOT / "tools" / "buf" / "node_modules" / ".bin" / "buf"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"proto_{name}", ROOT / "proto" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_code_is_fresh(tmp_path: Path) -> None:
    out = tmp_path / "pb"
    out.mkdir()
    subprocess.run(
        [sys.executable, str(ROOT / "proto" / "generate.py"), str(out)], check=True, capture_output=True
    )
    committed = ROOT / "service" / "propwash" / "pb"
    made = {str(path.relative_to(out)): path.read_text() for path in out.rglob("*.py*")}
    kept = {
        str(path.relative_to(committed)): path.read_text()
        for path in committed.rglob("*.py*")
        if "__pycache__" not in path.parts
    }
    assert made.keys() == kept.keys()
    assert [name for name in made if made[name] != kept[name]] == []


@pytest.fixture
def buf() -> str:
    found = str(LOCAL_BUF) if LOCAL_BUF.exists() else shutil.which(os.environ.get("BUF", "buf"))
    if not found:
        pytest.skip("buf is not installed; `make proto-check` installs it")
    return found


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("string connection = 6", "string account = 6", "breaking"),
        ("string connection = 6", "string connectionName = 6", "lint"),
        ("  string uid = 2", "      string uid = 2", "format"),
    ],
)
def test_a_planted_fault_in_the_protos_is_caught(
    tmp_path: Path, buf: str, old: str, new: str, complaint: str
) -> None:
    check = _load("check")
    protos = tmp_path / "protos"
    shutil.copytree(ROOT / "proto" / "propwash", protos / "propwash")
    path = protos / "propwash" / "v1" / "execution.proto"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    folder = tmp_path / "workspace"
    folder.mkdir()
    check.workspace(folder, protos)
    assert any(said.startswith(f"buf {complaint}") for said in check.check(folder, buf))


def test_the_protos_hold(tmp_path: Path, buf: str) -> None:
    check = _load("check")
    check.workspace(tmp_path)
    assert check.check(tmp_path, buf) == []
