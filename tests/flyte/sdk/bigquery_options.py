"""A value for every option of the Python library's QueryJobConfig; run by the interpreters of Flyte's SDKs."""

from __future__ import annotations

import inspect
from typing import Any

from google.cloud import bigquery

DESTINATION = "a-project.reports.daily"
KMS_KEY = "projects/a-project/locations/us/keyRings/ring/cryptoKeys/key"
FIRST_SELECT: Any = "FIRST_SELECT"
SAMPLES: dict[str, Any] = {
    "allow_large_results": True,
    "clustering_fields": ["day", "name"],
    "connection_properties": [bigquery.ConnectionProperty("time_zone", "Europe/Zurich")],
    "create_disposition": "CREATE_NEVER",
    "create_session": True,
    "default_dataset": bigquery.DatasetReference("a-project", "sales"),
    "destination": bigquery.TableReference.from_string(DESTINATION),
    "destination_encryption_configuration": bigquery.EncryptionConfiguration(KMS_KEY),
    "dry_run": True,
    "flatten_results": False,
    "job_timeout_ms": 60_000,
    "labels": {"team": "sales"},
    "max_slots": 100,
    "maximum_billing_tier": 2,
    "maximum_bytes_billed": 2**53 + 1,
    "priority": "BATCH",
    "query_parameters": [
        bigquery.ScalarQueryParameter("least", "NUMERIC", "0.1"),
        bigquery.ArrayQueryParameter("days", "DATE", ["2024-02-29"]),
    ],
    "range_partitioning": bigquery.RangePartitioning(
        field="n", range_=bigquery.PartitionRange(start=0, end=100, interval=10)
    ),
    "reservation": "projects/p/locations/US/reservations/r",
    "schema_update_options": ["ALLOW_FIELD_ADDITION"],
    "script_options": bigquery.ScriptOptions(
        statement_timeout_ms=1000,
        statement_byte_budget=10**9,
        key_result_statement=FIRST_SELECT,
    ),
    "table_definitions": {"files": bigquery.ExternalConfig("CSV")},
    "time_partitioning": bigquery.TimePartitioning(type_="DAY", field="day", expiration_ms=86_400_000),
    "udf_resources": [bigquery.UDFResource("inlineCode", "return 1;")],  # type: ignore[no-untyped-call]
    "use_legacy_sql": True,
    "use_query_cache": False,
    "write_disposition": "WRITE_APPEND",
    "write_incremental_results": True,
}
TOGETHER: dict[str, Any] = {
    **{
        name: SAMPLES[name]
        for name in (
            "default_dataset",
            "destination",
            "labels",
            "maximum_bytes_billed",
            "priority",
            "use_query_cache",
        )
    },
    "write_disposition": "WRITE_TRUNCATE",
    "query_parameters": [
        bigquery.ScalarQueryParameter("least", "NUMERIC", "10.5"),
        bigquery.ScalarQueryParameter("day", "DATE", None),
    ],
}
"""Of one task that runs: a parameter with a value, and one that declares the type of an input."""


def options() -> list[str]:
    """Every property of QueryJobConfig that can be set."""
    found = inspect.getmembers(bigquery.QueryJobConfig, lambda one: isinstance(one, property))
    return [name for name, one in found if one.fset is not None]


def config(**given: Any) -> bigquery.QueryJobConfig:
    """A configuration with these options."""
    made = bigquery.QueryJobConfig()
    for name, value in given.items():
        setattr(made, name, value)
    return made


def samples() -> list[tuple[str, Any]]:
    """Every option with its value; KeyError names one that has none here."""
    return [(name, SAMPLES[name]) for name in options()]
