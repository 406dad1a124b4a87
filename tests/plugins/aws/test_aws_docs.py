"""The pages of job runs and of connections say what the handlers do."""

from __future__ import annotations

from pathlib import Path

import pytest

from propwash_aws.connection import AwsSettings
from propwash_aws.containers import observing as containers
from propwash_aws.containers.spec import ContainersSpec
from propwash_aws.runs.api_types import ApiModel
from propwash_aws.serverless import observing as serverless
from propwash_aws.serverless.reasons import RULES
from propwash_aws.serverless.spec import ServerlessSpec

PAGES = Path(__file__).parents[3] / "docs" / "handlers"


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "spec"), [("emr-serverless", ServerlessSpec), ("emr-on-eks", ContainersSpec)]
)
def test_every_field_has_its_row(name: str, spec: type[ApiModel]) -> None:
    text = page(name)
    missing = [one for one, info in spec.model_fields.items() if f"| `{info.alias or one}` |" not in text]
    assert not missing


def test_every_setting_has_its_row() -> None:
    text = page("aws-connections")
    assert not [name for name in AwsSettings.model_fields if f"| `{name}` |" not in text]


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("emr-serverless", [*serverless.LIVE, *serverless.OVER]),
        ("emr-on-eks", [*containers.LIVE, *containers.OVER, *containers.FAILURES]),
    ],
)
def test_every_state_has_its_row(name: str, states: list[str]) -> None:
    rows = "\n".join(line for line in page(name).splitlines() if line.startswith("| `"))
    assert not [state for state in states if f"`{state}`" not in rows]


def test_every_failure_says_whether_it_is_tried_again() -> None:
    rows = {
        line.split("`")[1]: line for line in page("emr-serverless").splitlines() if line.startswith("| `")
    }
    for rule in RULES:
        assert rows[rule.reason].endswith(f"| {'yes' if rule.is_retryable else 'no'} |"), rule.reason
    eks = page("emr-on-eks")
    for failure, is_retryable in containers.FAILURES.items():
        row = next(line for line in eks.splitlines() if line.startswith(f"| `FAILED`, `{failure}` |"))
        assert row.endswith(f"| {'yes' if is_retryable else 'no'} |"), failure
