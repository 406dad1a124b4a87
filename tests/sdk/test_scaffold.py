"""A new plugin is whole as written: built, installed, discovered, served, and it passes the battery and
the linters.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from propwash.sdk.scaffold import write_plugin


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plugin("night-shift", tmp_path_factory.mktemp("plugins"))


def run(*command: str, cwd: Path, path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_passes_the_battery_as_written(written: Path) -> None:
    done = run("pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=written, path=written)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout


def test_it_is_built_installed_and_served(written: Path, tmp_path: Path) -> None:
    built = run("hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=written, path=written)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("propwash_night_shift-*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    script = tmp_path / "serve.py"
    script.write_text(
        "import asyncio\n"
        "from propwash.handlers.discovery import discover\n"
        "from propwash.handlers.registry import load\n"
        "registry = asyncio.run(load([one for one in discover() if one.name == 'night-shift']))\n"
        "for info in registry.infos:\n"
        "    print(info.task_type, info.plugin, info.distribution, info.is_serving, info.message)\n"
    )
    served = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert served.stdout == "night_shift night-shift propwash-night-shift 0.1.0 True \n", served.stderr


def test_it_is_clean_for_ruff(written: Path) -> None:
    linted = run("ruff", "check", "--no-cache", ".", cwd=written, path=written)
    assert linted.returncode == 0, linted.stdout
    formatted = run("ruff", "format", "--check", "--no-cache", ".", cwd=written, path=written)
    assert formatted.returncode == 0, formatted.stdout


def test_it_is_clean_for_strict_mypy(written: Path) -> None:
    typed = run("mypy", "--cache-dir", os.devnull, "propwash_night_shift", cwd=written, path=written)
    assert typed.returncode == 0, typed.stdout


@pytest.mark.parametrize("name", ["", "Night", "1st", "a/b", "../up", "a b", "-a", "a-", "x" * 51, "naïve"])
def test_a_bad_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a plugin's name is"):
        write_plugin(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "distribution", "package"),
    [
        ("a", "propwash-a", "propwash_a"),
        ("class", "propwash-class", "propwash_class"),
        ("spark_on-yarn", "propwash-spark-on-yarn", "propwash_spark_on_yarn"),
        ("propwash-emr", "propwash-emr", "propwash_emr"),
        ("propwash-3d", "propwash-3d", "propwash_3d"),
    ],
)
def test_names_follow_from_one(name: str, distribution: str, package: str, tmp_path: Path) -> None:
    target = write_plugin(name, tmp_path / "new" / "folder")
    assert target.name == distribution
    for file in target.rglob("*.py"):
        compile(file.read_text(), str(file), "exec")
        assert "__CLASS__" not in file.read_text()
    assert (target / package / "py.typed").is_file()


def test_what_is_there_is_never_touched(tmp_path: Path) -> None:
    target = tmp_path / "propwash-a"
    target.mkdir()
    with pytest.raises(FileExistsError, match="propwash-a exists already"):
        write_plugin("a", tmp_path)
    assert list(tmp_path.iterdir()) == [target]
    assert not list(target.iterdir())
