"""Rules of the house that no linter has."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LONG_WITH_A_REASON = {
    "service/propwash/config.py": "every setting of the file, in one place",
    "service/propwash/core/model.py": "the vocabulary of the core, in one place",
    "service/propwash/api/reasons.py": "every reason of the API, in one table",
    "service/propwash/client/client.py": "every call on executions, in one class",
    "service/propwash/telemetry/metrics.py": "every metric and log field, in one file",
}
# From before the rule; it only shrinks.
FORBIDDEN_NAMES = {"utils", "common", "helpers", "manager", "base"}


def _tracked(*patterns: str) -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are the project's cannot be told")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / line for line in sorted(set(listed.stdout.splitlines()))]
    return [path for path in paths if path.exists()]


def _sources() -> list[Path]:
    return [path for path in _tracked("*.py") if "/pb/" not in str(path)]


def _lines_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in paths
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_is_too_long() -> None:
    found = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in _sources()}
    too_long = {name: lines for name, lines in found.items() if lines > 400}
    unexplained = {
        name: lines for name, lines in found.items() if lines > 300 and name not in LONG_WITH_A_REASON
    }
    assert too_long == {}
    assert unexplained == {}
    assert [name for name in LONG_WITH_A_REASON if found.get(name, 0) <= 300] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in _sources() if {path.stem, path.parent.name} & FORBIDDEN_NAMES] == []


def test_every_ignored_type_error_has_a_code() -> None:
    bare = re.compile(r"#\s*type:\s*ignore(?!\[)")
    assert _lines_with(bare, _sources()) == []


def test_every_ignored_type_error_in_what_is_shipped_has_a_reason() -> None:
    # That a package has no types is its own reason.
    bare = re.compile(r"#\s*type:\s*ignore\[(?!import-untyped|no-untyped-call)[^]]*\]\s*$")
    shipped = [path for path in _sources() if "tests" not in path.relative_to(ROOT).parts]
    found = _lines_with(bare, shipped)
    assert found == []


def test_every_exception_from_the_linters_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    ruff = text[text.index("[tool.ruff]") : text.index("[tool.mypy]")]
    excepted = re.findall(r'^    "[A-Z]+\d*",.*$', ruff[ruff.index("\nignore = [") :], re.MULTILINE)
    assert len(excepted) > 10
    assert [line for line in excepted if not re.search(r'", +# \w', line)] == []
    mypy = text[text.index("[tool.mypy]") : text.index("[tool.pytest")]
    loosened = re.findall(r"^(?:ignore_\w+ = true|disallow_\w+ = false).*$", mypy, re.MULTILINE)
    assert [line for line in loosened if " # " not in line] == []


def test_what_is_locked_is_what_is_asked_for() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = settings["project"]["optional-dependencies"].values()
    asked = [*settings["project"]["dependencies"], *settings["dependency-groups"]["dev"], *chain(*extras)]
    pins = re.split(r"\n(?=[\w.-]+==)", (ROOT / "requirements" / "dev.lock").read_text())[1:]
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
    # A package may be pinned twice, each for other platforms.
    locked = {tuple(pin.split()[0].split("==")) for pin in pins}
    for requirement in map(Requirement, asked):
        versions = [version for name, version in locked if name == canonicalize_name(requirement.name)]
        assert versions, f"{requirement} is not locked: run `make lock`"
        assert all(map(requirement.specifier.contains, versions)), f"{requirement}, but {versions} is locked"


def test_no_address_of_a_registry_or_path_of_a_machine_is_in_the_tree() -> None:
    hosts = re.compile(
        r"pythonhosted\.org|\bpypi\.org|\bnpmjs\.|deb\.debian\.org|(?<![\w.])/(?:root|work|home)/\w|https?://[^/\s]*(?:/simple\b|artifactory|proxy\.golang)"
    )
    here = Path(__file__)
    found = []
    for path in _tracked():
        if path == here or path.suffix == ".binpb":
            continue
        found += [
            f"{path.relative_to(ROOT)}: {m[0]}" for m in hosts.finditer(path.read_text(errors="ignore"))
        ]
    assert found == []


def test_the_license_is_the_one_that_is_declared() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_core_sdk_and_ports_name_no_any() -> None:
    rooms = [ROOT / "service" / "propwash" / room for room in ("core", "sdk", "ports")]
    inside = [path for path in _sources() if any(room in path.parents for room in rooms)]
    assert len(inside) > 20
    assert [path for path in inside if re.search(r"\bAny\b", path.read_text())] == []
