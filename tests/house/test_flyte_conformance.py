"""The page of what Flyte relies on: every feature and window has its row, and every test that a row names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "flyte-conformance.md").read_text()
FEATURES, WINDOWS = 19, 11
_ROW = re.compile(r"^\| ([BD]\d+(?:, [BD]\d+)*) \|", re.MULTILINE)
_DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def test_every_feature_and_window_has_a_row() -> None:
    rows = [one for found in _ROW.findall(PAGE) for one in found.split(", ")]
    wanted = [f"B{number}" for number in range(1, FEATURES + 1)]
    wanted += [f"D{number}" for number in range(1, WINDOWS + 1)]
    assert sorted(rows) == sorted(wanted)


def test_every_test_that_is_named_is_there() -> None:
    defined = {
        name
        for path in (ROOT / "tests" / "flyte").glob("**/test_*.py")
        for name in _DEFINED.findall(path.read_text())
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named
    assert named - defined == set()
