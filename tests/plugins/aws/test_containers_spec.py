"""EMR on EKS: what a spec takes and refuses, and the StartJobRun that it becomes."""

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
from propwash_aws.containers.spec import ContainersSpec
from propwash_aws.containers.submission import start_input

ROLE = "arn:aws:iam::123456789012:role/runs"
SPARK = {"sparkSubmitJobDriver": {"entryPoint": "s3://bucket/job.py"}}
FULL: dict[str, Any] = {
    "virtualClusterId": "abcdefghijklmnopqrstuvwxy",
    "executionRoleArn": ROLE,
    "releaseLabel": "emr-7.5.0-latest",
    "jobDriver": {
        "sparkSubmitJobDriver": {
            "entryPoint": "s3://bucket/job.py",
            "entryPointArguments": ["--count={{ .inputs.count }}"],
            "sparkSubmitParameters": "--conf spark.executor.instances=2",
        }
    },
    "configurationOverrides": {
        "applicationConfiguration": [
            {"classification": "spark-defaults", "properties": {"a": "{{ .inputs.count }}"}}
        ],
        "monitoringConfiguration": {
            "managedLogs": {"allowAWSToRetainLogs": "DISABLED"},
            "persistentAppUI": "ENABLED",
            "cloudWatchMonitoringConfiguration": {"logGroupName": "/emr", "logStreamNamePrefix": "team"},
            "s3MonitoringConfiguration": {"logUri": "s3://bucket/logs/"},
            "containerLogRotationConfiguration": {"rotationSize": "50M", "maxFilesToKeep": 5},
        },
    },
    "jobTemplateId": "abc123",
    "jobTemplateParameters": {"count": "{{ .inputs.count }}"},
    "retryPolicyConfiguration": {"maxAttempts": 2},
    "tags": {"team": "a"},
    "name": "the report",
}


def request(
    spec: Mapping[str, Any], inputs: Mapping[str, Value] | None = None
) -> CreateRequest[ContainersSpec]:
    uid = new_uid(1_800_000_000.0)
    return CreateRequest(
        name=remote_name(owner="us", uid=uid, attempt=1),
        owner="us",
        uid=uid,
        attempt=1,
        spec=ContainersSpec.model_validate(spec),
        inputs=inputs or {},
        labels={"project": "reports"},
        connection=Connection(name="aws"),
        run_deadline_s=3600.0,
    )


def started(
    spec: Mapping[str, Any], inputs: Mapping[str, Value] | None = None, **settings: object
) -> dict[str, Any]:
    return dict(start_input(request(spec, inputs), "vc1", AwsSettings.model_validate(settings)))


def test_every_field_of_the_api_is_taken_and_sent() -> None:
    made = started(FULL, {"count": 3})
    shape = Session().get_service_model("emr-containers").operation_model("StartJobRun").input_shape
    assert set(made) == set(shape.members), "every field of StartJobRun, and no other"
    assert not ParamValidator().validate(made, shape).has_errors()
    assert made["jobDriver"]["sparkSubmitJobDriver"]["entryPointArguments"] == ["--count=3"]
    assert made["jobTemplateParameters"] == {"count": "3"}
    assert made["configurationOverrides"]["applicationConfiguration"][0]["properties"] == {"a": "3"}
    monitoring = made["configurationOverrides"]["monitoringConfiguration"]
    assert monitoring == FULL["configurationOverrides"]["monitoringConfiguration"]


def test_our_name_and_token_are_those_of_the_attempt() -> None:
    asked = request(FULL, {"count": 3})
    made = start_input(asked, "vc1", AwsSettings())
    assert made["name"] == made["clientToken"] == asked.name
    assert start_input(asked, "vc1", AwsSettings()) == made, "a repeated create is the same request"
    assert made["tags"] == {
        "team": "a",
        "project": "reports",
        "propwash-owner": "us",
        "propwash-execution": asked.uid,
        "propwash-attempt": "1",
        "propwash-name": "the report",
    }


def test_the_role_is_the_spec_s_the_connection_s_or_the_template_s() -> None:
    driven = {"jobDriver": SPARK, "releaseLabel": "emr-7.5.0-latest"}
    assert started(driven, execution_role_arn=ROLE)["executionRoleArn"] == ROLE
    assert "executionRoleArn" not in started({"jobTemplateId": "abc"}, execution_role_arn=ROLE)
    with pytest.raises(Permanent) as raised:
        started(driven)
    assert raised.value.reason == "EXECUTION_ROLE_MISSING"


def test_an_unknown_input_is_refused_with_its_path() -> None:
    with pytest.raises(Permanent) as raised:
        started({"jobTemplateId": "abc", "jobTemplateParameters": {"a": "{{ .inputs.b }}"}})
    assert raised.value.reason == "INVALID_INPUTS"
    assert "jobTemplateParameters.a" in raised.value.message


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"jobDriver": SPARK},
        {"releaseLabel": "emr-7.5.0-latest"},
        {"jobDriver": {}, "releaseLabel": "emr-7.5.0-latest"},
        {"jobDriver": {**SPARK, "sparkSqlJobDriver": {}}, "releaseLabel": "emr-7.5.0-latest"},
        {"jobTemplateId": "abc", "virtualClusterId": "a", "virtualClusterName": "b"},
        {"jobTemplateId": "abc", "retryPolicyConfiguration": {}},
        {"jobTemplateId": "abc", "clientToken": "mine"},
        {"jobTemplateId": "abc", "tags": {"aws:a": "b"}},
        {"jobDriver": SPARK, "releaseLabel": "emr-7.5.0-latest", "jobTemplateParameters": {"a": "b"}},
    ],
)
def test_what_cannot_be_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        ContainersSpec.model_validate(spec)
