"""What BigQuery's jobs claim of pools by default: one unit of their queue in their project and location."""

from __future__ import annotations

from typing import Any

import pytest

from propwash.sdk import Claim, Connection
from propwash_bigquery import plugin
from propwash_bigquery.job_handler import BigQueryJobHandler

HANDLERS = {one.form.key: one for one in plugin.make() if isinstance(one, BigQueryJobHandler)}
TABLE = {"projectId": "acme", "datasetId": "d", "tableId": "t"}
SPECS: dict[str, dict[str, Any]] = {
    "query": {"query": "SELECT 1"},
    "load": {"sourceUris": ["gs://b/a.csv"], "destinationTable": TABLE},
    "extract": {"sourceTable": TABLE, "destinationUris": ["gs://b/a.csv"]},
    "copy": {"sourceTable": TABLE, "destinationTable": TABLE},
}


def claims(form: str, spec: dict[str, Any] | None = None, **settings: Any) -> tuple[Claim, ...]:
    handler = HANDLERS[form]
    parsed = handler.spec_type.model_validate({**SPECS[form], **(spec or {})})
    return tuple(handler.claims(Connection(name="lake", settings=settings), parsed))


@pytest.mark.parametrize(
    ("form", "spec", "pool"),
    [
        ("query", {}, "bigquery:acme:EU:interactive"),
        ("query", {"priority": "INTERACTIVE"}, "bigquery:acme:EU:interactive"),
        ("query", {"priority": "BATCH"}, "bigquery:acme:EU:batch"),
        ("load", {}, "bigquery:acme:EU:load"),
        ("extract", {}, "bigquery:acme:EU:extract"),
        ("copy", {}, "bigquery:acme:EU:copy"),
        (
            "query",
            {"project": "other-one", "location": "Europe-West3"},
            "bigquery:other-one:europe-west3:interactive",
        ),
        (
            "query",
            {"project": "example.com:sales", "location": "us"},
            "bigquery:example.com%3Asales:US:interactive",
        ),
    ],
)
def test_a_job_claims_its_queue(form: str, spec: dict[str, Any], pool: str) -> None:
    assert claims(form, spec, project="acme", location="eu") == (Claim(pool=pool),)


def test_what_nobody_names() -> None:
    assert claims("query", project="acme") == (Claim(pool="bigquery:acme:default:interactive"),)
    assert claims("query") == ()
