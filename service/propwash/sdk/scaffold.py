"""Writes a new plugin: a whole distribution that passes the conformance battery as it is written."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_SUFFIX = ".txt"
"""Templates are text to every tool: they are no Python before their placeholders are filled in."""


def write_plugin(name: str, into: Path) -> Path:
    """Write the distribution propwash-NAME as a folder of that name in into, and return its path.

    Raises ValueError for a name that is not [a-z][a-z0-9_-]* with a letter or digit at its end, at most 50
    long, and FileExistsError where the folder exists already. Where anything fails, nothing is left.
    """
    if not _NAME.fullmatch(name) or not name[-1].isalnum():
        raise ValueError(
            f"a plugin's name is [a-z][a-z0-9_-]*, ends with a letter or digit, at most 50: not {name!r}"
        )
    fillings = _fillings(name)
    target = into / fillings["__DISTRIBUTION__"]
    if target.exists():
        raise FileExistsError(f"{target} exists already")
    into.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".new-plugin-", dir=into))
    try:
        for path, template in _templates(files("propwash.sdk").joinpath("templates"), PurePosixPath()):
            file = draft / _filled(str(path), {"PACKAGE": fillings["__PACKAGE__"]})
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_filled(template, fillings), encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def _fillings(name: str) -> Mapping[str, str]:
    words = [word for word in re.split(r"[-_]", name.removeprefix("propwash-")) if word] or ["plugin"]
    snake = "_".join(words)
    return {
        "__DISTRIBUTION__": "propwash-" + "-".join(words),
        "__PACKAGE__": f"propwash_{snake}",
        "__NAME__": "-".join(words),
        "__TASK_TYPE__": snake if snake[0].isalpha() else f"job_{snake}",
        "__CLASS__": "".join(word.capitalize() for word in words) if words[0][0].isalpha() else f"Job{snake}",
        "__TOKEN_ENV__": f"{snake.upper()}_TOKEN",
    }


def _templates(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _templates(entry, path / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield path / entry.name.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8")


def _filled(template: str, fillings: Mapping[str, str]) -> str:
    for placeholder, filling in fillings.items():
        template = template.replace(placeholder, filling)
    return template
