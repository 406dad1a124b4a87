"""The handler's page says what the handler does."""

from __future__ import annotations

from pathlib import Path

from propwash_bigquery.errors import RULES

PAGE = (Path(__file__).parents[3] / "docs" / "handlers" / "bigquery.md").read_text(encoding="utf-8")


def test_table_says_whether_a_failed_job_is_retried() -> None:
    rows = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}
    for reason, rule in RULES.items():
        assert rows[reason].endswith(f"| {'yes' if rule.is_job_retryable else 'no'} |"), reason
