"""The handler's page says what the handler does."""

from __future__ import annotations

from pathlib import Path

import pytest

from propwash_snowflake.connection import SnowflakeSettings
from propwash_snowflake.errors import RULES, STATES, Rule
from propwash_snowflake.handler import SnowflakeHandler
from propwash_snowflake.spec import Binding, SnowflakeSpec

PAGE = (Path(__file__).parents[3] / "docs" / "handlers" / "snowflake.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("rules", [RULES, STATES], ids=["codes", "states"])
def test_every_failure_has_its_row(rules: dict[str, Rule]) -> None:
    expected = [
        f"| `{key}` | `{rule.reason}` | {'yes' if rule.is_retryable else 'no'} |"
        for key, rule in rules.items()
    ]
    assert [row for row in expected if row not in ROWS] == []


def test_no_row_tells_of_a_failure_that_is_none() -> None:
    told = {
        row.split("`")[1] for row in ROWS if row.endswith(("| yes |", "| no |")) and row.startswith("| `")
    }
    assert told == {*RULES, *STATES}


@pytest.mark.parametrize("model", [SnowflakeSpec, Binding, SnowflakeSettings])
def test_every_field_has_its_row(model: type[SnowflakeSpec | Binding | SnowflakeSettings]) -> None:
    names = [info.alias or name for name, info in model.model_fields.items()]
    assert [name for name in names if not any(row.startswith(f"| `{name}` |") for row in ROWS)] == []


def test_figures_are_the_handler_s() -> None:
    traits, limits = SnowflakeHandler.traits, SnowflakeHandler.limits
    assert f"`settle_s`, {traits.settle_s:g} seconds" in " ".join(PAGE.split())
    assert f"every {traits.poll_floor_s:g} to {traits.poll_ceiling_s:g} seconds" in " ".join(PAGE.split())
    assert limits.reads is not None
    assert f"{limits.reads.per_s:g} calls a second" in " ".join(PAGE.split())
