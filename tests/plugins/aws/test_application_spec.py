"""EMR Serverless: what a description of an application takes and refuses, and how one that is there differs from it."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
from botocore.session import Session  # type: ignore[import-untyped]  # botocore has no types
from botocore.validate import ParamValidator  # type: ignore[import-untyped]  # as above

from propwash_aws.serverless.application_spec import ApplicationSpec
from propwash_aws.serverless.differing import differences, told

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/spark:v1"
FULL: dict[str, Any] = {
    "name": "etl",
    "releaseLabel": "emr-7.5.0",
    "architecture": "ARM64",
    "imageConfiguration": {"imageUri": IMAGE, "applicationLevelDigestResolution": True},
    "workerTypeSpecifications": {"Driver": {"imageConfiguration": {"imageUri": IMAGE}}},
    "initialCapacity": {
        "Driver": {
            "workerCount": 2,
            "workerConfiguration": {
                "cpu": "4vCPU",
                "memory": "16 GB",
                "disk": "20GB",
                "diskType": "Standard",
            },
        }
    },
    "maximumCapacity": {"cpu": "400 vCPU", "memory": "3000GB", "disk": "20000 GB"},
    "autoStartConfiguration": {"enabled": True},
    "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 30},
    "networkConfiguration": {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]},
    "runtimeConfiguration": [{"classification": "spark-defaults", "properties": {"a.secret": "hidden"}}],
    "schedulerConfiguration": {"queueTimeoutMinutes": 60, "maxConcurrentRuns": 5},
    "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://bucket/logs/"}},
    "diskEncryptionConfiguration": {"encryptionContext": {"team": "a"}},
    "interactiveConfiguration": {
        "studioEnabled": False,
        "livyEndpointEnabled": False,
        "sessionEnabled": False,
    },
    "identityCenterConfiguration": {
        "identityCenterInstanceArn": "arn:aws:sso:::instance/ssoins-1234567890abcdef",
        "userBackgroundSessionsEnabled": True,
    },
    "jobLevelCostAllocationConfiguration": {"enabled": True},
    "tags": {"team": "a"},
}


def described(**fields: Any) -> ApplicationSpec:
    return ApplicationSpec.model_validate(fields)


def told_of(found: dict[str, Any], **fields: Any) -> str:
    return told(differences(described(**fields), found))


def test_every_field_of_the_api_is_taken() -> None:
    shape = Session().get_service_model("emr-serverless").operation_model("CreateApplication").input_shape
    sent = described(**FULL).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert sent.pop("ifDifferent") == "REFUSE"
    assert sent == FULL
    # The type is the job driver's, the token ours.
    made = {**sent, "type": "SPARK", "clientToken": "t"}
    assert set(made) == set(shape.members)
    assert not ParamValidator().validate(made, shape).has_errors()


def test_every_field_that_may_differ_can_be_updated() -> None:
    shape = Session().get_service_model("emr-serverless").operation_model("UpdateApplication").input_shape
    assert set(FULL) - {"name", "tags"} <= set(shape.members)


@pytest.mark.parametrize(
    "fields",
    [
        {"imageConfiguration": {"imageUri": "ghcr.io/team/spark:v1"}},
        {"imageConfiguration": {"imageUri": IMAGE + "\n"}},
        {"initialCapacity": {"Driver": {"workerCount": 2.5}}},
        {"initialCapacity": {"Driver": {"workerCount": 0}}},
        {"initialCapacity": {"Driver 1": {"workerCount": 1}}},
        {"maximumCapacity": {"cpu": "400 vCPU"}},
        {"maximumCapacity": {"cpu": "many", "memory": "1 GB"}},
        {"architecture": "SPARC"},
        {"name": "a name"},
        {"type": "SPARK"},
        {"clientToken": "mine"},
        {"ifDifferent": "SOMETIMES"},
        {"tags": {"propwash-owner": "them"}},
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        described(**fields)


def test_an_application_that_is_as_described_does_not_differ() -> None:
    found = {
        **FULL,
        "initialCapacity": {
            "Driver": {
                "workerCount": 2,
                "workerConfiguration": {
                    "cpu": "4 vCPU",
                    "memory": "16 GB",
                    "disk": "20 GB",
                    "diskType": "STANDARD",
                },
            }
        },
        "networkConfiguration": {"subnetIds": ["subnet-2", "subnet-1"], "securityGroupIds": ["sg-1"]},
        "imageConfiguration": {**FULL["imageConfiguration"], "resolvedImageDigest": "sha256:0"},
        "tags": {"other": "x"},
        "state": "STARTED",
    }
    assert differences(described(**FULL), found) == ()
    assert differences(described(architecture="X86_64"), {}) == ()
    assert differences(described(), FULL) == ()


@pytest.mark.parametrize(
    ("fields", "found", "said"),
    [
        ({"name": "etl"}, {"name": "elt"}, "name is elt, not etl"),
        (
            {"releaseLabel": "emr-7.5.0"},
            {"releaseLabel": "emr-7.0.0"},
            "releaseLabel is emr-7.0.0, not emr-7.5.0",
        ),
        ({"architecture": "ARM64"}, {}, "architecture is X86_64, not ARM64"),
        (
            {"imageConfiguration": {"imageUri": IMAGE}},
            {},
            f"imageConfiguration.imageUri is not set, not {IMAGE}",
        ),
        (
            {"maximumCapacity": {"cpu": "400vCPU", "memory": "3000 GB"}},
            {"maximumCapacity": {"cpu": "40 vCPU", "memory": "3000 GB", "disk": "20 GB"}},
            "maximumCapacity.cpu is 40 vCPU, not 400vCPU",
        ),
        (
            {"initialCapacity": {"Driver": {"workerCount": 1}}},
            {"initialCapacity": {"Driver": {"workerCount": 1}, "Executor": {"workerCount": 1}}},
            "initialCapacity.Executor is not described",
        ),
        (
            {"networkConfiguration": {"subnetIds": ["a"]}},
            {"networkConfiguration": {"subnetIds": ["a", "b"]}},
            "networkConfiguration.subnetIds is another",
        ),
        (
            {"autoStopConfiguration": {"idleTimeoutMinutes": 30}},
            {"autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15}},
            "autoStopConfiguration.idleTimeoutMinutes is 15, not 30",
        ),
        (
            {"schedulerConfiguration": {"maxConcurrentRuns": 5}},
            {"schedulerConfiguration": "?"},
            "schedulerConfiguration.maxConcurrentRuns is not set, not 5",
        ),
    ],
)
def test_what_differs_is_told(fields: dict[str, Any], found: dict[str, Any], said: str) -> None:
    assert told_of(found, **fields) == said


def test_settings_are_not_shown() -> None:
    found = {"runtimeConfiguration": [{"classification": "spark-defaults", "properties": {"a.secret": "x"}}]}
    assert (
        told_of(found, runtimeConfiguration=FULL["runtimeConfiguration"]) == "runtimeConfiguration is another"
    )


def test_a_long_list_of_differences_is_cut() -> None:
    said = told_of({}, **{name: one for name, one in FULL.items() if name != "tags"})
    assert said.endswith(" more")
    assert len(said) < 1000
