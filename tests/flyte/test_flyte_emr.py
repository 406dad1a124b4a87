"""EMR Serverless tasks of Flyte from end to end: applications that are made for them, and Python functions."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from google.protobuf import json_format

from propwash.core.model import ExecutionUid, RemoteName
from propwash.sandbox import FaultKind, MethodClass
from propwash.sandbox.faults import parse_rule
from propwash.sdk import CreateRequest
from propwash.sdk.testing import ask
from propwash_aws.sandbox import AwsStandIn
from tests.e2e.credential_scenes import LONG
from tests.flyte.flyte_callers import Flyte, flyte, template
from tests.plugins.aws.aws_sandbox_rig import ROLE, AwsRig

versions = pytest.mark.parametrize("is_v2", [False, True], ids=["v1", "v2"])
TYPE = "emr_serverless"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/spark:v1"
ARGUMENTS = ["pyflyte-execute", "--output-prefix", "s3://flyte/n0/data/0", "--prev-checkpoint", "", "--", "t"]
SPARK = {"entryPoint": "s3://b/m.py", "entryPointArguments": ["a"]}


def task(*, container: dict[str, Any] | None = None, **custom: Any) -> tasks_pb2.TaskTemplate:
    """A template with what the SDK always writes; its numbers are floats on the wire."""
    always = {
        "execution_role_arn": ROLE,
        "release_label": "emr-7.0.0",
        "application_type": "SPARK",
        "execution_timeout_minutes": 60.0,
        "sync_image": True,
        "inject_flyte_env": True,
    }
    given = container or {"image": IMAGE, "args": ARGUMENTS}
    return template(TYPE, custom={**always, **custom}, container=given)


def stand_in(there: Flyte) -> AwsStandIn:
    rig = there.world.scene.rig
    assert isinstance(rig, AwsRig)
    return rig.stand_in


def runs(there: Flyte, application: str) -> list[dict[str, Any]]:
    """The requests of all runs of an application."""
    return [dict(run.asked) for run in stand_in(there).serverless.runs.place(application).runs.values()]


def named(there: Flyte, name: str) -> list[Any]:
    return [one for one in stand_in(there).serverless.applications if one.asked.get("name") == name]


def loses(there: Flyte, *, limit: int) -> None:
    """From now on so many answers to creates are lost, of applications, objects and runs."""
    rule = {
        "kind": FaultKind.LOST_ANSWER,
        "probability": 1.0,
        "limit": limit,
        "methods": [MethodClass.CREATE],
    }
    there.world.scene.rig.world.faults.set([parse_rule(rule, where="test")], seed=0)


@versions
async def test_a_script_runs_on_an_application_that_is_made_for_it_once(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("aws", tmp_path, is_v2=is_v2) as there:
        loses(there, limit=3)
        capacity = {"Driver": {"workerConfiguration": {"cpu": "2vCPU", "memory": "4GB"}, "workerCount": 2.0}}
        custom: dict[str, Any] = {
            "application_name": "etl",
            "spark_job_driver": SPARK,
            "initial_capacity": capacity,
            "tags": {"t": "1"},
        }
        metas = [await there.create(task(**custom), node=f"s3://flyte/a8xk2/n{n}/data") for n in range(3)]
        for meta in metas:
            done = await there.passing(meta, TaskExecution.SUCCEEDED)
            assert done.HasField("outputs")
            assert not done.outputs.literals
        (made,) = named(there, "etl")
        assert made.first_asked["initialCapacity"]["Driver"]["workerCount"] == 2
        assert made.first_asked["imageConfiguration"] == {"imageUri": IMAGE}
        assert made.first_asked["tags"] == {"t": "1", "propwash-owner": "battery1"}
        asked = runs(there, made.id)
        assert len({one["clientToken"] for one in asked}) == len(asked) == 3
        options = asked[0]["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"].split(" --conf ")
        assert "spark.executorEnv.FLYTE_INTERNAL_EXECUTION_ID=a8xk2" in options


@versions
async def test_a_python_function_runs_in_its_image_and_writes_its_own_outputs(
    is_v2: bool, tmp_path: Path
) -> None:
    async with flyte("aws", tmp_path, is_v2=is_v2) as there:
        loses(there, limit=4)
        container = {"image": IMAGE, "args": ARGUMENTS, "env": [{"key": "FOO", "value": "bar"}]}
        metadata = agent_pb2.TaskExecutionMetadata(environment_variables={"TEAM": "a b"})
        metadata.task_execution_id.node_execution_id.node_id = "n0"
        metadata.task_execution_id.task_id.name = "flows.train"
        meta = await there.create(
            task(container=container, application_name="functions"), task_execution_metadata=metadata
        )
        done = await there.passing(meta, TaskExecution.SUCCEEDED)
        assert not done.HasField("outputs")
        (made,) = named(there, "functions")
        (asked,) = runs(there, made.id)
        ((bucket, key),) = stand_in(there).objects.stored
        submit = asked["jobDriver"]["sparkSubmit"]
        assert submit["entryPoint"] == f"s3://{bucket}/{key}"
        assert submit["entryPointArguments"] == [one or '""' for one in ARGUMENTS]
        assert asked["tags"]["propwash-name"] == "flows.train"
        options = submit["sparkSubmitParameters"].removeprefix("--conf ").split(" --conf ")
        variables = dict(one.split("=", 1) for one in options)
        for place in ("spark.emr-serverless.driverEnv", "spark.executorEnv"):
            told = {
                "PYSPARK_PYTHON": "/usr/bin/python3",
                "FOO": "bar",
                "FLYTE_INTERNAL_EXECUTION_ID": "a8xk2",
                "FLYTE_INTERNAL_EXECUTION_PROJECT": "sales",
                "FLYTE_INTERNAL_EXECUTION_DOMAIN": "prod",
                "FLYTE_INTERNAL_NODE_ID": "n0",
                "FLYTE_INTERNAL_TASK_NAME": "flows.train",
                "FLYTE_INTERNAL_TASK_RETRY_ATTEMPT": "0",
            }
            assert (
                told.items()
                <= {name.removeprefix(f"{place}."): value for name, value in variables.items()}.items()
            )
        (defaults,) = asked["configurationOverrides"]["applicationConfiguration"]
        assert defaults["properties"]["spark.executorEnv.TEAM"] == "a b"
        assert json_format.MessageToDict(done.custom_info)["outputs"]["image"] == IMAGE


async def test_what_is_not_permitted_fails_the_task_and_says_what_to_do(tmp_path: Path) -> None:
    async with flyte("aws", tmp_path, is_v2=False) as there:
        other = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/spark:v2"
        meta = await there.create(
            task(container={"image": other, "args": ARGUMENTS}, application_id="sandbox")
        )
        failed = await there.until(meta, TaskExecution.FAILED, TaskExecution.RETRYABLE_FAILED)
        assert failed.message.startswith("APPLICATION_DIFFERS: application 00sandboxapp differs from what is")
        assert "set updates_applications in the connection" in failed.message
        assert runs(there, "00sandboxapp") == []


# Tasks that Flyte's own connector began.


def pending(**more: Any) -> dict[str, Any]:
    """The meta of a task whose application was not started at its create, as that connector writes it."""
    request = {
        "execution_role_arn": ROLE,
        "job_driver": {"sparkSubmit": {"entryPoint": "s3://b/{{ .inputs.m }}.py"}},
        "configuration_overrides": None,
        "tags": {"Application": "flyte", "ManagedBy": "flyte-connector", **LONG},
        "execution_timeout_minutes": 60,
        "name": "flows.etl",
        "retry_policy": None,
        "client_token": "5f3a0c6e4f0e4ab0b8a5a3c1f1d5b7e9",
        **more,
    }
    return {
        "application_id": "00sandboxapp",
        "job_run_id": "",
        "region": "us-east-1",
        "created_application": False,
        "is_script_mode": True,
        "pending_job_request": request,
    }


def packed(meta: dict[str, Any]) -> bytes:
    return json.dumps(meta).encode()


SENT = {
    "applicationId": "00sandboxapp",
    "clientToken": "5f3a0c6e4f0e4ab0b8a5a3c1f1d5b7e9",
    "executionRoleArn": ROLE,
    "executionTimeoutMinutes": 60,
    "jobDriver": {"sparkSubmit": {"entryPoint": "s3://b/{{ .inputs.m }}.py"}},
    "name": "flows.etl",
    "tags": {"Application": "flyte", "ManagedBy": "flyte-connector", **LONG},
}


@versions
async def test_a_request_that_was_never_sent_is_sent_as_it_was(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("aws", tmp_path, is_v2=is_v2) as there:
        meta = packed(pending())
        loses(there, limit=2)
        await asyncio.gather(*(there.get(meta, TYPE) for _ in range(5)))
        await there.until(meta, TaskExecution.RUNNING, task_type=TYPE)
        assert runs(there, "00sandboxapp") == [SENT]
        await there.delete(meta, TYPE)
        await there.passing(meta, TaskExecution.ABORTED, TYPE)
        assert there.live() == 0


@versions
async def test_a_request_that_was_sent_already_comes_to_its_run(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("aws", tmp_path, is_v2=is_v2) as there:
        scene = there.world.scene
        # Sent by the other connector: it is the same request.
        fields = {name: one for name, one in SENT.items() if name != "clientToken"}
        spec = scene.handler.spec_type.model_validate({**fields, "foreignToken": SENT["clientToken"]})
        made = await ask(
            scene.handler.create,
            CreateRequest(
                name=RemoteName("of-another-connector-1"),
                owner="somebody",
                uid=ExecutionUid("0000000000000000000000000a"),
                attempt=1,
                spec=spec,
                inputs={},
                labels={},
                connection=scene.connection,
            ),
        )
        assert made.meta
        meta = packed(pending())
        await there.until(meta, TaskExecution.RUNNING, task_type=TYPE)
        assert there.live() == 1
        assert runs(there, "00sandboxapp") == [SENT]


async def test_a_request_waits_for_its_application(tmp_path: Path) -> None:
    async with flyte("aws", tmp_path, is_v2=False) as there:
        applications = stand_in(there).serverless.applications
        application = applications.get("00sandboxapp")
        applications.stop(application)
        there.world.scene.rig.advance(1.0)
        meta = packed(pending(tags={}))
        await there.passing(meta, TaskExecution.SUCCEEDED, TYPE)
        assert len(runs(there, "00sandboxapp")) == 1


@pytest.mark.parametrize(
    "request_",
    [None, {}, {"execution_role_arn": ROLE}],
)
async def test_a_meta_without_run_and_request_is_told_as_failed(request_: Any, tmp_path: Path) -> None:
    async with flyte("aws", tmp_path, is_v2=False) as there:
        meta = packed({**pending(), "pending_job_request": request_})
        failed = await there.get(meta, TYPE)
        assert failed.phase == TaskExecution.FAILED
        assert failed.message.startswith("NEVER_BEGUN: resource_meta.job_run_id: is empty, and there is no")


@pytest.mark.parametrize(("is_script", "has_outputs"), [(True, True), (False, False), (None, False)], ids=str)
async def test_of_a_run_that_is_known_outputs_are_as_its_connector_would_tell(
    is_script: bool | None, has_outputs: bool, tmp_path: Path
) -> None:
    async with flyte("aws", tmp_path, is_v2=False) as there:
        services = stand_in(there).serverless
        asked = {name: one for name, one in SENT.items() if name != "tags"}
        run = services.runs.start("00sandboxapp", "flows.etl", asked, timeout_s=None, fault=None)
        values = {"application_id": "00sandboxapp", "job_run_id": run.id, "region": "us-east-1"}
        meta = packed(values if is_script is None else {**values, "is_script_mode": is_script})
        done = await there.passing(meta, TaskExecution.SUCCEEDED, TYPE)
        assert done.HasField("outputs") is has_outputs
