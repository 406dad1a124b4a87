"""The handler's page says what the handler does."""

from __future__ import annotations

from pathlib import Path

from propwash_bigquery.connection import BigQuerySettings
from propwash_bigquery.errors import RULES
from propwash_bigquery.spec import BigQuerySpec

PAGE = (Path(__file__).parents[3] / "docs" / "handlers" / "bigquery.md").read_text(encoding="utf-8")


def test_every_field_setting_and_reason_has_its_row() -> None:
    fields = [info.alias or name for name, info in BigQuerySpec.model_fields.items()]
    missing = [
        name for name in (*fields, *BigQuerySettings.model_fields, *RULES) if f"| `{name}` |" not in PAGE
    ]
    assert not missing


def test_table_says_whether_a_failed_job_is_retried() -> None:
    rows = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}
    for reason, rule in RULES.items():
        assert rows[reason].endswith(f"| {'yes' if rule.is_job_retryable else 'no'} |"), reason
