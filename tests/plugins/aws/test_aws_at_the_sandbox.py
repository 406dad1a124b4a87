"""Every ending that the sandbox can give a job of each of EMR's forms, as the handler observes it by botocore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import Observation, RemotePhase
from tests.plugins.aws.aws_sandbox_rig import AwsRig, aws_rig
from tests.plugins.aws.emr_requests import CLUSTER

SOON, NEVER = {"sandbox-duration-ms": "1000"}, {"sandbox-stuck": "true"}
FAILED, SUCCEEDED = RemotePhase.FAILED, RemotePhase.SUCCEEDED


def spec_of(form: str, options: Mapping[str, str]) -> dict[str, Any]:
    """A job whose end these options tell."""
    match form:
        case "emr_serverless":
            return {"job_driver": {"spark_submit": {"entry_point": "s3://b/a.py"}}, "tags": dict(options)}
        case "emr_containers":
            driver = {"spark_submit_job_driver": {"entry_point": "s3://b/a.py"}}
            return {"job_driver": driver, "release_label": "emr-7.5.0-latest", "tags": dict(options)}
        case "emr_step":
            args = ["s3://b/a.py", *(f"--{name}={value}" for name, value in options.items())]
            return {"cluster_id": "j-SANDBOX00000001", "spark_submit": args}
        case _:
            return {
                **CLUSTER,
                "steps": [{"name": "one", "hadoop_jar_step": {"jar": "a.jar"}}],
                "tags": dict(options),
            }


def handler_of(rig: AwsRig) -> Any:
    """The rig's handler, whose methods are async in all four forms."""
    return rig.handler


def pass_slowly(rig: AwsRig, seconds: int) -> None:
    """Let time pass in which one thing leads to another."""
    for _ in range(seconds * 4):
        rig.advance(0.25)


ENDS = [
    ("emr_serverless", "", SUCCEEDED, "", False),
    ("emr_serverless", "internal_error", FAILED, "INTERNAL_ERROR", True),
    ("emr_serverless", "capacity_exceeded", FAILED, "CAPACITY_EXCEEDED", True),
    ("emr_serverless", "worker_lost", FAILED, "WORKER_LOST", True),
    ("emr_serverless", "access_denied", FAILED, "ACCESS_DENIED", False),
    ("emr_serverless", "validation_error", FAILED, "VALIDATION_ERROR", False),
    ("emr_serverless", "input_not_found", FAILED, "INPUT_NOT_FOUND", False),
    ("emr_serverless", "user_error", FAILED, "USER_ERROR", False),
    ("emr_containers", "", SUCCEEDED, "", False),
    ("emr_containers", "INTERNAL_ERROR", FAILED, "INTERNAL_ERROR", True),
    ("emr_containers", "CLUSTER_UNAVAILABLE", FAILED, "CLUSTER_UNAVAILABLE", True),
    ("emr_containers", "VALIDATION_ERROR", FAILED, "VALIDATION_ERROR", False),
    ("emr_containers", "USER_ERROR", FAILED, "USER_ERROR", False),
    ("emr_step", "", SUCCEEDED, "", False),
    ("emr_step", "unknown_error", FAILED, "UNKNOWN_ERROR", False),
    ("emr_step", "main_class", FAILED, "MAIN_CLASS_NOT_FOUND", False),
    ("emr_step", "internal_error", FAILED, "INTERNAL_ERROR", True),
    ("emr_cluster", "", SUCCEEDED, "", False),
    ("emr_cluster", "INTERNAL_ERROR", FAILED, "INTERNAL_ERROR", True),
    ("emr_cluster", "INSTANCE_FAILURE", FAILED, "INSTANCE_FAILURE", True),
    ("emr_cluster", "BOOTSTRAP_FAILURE", FAILED, "BOOTSTRAP_FAILURE", True),
    ("emr_cluster", "VALIDATION_ERROR", FAILED, "VALIDATION_ERROR", False),
]


