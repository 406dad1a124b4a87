"""The conformance battery for all four forms, through the real client library, against the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import RemoteName
from propwash.sdk.testing import Backend, HandlerBattery, HandlerHarness
from propwash_aws.clusters.keys import ClusterKey
from propwash_aws.runs.keys import RunKey
from propwash_aws.steps.keys import StepKey
from tests.plugins.aws.aws_sandbox_rig import AwsRig, aws_rig
from tests.plugins.aws.emr_requests import CLUSTER

SECRET = "wJalr-a-secret-that-nobody-may-see"
NEVER = RemoteName("pw-battery-01hzzzzzzzzzzzzzzzzzzzzzzz-1")
QUICK, LONG = {"sandbox-duration-ms": "200"}, {"sandbox-duration-ms": "1000000000"}
WRONG = {**QUICK, "sandbox-fail-reason": "USER_ERROR"}
BROKEN = {**QUICK, "sandbox-fail-reason": "INTERNAL_ERROR"}


class StandInBackend(Backend):
    """The battery's hooks on the stand-in."""

    def __init__(self, rig: AwsRig) -> None:
        self.rig = rig

    async def live_count(self, name: RemoteName) -> int:
        return self.rig.live_count(name)

    async def lose_next_create_answer(self) -> None:
        self.rig.fault(FaultKind.LOST_ANSWER, MethodClass.CREATE)

    async def throttle_next(self) -> None:
        self.rig.fault(FaultKind.THROTTLE)

    async def pause(self) -> None:
        self.rig.advance(0.1)


class _Battery(HandlerBattery):
    task_type: str
    invalid: ClassVar[Mapping[str, object]]
    unknown: bytes

    def spec(self, options: Mapping[str, str]) -> dict[str, Any]:
        raise NotImplementedError

    @pytest.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[HandlerHarness[Any]]:
        for name, text in (("id", "AKIDEXAMPLE"), ("secret", SECRET)):
            (tmp_path / name).write_text(text)
        keys: dict[str, Any] = {
            "access_key_id": f"file:{tmp_path}/id",
            "secret_access_key": f"file:{tmp_path}/secret",
        }
        async with aws_rig(self.task_type, credentials="keys", **keys) as rig:
            yield HandlerHarness(
                handler=rig.handler,
                connection=rig.connection,
                quick=self.spec(QUICK),
                long=self.spec(LONG),
                failing=self.spec(WRONG),
                failing_retryable=self.spec(BROKEN),
                invalid={**self.spec(QUICK), **self.invalid},
                unknown_meta=self.unknown,
                secrets=[SECRET],
                backend=StandInBackend(rig),
            )


class TestServerlessRuns(_Battery):
    task_type = "emr_serverless"
    invalid: ClassVar[Mapping[str, object]] = {"retry_policy": {"max_attempts": "many"}}
    unknown = RunKey("00sandboxapp", "00never", NEVER).meta()

    def spec(self, options: Mapping[str, str]) -> dict[str, Any]:
        return {"job_driver": {"spark_submit": {"entry_point": "s3://bucket/job.py"}}, "tags": dict(options)}


class TestContainerRuns(_Battery):
    task_type = "emr_containers"
    invalid: ClassVar[Mapping[str, object]] = {"retry_policy_configuration": {"max_attempts": "many"}}
    unknown = RunKey("sandboxvc", "00never", NEVER).meta()

    def spec(self, options: Mapping[str, str]) -> dict[str, Any]:
        driver = {"spark_submit_job_driver": {"entry_point": "s3://bucket/job.py"}}
        return {"job_driver": driver, "release_label": "emr-7.5.0-latest", "tags": dict(options)}


class TestSteps(_Battery):
    task_type = "emr_step"
    invalid: ClassVar[Mapping[str, object]] = {"action_on_failure": "IGNORE"}
    unknown = StepKey("j-SANDBOX00000001", "s-NEVER", NEVER).meta()

    def spec(self, options: Mapping[str, str]) -> dict[str, Any]:
        args = ["s3://bucket/job.py", *(f"--{name}={value}" for name, value in options.items())]
        return {"cluster_id": "j-SANDBOX00000001", "spark_submit": args}


class TestTransientClusters(_Battery):
    task_type = "emr_cluster"
    invalid: ClassVar[Mapping[str, object]] = {"steps": []}
    unknown = ClusterKey("j-NEVER", NEVER).meta()

    def spec(self, options: Mapping[str, str]) -> dict[str, Any]:
        step = {"name": "one", "hadoop_jar_step": {"jar": "a.jar"}}
        # A cluster ends by its own reasons; that a user's mistake ends it, VALIDATION_ERROR says.
        own = {name: value.replace("USER_ERROR", "VALIDATION_ERROR") for name, value in options.items()}
        return {**CLUSTER, "steps": [step], "tags": own}
