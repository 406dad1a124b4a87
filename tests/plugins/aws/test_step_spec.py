"""What a step's spec takes and refuses, and what is sent of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pydantic
import pytest

from propwash.sdk import CreateRequest, Permanent, Unavailable, Value
from propwash_aws.steps.keys import Place, StepKey, read_hint, read_meta
from propwash_aws.steps.spec import StepSpec
from propwash_aws.steps.submission import step_config
from tests.plugins.aws.emr_fake import FakeEmr
from tests.plugins.aws.emr_requests import new_name, step_handler, step_request

SCRIPT = {"script": "s3://b/{{ .inputs.day }}.q", "args": ["-d", "DAY={{.inputs.day}}"]}


def jar_of(request: CreateRequest[StepSpec]) -> object:
    return step_config(request)["HadoopJarStep"]


def test_api_names_and_snake_case_mean_the_same() -> None:
    api = {
        "cluster_id": "j-1",
        "HadoopJarStep": {"Jar": "a.jar", "Args": ["x"], "MainClass": "M", "Properties": {"k": "v"}},
        "ActionOnFailure": "CANCEL_AND_WAIT",
        "StepCancellationOption": "TERMINATE_PROCESS",
        "StepMonitoringConfiguration": {"S3MonitoringConfiguration": {"LogUri": "s3://logs/"}},
    }
    snake: dict[str, Any] = {
        "cluster_id": "j-1",
        "hadoop_jar_step": {"jar": "a.jar", "args": ["x"], "main_class": "M", "properties": {"k": "v"}},
        "action_on_failure": "CANCEL_AND_WAIT",
        "step_cancellation_option": "TERMINATE_PROCESS",
        "step_monitoring_configuration": {"s3_monitoring_configuration": {"log_uri": "s3://logs/"}},
    }
    assert StepSpec.model_validate(api) == StepSpec.model_validate(snake)
    request = step_request(FakeEmr(), **snake)
    assert step_config(request) == {
        "Name": request.name,
        "ActionOnFailure": "CANCEL_AND_WAIT",
        "HadoopJarStep": {
            "Jar": "a.jar",
            "Args": ["x"],
            "MainClass": "M",
            "Properties": [{"Key": "k", "Value": "v"}],
        },
        "StepMonitoringConfiguration": {"S3MonitoringConfiguration": {"LogUri": "s3://logs/"}},
    }


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"cluster_id": "j-1"},
        {"spark_submit": ["a"]},
        {"cluster_id": "j-1", "cluster_name": "etl", "spark_submit": ["a"]},
        {"cluster_id": "j-1", "spark_submit": ["a"], "hive_script": {"script": "s3://x"}},
        {"cluster_id": "j-1", "spark_submit": []},
        {"cluster_id": "etl", "spark_submit": ["a"]},
        {"cluster_id": "j-1", "spark_submit": ["a"], "action_on_failure": "IGNORE"},
        {"cluster_id": "j-1", "spark_submit": ["a"], "execution_role_arn": "a role"},
        {"cluster_id": "j-1", "spark_submit": ["a"], "cluster_states": ["TERMINATED"]},
        {
            "cluster_id": "j-1",
            "spark_submit": ["a"],
            "ActionOnFailure": "CONTINUE",
            "action_on_failure": "CONTINUE",
        },
        {"cluster_id": "j-1", "spark_submit": ["a"], "misspelt": 1},
        {"cluster_name": "x" * 201, "spark_submit": ["a"]},
        {"cluster_name": "ü" * 101, "spark_submit": ["a"]},
    ],
)
def test_spec_is_refused(spec: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        StepSpec.model_validate(spec)


@pytest.mark.parametrize("name", ["x" * 200, "ü" * 100, '"' * 100, "etl nightly"])
def test_hint_of_the_longest_names_fits(name: str) -> None:
    emr = FakeEmr()
    request = step_request(emr, cluster_name=name, step_cancellation_option="TERMINATE_PROCESS")
    hint = step_handler(emr).hint(request.connection, request.spec)
    assert len(hint) <= 256
    assert read_hint(hint) == Place("", name, "TERMINATE_PROCESS")


def test_scripts_are_run_by_the_command_runner() -> None:
    day = {"day": "2026-01-02"}
    hive = jar_of(step_request(FakeEmr(), cluster_id="j-1", hive_script=SCRIPT, inputs=day))
    assert hive == {
        "Jar": "command-runner.jar",
        "Args": [
            "hive-script",
            "--run-hive-script",
            "--args",
            "-f",
            "s3://b/2026-01-02.q",
            "-d",
            "DAY=2026-01-02",
        ],
    }
    pig = jar_of(step_request(FakeEmr(), cluster_id="j-1", pig_script={"script": "s3://b/p"}))
    assert pig == {
        "Jar": "command-runner.jar",
        "Args": ["pig-script", "--run-pig-script", "--args", "-f", "s3://b/p"],
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (0.5, "0.5"),
        (True, "true"),
        ("{{ .inputs.x }}", "{{ .inputs.x }}"),
        (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "2026-01-02T00:00:00Z"),
        ([1, 2], "[1,2]"),
    ],
)
def test_inputs_are_filled_in_once(value: Value, text: str) -> None:
    jar = {"jar": "a.jar", "args": ["-x={{ .inputs.x }}"], "properties": {"p": "{{.inputs.x}}"}}
    request = step_request(FakeEmr(), cluster_id="j-1", hadoop_jar_step=jar, inputs={"x": value})
    assert jar_of(request) == {
        "Jar": "a.jar",
        "Args": [f"-x={text}"],
        "Properties": [{"Key": "p", "Value": text}],
    }


@pytest.mark.parametrize("inputs", [{}, {"x": None}, {"x": b"raw"}])
def test_input_that_cannot_be_filled_in_is_refused_with_its_path(inputs: dict[str, Value]) -> None:
    request = step_request(FakeEmr(), cluster_id="j-1", spark_submit=["a", "{{ .inputs.x }}"], inputs=inputs)
    with pytest.raises(Permanent) as raised:
        step_config(request)
    assert raised.value.reason == "INVALID_INPUTS"
    assert "spark_submit[1]" in raised.value.message


def test_step_that_inputs_make_too_long_is_refused() -> None:
    request = step_request(
        FakeEmr(), cluster_id="j-1", spark_submit=["{{ .inputs.x }}"], inputs={"x": "y" * 10_240}
    )
    with pytest.raises(Permanent) as raised:
        step_config(request)
    assert raised.value.reason == "STEP_TOO_LONG"


def test_meta_is_small_and_read_again() -> None:
    key = StepKey("j-2AXXXXXXGAPLF", "s-2AXXXXXXGAPLF", new_name(FakeEmr()))
    assert read_meta(key.meta()) == key
    assert len(key.meta()) < 200


@pytest.mark.parametrize("data", [b"", b"{}", b"[2]", b"\xff", b'[1,"a"]'])
def test_strange_meta_and_hint_are_no_answer(data: bytes) -> None:
    with pytest.raises(Unavailable):
        read_meta(data)
    if data:
        with pytest.raises(Unavailable):
            read_hint(data)


async def test_validate_looks_at_the_cluster() -> None:
    emr = FakeEmr()
    handler = step_handler(emr)
    await handler.validate(step_request(emr, cluster_id=emr.add_cluster()))
    for cluster in ("j-NEVER", emr.add_cluster(state="TERMINATED")):
        with pytest.raises(Permanent) as raised:
            await handler.validate(step_request(emr, cluster_id=cluster))
        assert raised.value.reason == "CLUSTER_GONE"
    with pytest.raises(Permanent):
        await handler.validate(step_request(emr, cluster_name="none"))
    assert emr.count("AddJobFlowSteps") == 0
    await handler.close()


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
def test_link_is_of_the_partition(region: str, host: str) -> None:
    emr = FakeEmr()
    request = step_request(emr, cluster_id="j-1")
    connection = type(request.connection)(name="x", settings={"region": region})
    (link,) = step_handler(emr).links(connection, request.name, request.spec)
    assert link.uri == f"https://{host}/emr/home?region={region}#/clusterDetails/j-1"


def test_no_region_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    request = step_request(FakeEmr(), cluster_id="j-1")
    connection = type(request.connection)(name="x")
    assert step_handler(FakeEmr()).links(connection, request.name, request.spec) == ()
