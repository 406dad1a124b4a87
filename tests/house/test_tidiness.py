"""Rules of the house that no linter has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONG_WITH_A_REASON = {
    "service/propwash/core/model.py": "the vocabulary of the core, in one place",
    "service/propwash/telemetry.py": "every metric and log field, in one file",
}
FORBIDDEN_NAMES = {"utils", "common", "helpers", "manager", "base"}


def _tracked(*patterns: str) -> list[Path]:
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


def test_no_file_is_too_long() -> None:
    found = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in _sources()}
    too_long = {name: lines for name, lines in found.items() if lines > 400}
    unexplained = {
        name: lines for name, lines in found.items() if lines > 300 and name not in LONG_WITH_A_REASON
    }
    assert too_long == {}
    assert unexplained == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in _sources() if {path.stem, path.parent.name} & FORBIDDEN_NAMES] == []


def test_every_ignored_type_error_has_a_code() -> None:
    bare = re.compile(r"#\s*type:\s*ignore(?!\[)")
    here = Path(__file__)
    assert [p for p in _sources() if p != here and bare.search(p.read_text())] == []


def test_no_address_of_a_registry_or_path_of_a_machine_is_in_the_tree() -> None:
    hosts = re.compile(r"pythonhosted\.org|//pypi\.org|registry\.npmjs|(?<![\w.])/(?:root|work|home)/\w")
    here = Path(__file__)
    found = []
    for path in _tracked():
        if path == here or path.suffix == ".binpb":
            continue
        found += [
            f"{path.relative_to(ROOT)}: {m[0]}" for m in hosts.finditer(path.read_text(errors="ignore"))
        ]
    assert found == []


def test_core_sdk_and_ports_name_no_any() -> None:
    rooms = [ROOT / "service" / "propwash" / room for room in ("core", "sdk", "ports")]
    inside = [path for path in _sources() if any(room in path.parents for room in rooms)]
    assert len(inside) > 20
    assert [path for path in inside if re.search(r"\bAny\b", path.read_text())] == []
