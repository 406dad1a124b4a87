"""Every field of EMR Serverless tasks of Flyte's SDK becomes a field of the spec, or is refused by its name."""

from __future__ import annotations

from typing import Any

import pytest

from propwash.sdk import FlyteDone
from propwash_aws.serverless.flyte import FIELDS
from tests.flyte.emr_templates import (
    APPLICATION,
    ARGUMENTS,
    FLYTE,
    FLYTE_OPTIONS,
    HIVE,
    IMAGE,
    OTHER_IMAGE,
    PYTHON_OPTIONS,
    ROLE,
    SPARK,
    TASKS,
    asked,
    described,
    script,
)

SDK = (
    "execution_role_arn application_id release_label application_type application_name sync_image inject_flyte_env "
    "spark_job_driver hive_job_driver spark_submit_parameters application_configuration runtime_configuration "
    "scheduler_configuration auto_stop_config architecture retry_policy configuration_overrides tags "
    "execution_timeout_minutes initial_capacity maximum_capacity network_configuration image_configuration region"
)
"""dataclasses.fields(EMRServerless) of flytekitplugins-awsemrserverless 1.16.31."""


def test_the_fields_are_those_of_the_sdk() -> None:
    assert sorted(FIELDS) == sorted(SDK.split())


def test_a_script_on_an_application_that_exists_says_nothing_of_it() -> None:
    assert script() == {
        "applicationId": APPLICATION,
        "executionRoleArn": ROLE,
        "executionTimeoutMinutes": 60,
        "jobDriver": {"sparkSubmit": SPARK},
    }


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("execution_role_arn", "arn:aws:iam::123456789012:role/other", "executionRoleArn"),
        ("execution_timeout_minutes", 7, "executionTimeoutMinutes"),
        (
            "configuration_overrides",
            {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://b/"}}},
            "configurationOverrides",
        ),
        ("retry_policy", {"maxAttempts": 3}, "retryPolicy"),
        ("tags", {"t": "1"}, "tags"),
        ("application_id", "a-name", "applicationId"),
        ("application_name", "etl", "application.name"),
        ("release_label", "emr-7.5.0", "application.releaseLabel"),
        ("architecture", "ARM64", "application.architecture"),
        ("initial_capacity", {"Driver": {"workerCount": 2}}, "application.initialCapacity"),
        ("maximum_capacity", {"cpu": "4 vCPU", "memory": "16 GB"}, "application.maximumCapacity"),
        ("network_configuration", {"subnetIds": ("subnet-1",)}, "application.networkConfiguration"),
        ("image_configuration", {"imageUri": IMAGE}, "application.imageConfiguration"),
        ("auto_stop_config", {"enabled": False}, "application.autoStopConfiguration"),
        (
            "runtime_configuration",
            ({"classification": "spark-defaults", "properties": {"a": "b"}},),
            "application.runtimeConfiguration",
        ),
        ("scheduler_configuration", {"maxConcurrentRuns": 2}, "application.schedulerConfiguration"),
    ],
)
def test_a_field_has_its_place_in_the_spec(field: str, value: Any, path: str) -> None:
    found: Any = script(**{field: value})
    for name in path.split("."):
        found = found[name]
    assert found == value


def test_the_region_chooses_the_connection() -> None:
    custom = {"application_id": APPLICATION, "spark_job_driver": SPARK, "region": "eu-west-1"}
    assert asked(custom).account == {"region": "eu-west-1"}
    assert asked({**custom, "region": None}).account == {}


@pytest.mark.parametrize(
    ("custom", "expected"),
    [
        ({}, "--conf x=y --conf a=b"),
        ({"spark_job_driver": {"entryPoint": "s3://b/m.py"}}, "--conf a=b"),
    ],
)
def test_spark_submit_parameters_follow_those_of_the_driver(custom: dict[str, Any], expected: str) -> None:
    made: Any = script(spark_submit_parameters="--conf a=b", **custom)
    assert made["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"] == expected


def test_application_configuration_is_the_run_s_and_follows_its_overrides() -> None:
    first, second = ({"classification": name, "properties": {"a": "b"}} for name in ("x", "y"))
    made: Any = script(
        configuration_overrides={"applicationConfiguration": [first]}, application_configuration=[second]
    )
    assert made["configurationOverrides"] == {"applicationConfiguration": (first, second)}
    made = script(application_configuration=[second])
    assert made["configurationOverrides"] == {"applicationConfiguration": (second,)}


def test_a_hive_script_is_hive_whatever_the_type_says() -> None:
    for kind in ("SPARK", "HIVE"):
        custom = {"application_id": APPLICATION, "hive_job_driver": HIVE, "application_type": kind}
        made = asked(custom, environment=FLYTE).spec
        assert made["jobDriver"] == {"hive": HIVE}
        assert "configurationOverrides" not in made


def test_an_application_by_name_is_described_in_full_and_kept_up_to_date() -> None:
    assert described(tags={"t": "1"}) == {
        "name": "etl",
        "releaseLabel": "emr-7.0.0",
        "tags": {"t": "1"},
        "ifDifferent": "UPDATE",
    }
    assert described(sync_image=False)["ifDifferent"] == "REFUSE"
    custom: dict[str, Any] = {"application_name": "etl", "spark_job_driver": SPARK}
    made: Any = asked(custom, image=IMAGE).spec
    assert made["application"]["imageConfiguration"] == {"imageUri": IMAGE}
    made = asked({**custom, "image_configuration": {"imageUri": OTHER_IMAGE}}, image=IMAGE).spec
    assert made["application"]["imageConfiguration"] == {"imageUri": OTHER_IMAGE}


