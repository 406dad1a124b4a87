"""Templates of EMR Serverless tasks that can never run are refused, and the field is named."""

from __future__ import annotations

from typing import Any

import pytest

from propwash.sdk import FlyteContainer, FlyteTask, TemplateError
from tests.flyte.emr_templates import ALWAYS, APPLICATION, HIVE, IMAGE, SPARK, TASKS, asked, script


def test_a_field_that_is_not_known_is_refused() -> None:
    with pytest.raises(TemplateError, match=r"^custom\.no_such_field: is none of"):
        script(no_such_field=1)


@pytest.mark.parametrize(
    ("custom", "said"),
    [
        ({}, "custom.application_id: is missing"),
        ({"application_id": "", "application_name": ""}, "custom.application_id: is missing"),
        (
            {"application_id": "a"},
            "container.image: is cr.flyte.org/flyteorg/flytekit:py3.11, and should be in",
        ),
        ({"application_name": "a", "sync_image": False}, "container.image: is cr.flyte.org"),
        (
            {"application_id": "a", "spark_job_driver": SPARK, "hive_job_driver": HIVE},
            "custom: should have one of spark_job_driver and hive_job_driver, not both",
        ),
        ({"application_id": "a", "spark_job_driver": "x"}, "custom.spark_job_driver: should be an object"),
        (
            {"application_id": "a", "spark_job_driver": {"sparkSubmitParameters": 7}},
            "custom.spark_job_driver.sparkSubmitParameters: should be a text",
        ),
        ({"application_id": "a", "application_type": "FLINK"}, "custom.application_type: should be SPARK or"),
        (
            {"application_id": "a", "application_type": "HIVE", "spark_job_driver": SPARK},
            "custom.hive_job_driver: is missing",
        ),
        (
            {"application_id": "a", "hive_job_driver": HIVE, "spark_submit_parameters": "--conf a=b"},
            "custom.spark_submit_parameters: is for Spark",
        ),
        ({"application_id": "a", "spark_submit_parameters": 7}, "custom.spark_submit_parameters: should be"),
        ({"application_id": "a", "spark_job_driver": SPARK, "region": 7}, "custom.region: should be a text"),
        (
            {
                "application_id": "a",
                "spark_job_driver": SPARK,
                "application_configuration": {"classification": "x"},
            },
            "custom.application_configuration: should be a list",
        ),
        (
            {
                "application_id": "a",
                "spark_job_driver": SPARK,
                "application_configuration": [{"classification": "x"}],
                "configuration_overrides": 7,
            },
            "custom.configuration_overrides: should be an object",
        ),
    ],
)
def test_what_can_never_run_is_refused_by_its_name(custom: dict[str, Any], said: str) -> None:
    with pytest.raises(TemplateError) as raised:
        asked(custom)
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"A": "two\nlines"}, "environment.A: should have no line breaks"),
        ({"A": "x y" * 400}, "environment.A: should have no line breaks"),
        ({"A": "back\\slash"}, "environment.A: should have no line breaks"),
        ({"A B": "x"}, "environment.A B: should have a name without blanks"),
    ],
)
def test_a_variable_that_spark_cannot_take_is_refused(environment: dict[str, str], said: str) -> None:
    custom = {"application_id": APPLICATION, "spark_job_driver": SPARK}
    with pytest.raises(TemplateError) as raised:
        asked(custom, environment=environment)
    assert str(raised.value).startswith(said)
    asked({**custom, "inject_flyte_env": False}, environment=environment)


def test_a_function_without_a_container_is_refused() -> None:
    for container in (None, FlyteContainer(image=IMAGE)):
        task = FlyteTask(
            task_type="emr_serverless", custom={**ALWAYS, "application_id": "a"}, container=container
        )
        with pytest.raises(TemplateError, match="or the template a container whose arguments run a Python"):
            TASKS.request(task)
