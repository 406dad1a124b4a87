"""The spec: every field of configuration.query, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pydantic
import pytest

from propwash.sdk import Connection, CreateRequest, RemoteName
from propwash_bigquery import BigQueryHandler
from propwash_bigquery.labels import job_labels
from propwash_bigquery.spec import BigQuerySpec
from propwash_bigquery.submission import key_for

# JobConfigurationQuery of the REST reference and the discovery document, without systemVariables (output only).
DOCUMENTED: dict[str, object] = {
    "query": "SELECT 1",
    "destinationTable": {"projectId": "p-one", "datasetId": "d", "tableId": "t$20240101"},
    "tableDefinitions": {
        "e": {"sourceUris": ["gs://b/*"], "sourceFormat": "CSV", "csvOptions": {"quote": "'"}}
    },
    "userDefinedFunctionResources": [{"resourceUri": "gs://b/f.js"}, {"inlineCode": "x"}],
    "createDisposition": "CREATE_NEVER",
    "writeDisposition": "WRITE_TRUNCATE_DATA",
    "defaultDataset": {"projectId": "p-one", "datasetId": "d"},
    "priority": "BATCH",
    "preserveNulls": True,
    "allowLargeResults": True,
    "useQueryCache": False,
    "flattenResults": False,
    "maximumBillingTier": 2,
    "maximumBytesBilled": "1000000000",
    "useLegacySql": False,
    "parameterMode": "NAMED",
    "queryParameters": [
        {"name": "d", "parameterType": {"type": "DATE"}, "parameterValue": {"value": "2024-01-01"}},
        {
            "name": "r",
            "parameterType": {"type": "RANGE", "rangeElementType": {"type": "DATE"}},
            "parameterValue": {"rangeValue": {"start": {"value": "2024-01-01"}}},
        },
        {
            "name": "a",
            "parameterType": {
                "type": "ARRAY",
                "arrayType": {
                    "type": "STRUCT",
                    "structTypes": [{"name": "n", "type": {"type": "NUMERIC"}, "description": "x"}],
                },
            },
            "parameterValue": {"arrayValues": [{"structValues": {"n": {"value": "1.5"}}}]},
        },
    ],
    "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION", "ALLOW_FIELD_RELAXATION"],
    "timePartitioning": {"type": "DAY", "field": "at", "expirationMs": "1", "requirePartitionFilter": True},
    "clustering": {"fields": ["a", "b"]},
    "destinationEncryptionConfiguration": {"kmsKeyName": "k"},
    "scriptOptions": {
        "statementTimeoutMs": "1",
        "statementByteBudget": "2",
        "keyResultStatement": "FIRST_SELECT",
    },
    "connectionProperties": [{"key": "time_zone", "value": "UTC"}],
    "createSession": True,
    "continuous": True,
    "writeIncrementalResults": True,
}
UID = "0" * 26
INT64 = {"parameterType": {"type": "INT64"}}
NAMED = {"name": "a", **INT64}
BY_RANGE = {"field": "f", "range": {"start": 1, "end": 2, "interval": 1}}


def request_of(spec: BigQuerySpec, **more: object) -> CreateRequest[BigQuerySpec]:
    request = CreateRequest(
        name=RemoteName(f"pw-me-{UID}-1"),
        owner="me",
        uid=UID,  # type: ignore[arg-type]
        attempt=1,
        spec=spec,
        inputs={},
        labels={},
        connection=Connection(name="bq"),
    )
    return replace(request, **more)  # type: ignore[arg-type]


def sent(spec: BigQuerySpec, **more: object) -> dict[str, object]:
    request = request_of(spec, **more)
    key = key_for(spec.project or "p-one", spec.location or "", request.name)
    resource: dict[str, object] = json.loads(json.dumps(BigQueryHandler().resource(request, key)))
    return resource


def snake(value: object) -> object:
    if isinstance(value, dict):
        return {
            "".join(f"_{c.lower()}" if c.isupper() else c for c in key): snake(item)
            for key, item in value.items()
        }
    return [snake(item) for item in value] if isinstance(value, list) else value


def test_every_documented_field_reaches_the_wire() -> None:
    query = sent(BigQuerySpec.model_validate(DOCUMENTED))["configuration"]["query"]  # type: ignore[index]
    assert query == DOCUMENTED


def test_range_partitioning_reaches_the_wire() -> None:
    given = {"field": "n", "range": {"start": 0, "end": "100", "interval": 10}}
    spec = BigQuerySpec.model_validate({"query": "q", "rangePartitioning": given})
    query = sent(spec)["configuration"]["query"]  # type: ignore[index]
    assert query["rangePartitioning"] == {
        "field": "n",
        "range": {"start": "0", "end": "100", "interval": "10"},
    }


def test_snake_case_is_the_same() -> None:
    # A table definition is handed on as it is, so its names are the API's.
    plain = {name: value for name, value in DOCUMENTED.items() if name != "tableDefinitions"}
    assert BigQuerySpec.model_validate(snake(plain)) == BigQuerySpec.model_validate(plain)


def test_job_level_fields_reach_the_wire() -> None:
    spec = BigQuerySpec.model_validate(
        {"query": "q", "jobTimeoutMs": 9000, "reservation": "none", "labels": {"k": "v"}, "location": "EU"}
    )
    resource = sent(spec, run_deadline_s=4.0001)
    assert resource["jobReference"] == {"projectId": "p-one", "jobId": f"pw-me-{UID}-1", "location": "EU"}
    configuration = resource["configuration"]
    assert isinstance(configuration, dict)
    assert configuration["jobTimeoutMs"] == "4001"
    assert configuration["reservation"] == "none"
    assert configuration["labels"]["k"] == "v"


def test_tables_are_in_the_jobs_project_unless_said() -> None:
    spec = BigQuerySpec.model_validate(
        {"query": "q", "project": "p-two", "destinationTable": {"datasetId": "d", "tableId": "t"}}
    )
    query = sent(spec)["configuration"]["query"]  # type: ignore[index]
    assert query["destinationTable"]["projectId"] == "p-two"


def test_schema_describes_every_field() -> None:
    schema = BigQuerySpec.model_json_schema()
    assert {"project", "location", "labels", "jobTimeoutMs", "reservation", *DOCUMENTED} <= set(
        schema["properties"]
    )
    described = [schema, *schema["$defs"].values()]
    for one in described:
        missing = [name for name, field in one.get("properties", {}).items() if not field.get("description")]
        assert not missing, (one.get("title"), missing)


@pytest.mark.parametrize(
    ("fields", "path", "said"),
    [
        ({"query": ""}, "query", "at least 1"),
        ({"query": "  "}, "query", "blank"),
        ({"query": 1}, "query", "string"),
        ({}, "query", "required"),
        ({"query": "q", "nope": 1}, "nope", "not permitted"),
        ({"query": "q", "dryRun": True}, "dryRun", "not permitted"),
        ({"query": "q", "writeDisposition": "WRITE"}, "writeDisposition", "WRITE_TRUNCATE"),
        ({"query": "q", "maximum_bytes_billed": 0}, "maximum_bytes_billed", "greater than 0"),
        ({"query": "q", "maximumBytesBilled": 2**63}, "maximumBytesBilled", "64 bits"),
        ({"query": "q", "maximumBytesBilled": "1e3"}, "maximumBytesBilled", "integer"),
        ({"query": "q", "useQueryCache": "true"}, "useQueryCache", "boolean"),
        ({"query": "q", "project": "Not-mine"}, "project", "pattern"),
        ({"query": "q", "location": "u s"}, "location", "pattern"),
        ({"query": "q", "destinationTable": {"datasetId": "d"}}, "destinationTable.tableId", "required"),
        ({"query": "q", "clustering": {"fields": []}}, "clustering.fields", "at least 1"),
        ({"query": "q", "userDefinedFunctionResources": [{}]}, "userDefinedFunctionResources.0", "exactly one"),
        ({"query": "q", "priority": "BATCH", "labels": {"Key": "v"}}, "labels", "'Key'"),
        ({"query": "q", "labels": {"k": "V"}}, "labels", "'k'"),
        ({"query": "q", "labels": {"propwash-owner": "v"}}, "labels", "Propwash's own"),
        ({"query": "q", "use_query_cache": True, "useQueryCache": True}, "", "same field"),
        (
            {"query": "q", "timePartitioning": {"type": "DAY"}, "rangePartitioning": BY_RANGE},
            "rangePartitioning",
            "one of",
        ),
        (
            {"query": "q", "useLegacySql": True, "queryParameters": [NAMED]},
            "queryParameters",
            "legacy SQL",
        ),
        (
            {
                "query": "q",
                "queryParameters": [
                    {"name": "a", "parameterType": {"type": "INT64"}, "parameterValue": {}},
                    {"parameterType": {"type": "INT64"}, "parameterValue": {}},
                ],
            },
            "queryParameters",
            "all named or all positional",
        ),
        (
            {"query": "q", "parameterMode": "POSITIONAL", "queryParameters": [NAMED]},
            "queryParameters",
            "POSITIONAL",
        ),
        ({"query": "q", "queryParameters": [INT64]}, "queryParameters", "needs a"),
        (
            {"query": "q", "queryParameters": [{"name": n, **INT64} for n in "aA"]},
            "queryParameters",
            "unique",
        ),
        ({"query": "q", "queryParameters": [{**INT64, "name": "1"}]}, "queryParameters.0.name", "pattern"),
    ],
)  # fmt: skip
def test_fault_is_said_with_its_path(fields: dict[str, object], path: str, said: str) -> None:
    with pytest.raises(pydantic.ValidationError) as raised:
        BigQuerySpec.model_validate(fields)
    (error,) = raised.value.errors()
    assert ".".join(map(str, error["loc"])) == path
    assert said in error["msg"]


def test_labels_of_the_execution_are_made_to_fit() -> None:
    made = job_labels(
        {"propwash-owner": "me"},
        of_spec={"team": "spec"},
        of_execution={"Team": "x", "Über/Maß": "Größe 1", "9": "", "propwash-x": "no", "k" * 80: "v" * 80},
    )
    assert made == {
        "team": "spec",
        "über_maß": "größe_1",
        "l-9": "",
        "k" * 63: "v" * 63,
        "propwash-owner": "me",
    }
    many = job_labels({"a": "1"}, of_spec={}, of_execution={f"k{number}": "" for number in range(100)})
    assert len(many) <= 64