@pytest.mark.parametrize(("is_synced", "expected"), [(True, "UPDATE_IMAGE"), (False, "RUN")])
def test_of_an_application_that_exists_the_image_alone_is_kept_up_to_date(
    is_synced: bool, expected: str
) -> None:
    made: Any = script(sync_image=is_synced, image_configuration={"imageUri": IMAGE}, architecture="ARM64")
    assert made["application"] == {
        "imageConfiguration": {"imageUri": IMAGE},
        "architecture": "ARM64",
        "ifDifferent": expected,
    }
    # A script's container is not what runs.
    custom = {"application_id": APPLICATION, "spark_job_driver": SPARK, "sync_image": is_synced}
    assert "application" not in asked(custom, image=IMAGE).spec


@pytest.mark.parametrize("is_told", [True, False])
def test_flyte_s_environment_reaches_driver_and_executors_where_it_is_wanted(is_told: bool) -> None:
    custom = {"application_id": APPLICATION, "spark_job_driver": SPARK, "inject_flyte_env": is_told}
    made: Any = asked(custom, environment=FLYTE, env={"OF_CONTAINER": "x"}).spec
    expected = f"--conf x=y {FLYTE_OPTIONS}" if is_told else "--conf x=y"
    assert made["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"] == expected
    assert made["name"] == "flows.etl"


def test_a_value_with_blanks_is_a_property() -> None:
    custom: dict[str, Any] = {"application_id": APPLICATION, "spark_job_driver": SPARK}
    environment = {"OPTIONS": "-Xmx1g -Da='b'", "SAFE": "a=b"}
    made: Any = asked(custom, environment=environment).spec
    assert made["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"] == (
        "--conf x=y --conf spark.emr-serverless.driverEnv.SAFE=a=b --conf spark.executorEnv.SAFE=a=b"
    )
    properties = {
        "spark.emr-serverless.driverEnv.OPTIONS": "-Xmx1g -Da='b'",
        "spark.executorEnv.OPTIONS": "-Xmx1g -Da='b'",
    }
    defaults = {"classification": "spark-defaults", "properties": properties}
    assert made["configurationOverrides"] == {"applicationConfiguration": (defaults,)}
    own = {"classification": "spark-defaults", "properties": {"spark.executorEnv.OPTIONS": "mine"}}
    made = asked({**custom, "application_configuration": [own]}, environment=environment).spec
    (merged,) = made["configurationOverrides"]["applicationConfiguration"]
    assert merged["properties"] == {**properties, "spark.executorEnv.OPTIONS": "mine"}


def test_a_python_function_is_a_command() -> None:
    made = asked(
        {"application_id": APPLICATION, "spark_submit_parameters": "--conf a=b"},
        image=IMAGE,
        env={"FOO": "bar"},
        environment=FLYTE,
        inputs={"n": 7},
    )
    spec: Any = made.spec
    foo = "--conf spark.emr-serverless.driverEnv.FOO=bar --conf spark.executorEnv.FOO=bar"
    assert spec["jobDriver"] == {
        "command": {
            "arguments": ARGUMENTS,
            "sparkSubmitParameters": f"--conf a=b {PYTHON_OPTIONS} {foo} {FLYTE_OPTIONS}",
        }
    }
    assert spec["application"] == {"imageConfiguration": {"imageUri": IMAGE}, "ifDifferent": "UPDATE_IMAGE"}
    assert made.inputs == {}


def test_the_python_that_runs_is_the_user_s_where_it_is_named() -> None:
    own = "--conf spark.executorEnv.PYSPARK_PYTHON=/opt/python"
    made: Any = asked({"application_id": APPLICATION, "spark_submit_parameters": own}, image=IMAGE).spec
    line = made["jobDriver"]["command"]["sparkSubmitParameters"]
    assert line.count("spark.executorEnv.PYSPARK_PYTHON=") == 1
    assert line.count("PYSPARK") == 3


def test_a_function_may_run_in_whatever_image_its_application_has() -> None:
    made = asked({"application_id": APPLICATION, "sync_image": False}).spec
    assert "application" not in made


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        ({"sparkSubmit": SPARK}, {}),
        ({"hive": HIVE}, {}),
        ({"command": {"arguments": ARGUMENTS}}, None),
        # As Flyte's own connector submits a function.
        ({"sparkSubmit": {"entryPoint": "s3://b/e.py", "entryPointArguments": ARGUMENTS}}, None),
        ({"sparkSubmit": {"entryPoint": "s3://b/e.py", "entryPointArguments": []}}, {}),
        (None, {}),
    ],
)
def test_a_function_wrote_its_own_outputs(driver: Any, expected: Any) -> None:
    done = FlyteDone(outputs={"job_run_id": "r"}, spec={"jobDriver": driver}, settings={}, is_v2=False)
    assert TASKS.outputs(done) == expected
