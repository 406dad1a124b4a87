"""EMR Serverless: what a spec takes and refuses, and the StartJobRun that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic
import pytest
from botocore.session import Session  # type: ignore[import-untyped]  # botocore has no types
from botocore.validate import ParamValidator  # type: ignore[import-untyped]  # as above

from propwash.core.names import remote_name
from propwash.engine.ids import new_uid
from propwash.sdk import Connection, CreateRequest, Permanent, Value
from propwash_aws.connection import AwsSettings
from propwash_aws.serverless.spec import ServerlessSpec
from propwash_aws.serverless.submission import start_input, telling, timeout_minutes

ROLE = "arn:aws:iam::123456789012:role/runs"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/k"
SPARK = {"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}}
FULL: dict[str, Any] = {
    "applicationId": "00f1abcdefghijkl",
    "executionRoleArn": ROLE,
    "executionIamPolicy": {"policy": "{}", "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]},
    "jobDriver": {
        "sparkSubmit": {
            "entryPoint": "s3://bucket/job.py",
            "entryPointArguments": ["--day", "{{ .inputs.day }}", "--count={{ .inputs.count }}"],
            "sparkSubmitParameters": "--conf spark.executor.cores={{.inputs.cores}}",
        }
    },
    "configurationOverrides": {
        "applicationConfiguration": [
            {
                "classification": "spark-defaults",
                "properties": {"spark.app.name": "day-{{ .inputs.day }}"},
                "configurations": [{"classification": "inner", "properties": {}}],
            }
        ],
        "monitoringConfiguration": {
            "s3MonitoringConfiguration": {"logUri": "s3://bucket/logs/", "encryptionKeyArn": KEY},
            "managedPersistenceMonitoringConfiguration": {"enabled": False},
            "cloudWatchLoggingConfiguration": {
                "enabled": True,
                "logGroupName": "/aws/emr-serverless",
                "logStreamNamePrefix": "team",
                "logTypes": {"SPARK_DRIVER": ["STDOUT", "STDERR"]},
            },
            "prometheusMonitoringConfiguration": {
                "remoteWriteUrl": "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write"
            },
        },
        "diskEncryptionConfiguration": {"encryptionContext": {"team": "a"}, "encryptionKeyArn": KEY},
    },
    "tags": {"team": "a"},
    "executionTimeoutMinutes": 90,
    "name": "the report",
    "mode": "BATCH",
    "retryPolicy": {"maxAttempts": 2, "maxFailedAttemptsPerHour": 1},
}
INPUTS: Mapping[str, Value] = {"day": "2026-01-31", "count": 3, "cores": 4}


def request(
    spec: Mapping[str, Any], inputs: Mapping[str, Value] | None = None, run_deadline_s: float | None = None
) -> CreateRequest[ServerlessSpec]:
    uid = new_uid(1_800_000_000.0)
    return CreateRequest(
        name=remote_name(owner="us", uid=uid, attempt=1),
        owner="us",
        uid=uid,
        attempt=1,
        spec=ServerlessSpec.model_validate(spec),
        inputs=inputs or {},
        labels={"project": "reports"},
        connection=Connection(name="aws"),
        run_deadline_s=run_deadline_s,
    )


def started(
    spec: Mapping[str, Any],
    inputs: Mapping[str, Value] | None = None,
    run_deadline_s: float | None = None,
    **settings: object,
) -> dict[str, Any]:
    given = AwsSettings.model_validate(settings)
    return dict(start_input(request(spec, inputs, run_deadline_s), "00app", given))


def model_shape() -> Any:
    return Session().get_service_model("emr-serverless").operation_model("StartJobRun").input_shape


def snake(value: Any) -> Any:
    """Field names in snake case, at any depth; keys of maps stay."""
    if isinstance(value, dict):
        words = {k: "".join("_" + c.lower() if c.isupper() else c for c in k) for k in value}
        return {
            words[k] if k[:1].islower() and "." not in k else k: v
            if k in ("properties", "logTypes")
            else snake(v)
            for k, v in value.items()
        }
    return [snake(one) for one in value] if isinstance(value, list) else value


def test_every_field_of_the_api_is_taken_and_sent() -> None:
    made = started(FULL, INPUTS)
    shape = model_shape()
    assert set(made) == set(shape.members), "every field of StartJobRun, and no other"
    assert not ParamValidator().validate(made, shape).has_errors()
    driver = made["jobDriver"]["sparkSubmit"]
    assert driver["entryPointArguments"] == ["--day", "2026-01-31", "--count=3"]
    assert driver["sparkSubmitParameters"] == "--conf spark.executor.cores=4"
    properties = made["configurationOverrides"]["applicationConfiguration"][0]["properties"]
    assert properties == {"spark.app.name": "day-2026-01-31"}
    assert (
        made["configurationOverrides"]["monitoringConfiguration"]
        == FULL["configurationOverrides"]["monitoringConfiguration"]
    )


def test_snake_case_is_taken_alike() -> None:
    assert ServerlessSpec.model_validate(snake(FULL)) == ServerlessSpec.model_validate(FULL)


def test_our_name_and_token_are_those_of_the_attempt() -> None:
    asked = request(FULL, INPUTS)
    made = start_input(asked, "00app", AwsSettings())
    assert made["name"] == made["clientToken"] == asked.name
    assert start_input(asked, "00app", AwsSettings()) == made, "a repeated create is the same request"
    assert made["tags"] == {
        "team": "a",
        "project": "reports",
        "propwash-owner": "us",
        "propwash-execution": asked.uid,
        "propwash-attempt": "1",
        "propwash-name": "the report",
    }
    assert len(asked.name) <= 64


def test_a_request_of_another_client_is_sent_as_it_was() -> None:
    driver = {"sparkSubmit": {"entryPoint": "s3://b/{{ .inputs.x }}.py"}}
    spec = {"jobDriver": driver, "foreignToken": "t", "name": "etl", "tags": {"a": "b"}}
    asked = {**spec, "executionRoleArn": ROLE, "executionTimeoutMinutes": 60}
    assert started(asked, run_deadline_s=60.0) == {
        "applicationId": "00app",
        "clientToken": "t",
        "executionRoleArn": ROLE,
        "executionTimeoutMinutes": 60,
        "jobDriver": driver,
        "name": "etl",
        "tags": {"a": "b"},
    }


def test_what_differs_is_a_tag_where_there_is_room() -> None:
    made = started({"jobDriver": SPARK, "executionRoleArn": ROLE})
    tags = telling(made, ("releaseLabel", "architecture"))["tags"]
    assert isinstance(tags, dict)
    assert tags["propwash-application-differs"] == "releaseLabel architecture"
    assert telling(made, ()) == made
    full = {**made, "tags": {str(number): "" for number in range(50)}}
    assert telling(full, ("releaseLabel",)) == full


def test_a_description_serves_an_application_that_is_named_without_a_release() -> None:
    for named in ("applicationId", "applicationName"):
        spec = {"jobDriver": SPARK, named: "a", "application": {"name": "etl"}}
        assert ServerlessSpec.model_validate(spec).described_name is None


@pytest.mark.parametrize(
    ("of_spec", "deadline_s", "minutes"),
    [
        (None, None, None),
        (90, None, 90),
        (0, None, 0),
        (None, 1.0, 1),
        (None, 60.0, 1),
        (None, 60.1, 2),
        (90, 60 * 45.0, 45),
        (30, 60 * 45.0, 30),
        (0, 120.0, 2),
        (None, 1e12, 1_000_000),
    ],
)
def test_the_shorter_of_both_timeouts_counts(
    of_spec: int | None, deadline_s: float | None, minutes: int | None
) -> None:
    assert timeout_minutes(of_spec, deadline_s) == minutes


def test_the_connection_s_role_holds_where_the_spec_names_none() -> None:
    assert started({"jobDriver": SPARK}, execution_role_arn=ROLE)["executionRoleArn"] == ROLE
    with pytest.raises(Permanent) as raised:
        started({"jobDriver": SPARK})
    assert raised.value.reason == "EXECUTION_ROLE_MISSING"


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"sparkSubmit": {"entryPoint": "{{ .inputs.where }}"}}, "jobDriver.sparkSubmit.entryPoint"),
        (
            {"sparkSubmit": {"entryPoint": "x", "entryPointArguments": ["a", "{{.inputs.where}}"]}},
            "jobDriver.sparkSubmit.entryPointArguments[1]",
        ),
        ({"hive": {"query": "{{ .inputs.where }}"}}, "jobDriver.hive.query"),
        (
            {"hive": {"query": "x", "parameters": "--hiveconf a={{ .inputs.where }}"}},
            "jobDriver.hive.parameters",
        ),
    ],
)
def test_an_unknown_input_is_refused_with_its_path(spec: dict[str, Any], path: str) -> None:
    with pytest.raises(Permanent) as raised:
        started({"jobDriver": spec, "executionRoleArn": ROLE}, {"other": 1})
    assert raised.value.reason == "INVALID_INPUTS"
    assert path in raised.value.message
    assert "where" in raised.value.message


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"jobDriver": {}},
        {"jobDriver": {**SPARK, "hive": {"query": "x"}}},
        {"jobDriver": SPARK, "job_driver": SPARK},
        {"jobDriver": SPARK, "applicationId": "a", "applicationName": "b"},
        {"jobDriver": SPARK, "applicationId": "a b"},
        {"jobDriver": SPARK, "executionRoleArn": "runs"},
        {"jobDriver": SPARK, "executionTimeoutMinutes": "90"},
        {"jobDriver": SPARK, "executionTimeoutMinutes": -1},
        {"jobDriver": SPARK, "mode": "SOMETIMES"},
        {"jobDriver": SPARK, "tags": {"propwash-owner": "them"}},
        {"jobDriver": SPARK, "tags": {str(number): "" for number in range(47)}},
        {"jobDriver": SPARK, "clientToken": "mine"},
        {"jobDriver": SPARK, "foreignToken": "a b"},
        {"jobDriver": SPARK, "foreignToken": "t", "application": {"architecture": "ARM64"}},
        {"jobDriver": {"command": {"arguments": ["a"]}}, "foreignToken": "t"},
        {"jobDriver": {"command": {"arguments": []}}},
        {"jobDriver": {**SPARK, "command": {"arguments": ["a"]}}},
        {"jobDriver": SPARK, "application": {"name": "etl"}},
        {"jobDriver": SPARK, "retryPolicy": {"maxAttempts": 0}},
        {"jobDriver": {"sparkSubmit": {"entryPoint": "  "}}},
    ],
)
def test_what_cannot_be_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        ServerlessSpec.model_validate(spec)