@pytest.mark.parametrize(("form", "told", "phase", "reason", "is_retryable"), ENDS)
async def test_an_ending(form: str, told: str, phase: RemotePhase, reason: str, is_retryable: bool) -> None:
    async with aws_rig(form) as rig:
        options = {**SOON, "sandbox-fail-reason": told} if told else SOON
        job = await handler_of(rig).create(rig.request(spec_of(form, options)))
        pass_slowly(rig, 4)
        seen = await rig.look(job.meta)
    assert (seen.phase, seen.reason, seen.is_retryable) == (phase, reason, is_retryable)


async def test_a_failed_step_of_a_transient_cluster_is_the_cluster_s_end() -> None:
    async with aws_rig("emr_cluster") as rig:
        args = [
            f"--{name}={value}" for name, value in {**SOON, "sandbox-fail-reason": "unknown_error"}.items()
        ]
        step = {
            "name": "one",
            "hadoop_jar_step": {"jar": "a.jar", "args": args},
            "action_on_failure": "TERMINATE_CLUSTER",
        }
        job = await handler_of(rig).create(rig.request({**CLUSTER, "steps": [step]}))
        pass_slowly(rig, 4)
        seen = await rig.look(job.meta)
    assert (seen.phase, seen.reason, seen.is_retryable) == (FAILED, "STEP_FAILURE", False)


forms = pytest.mark.parametrize("form", ["emr_serverless", "emr_containers", "emr_step", "emr_cluster"])


@forms
async def test_the_states_on_the_way(form: str) -> None:
    async with aws_rig(form) as rig:
        rig.world.speed.speed = replace(rig.world.speed.speed, pending_ms=1000.0)
        if form == "emr_step":
            # A cluster runs its steps one after another here, and another is before ours.
            rig.stand_in.emr.clusters.get("j-SANDBOX00000001").concurrency = 1  # type: ignore[attr-defined]
            await handler_of(rig).create(rig.request(spec_of(form, SOON)))
        job = await handler_of(rig).create(rig.request(spec_of(form, NEVER)))
        seen = [(await rig.look(job.meta)).phase]
        pass_slowly(rig, 3)
        seen.append((await rig.look(job.meta)).phase)
        assert seen == [RemotePhase.PENDING, RemotePhase.RUNNING]


@forms
async def test_an_unknown_state_ends_nothing(form: str) -> None:
    async with aws_rig(form) as rig:
        job = await handler_of(rig).create(rig.request(spec_of(form, SOON)))
        pass_slowly(rig, 4)
        rig.fault(FaultKind.UNKNOWN_STATE, MethodClass.GET, MethodClass.LIST, more={"duration_s": 5})
        answer = (await handler_of(rig).get(rig.connection, [job.meta]))[job.meta]
        assert isinstance(answer, Observation), answer
        assert answer.phase is RemotePhase.RUNNING
        assert "not known here" in answer.message
        pass_slowly(rig, 6)
        assert (await rig.look(job.meta)).phase is SUCCEEDED


CANCELLED = {
    "emr_serverless": "CANCELLED",
    "emr_containers": "CANCELLED",
    "emr_step": "STEP_CANCELLED",
    "emr_cluster": "USER_REQUEST",
}


@pytest.mark.parametrize(("form", "reason"), CANCELLED.items())
async def test_what_somebody_cancelled(form: str, reason: str) -> None:
    async with aws_rig(form) as rig:
        request = rig.request(spec_of(form, NEVER))
        job = await handler_of(rig).create(request)
        pass_slowly(rig, 1)
        await handler_of(rig).delete(rig.connection, request.name, job.meta, request.hint)
        pass_slowly(rig, 2)
        seen = await rig.look(job.meta)
    assert (seen.phase, seen.reason, seen.is_retryable) == (FAILED, reason, False)


async def test_a_run_that_outlasts_its_execution_timeout() -> None:
    async with aws_rig("emr_serverless") as rig:
        spec = {**spec_of("emr_serverless", NEVER), "execution_timeout_minutes": 5}
        job = await handler_of(rig).create(rig.request(spec))
        rig.advance(301.0)
        seen = await rig.look(job.meta)
    assert (seen.phase, seen.reason, seen.is_retryable) == (FAILED, "EXECUTION_TIMEOUT", False)
