"""AWS's stand-in over a real port, called by botocore's own models as anybody would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # botocore has no types
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # as above

from propwash.sandbox import FaultKind, World
from tests.plugins.aws.aws_sandbox_rig import AwsRig, aws_rig

ROLE = "arn:aws:iam::123456789012:role/runs"
APPLICATION = "00sandboxapp"
VIRTUAL_CLUSTER = "sandboxvc"
CLUSTER = "j-SANDBOX00000001"
_SHOWN = {"aws_access_key_id": "AKIASANDBOX", "aws_secret_access_key": "no-secret"}


@dataclass(slots=True)
class AwsServices:
    """Clients of the four services, and the hand on the stand-in."""

    rig: AwsRig
    serverless: Any
    containers: Any
    emr: Any
    sts: Any

    @property
    def world(self) -> World:
        return self.rig.world

    def pass_time(self, seconds: float) -> None:
        self.rig.advance(seconds)

    def break_with(self, kind: FaultKind, **more: object) -> None:
        """From now on every call that the kind applies to meets this fault."""
        self.rig.fault(kind, limit=None, more=more)

    def mend(self) -> None:
        self.world.faults.set([], seed=0)

    @asynccontextmanager
    async def objects(self) -> AsyncIterator[Any]:
        """A client of S3, whose model takes long to read."""
        url = f"{self.rig.sandbox.url}/s3"
        config = AioConfig(retries={"max_attempts": 0}, read_timeout=5)
        made = get_session().create_client(
            "s3", region_name="us-east-1", endpoint_url=url, config=config, **_SHOWN
        )
        async with made as client:
            yield client

    async def serverless_run(self, token: str = "token-a", *, name: str = "pw-a", **more: Any) -> str:
        """A new run's id."""
        given = {
            "applicationId": APPLICATION,
            "clientToken": token,
            "executionRoleArn": ROLE,
            "name": name,
            "jobDriver": {"sparkSubmit": {"entryPoint": "s3://bucket/main.py"}},
        }
        made = await self.serverless.start_job_run(**{**given, **more})
        return str(made["jobRunId"])

    async def container_run(self, token: str = "token-a", *, name: str = "pw-a", **more: Any) -> str:
        """A new run's id."""
        given = {
            "virtualClusterId": VIRTUAL_CLUSTER,
            "clientToken": token,
            "executionRoleArn": ROLE,
            "name": name,
            "releaseLabel": "emr-7.5.0-latest",
            "jobDriver": {"sparkSubmitJobDriver": {"entryPoint": "s3://bucket/main.py"}},
        }
        made = await self.containers.start_job_run(**{**given, **more})
        return str(made["id"])

    async def step(self, *words: str, name: str = "pw-a", cluster: str = CLUSTER, **more: Any) -> str:
        """A new step's id."""
        config = {
            "Name": name,
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["true", *words]},
            **more,
        }
        made = await self.emr.add_job_flow_steps(JobFlowId=cluster, Steps=[config])
        return str(made["StepIds"][0])

    async def step_state(self, step: str, cluster: str = CLUSTER) -> str:
        """A step's state."""
        return str((await self.emr.describe_step(ClusterId=cluster, StepId=step))["Step"]["Status"]["State"])


async def listed(call: Callable[..., Any], key: str, *, token: str, more: str, **asked: Any) -> list[Any]:
    """All entries of a list, page by page; token names the request's member, more the answer's."""
    found: list[Any] = []
    while True:
        page = await call(**asked)
        found += page[key]
        if not page.get(more):
            return found
        asked[token] = page[more]


@asynccontextmanager
async def aws_services() -> AsyncIterator[AwsServices]:
    """Clients without retries, of a stand-in under a clock that is moved by hand."""
    async with aws_rig("emr_serverless") as rig, AsyncExitStack() as stack:
        session = get_session()
        config = AioConfig(retries={"max_attempts": 0}, read_timeout=5)

        async def client(name: str) -> Any:
            made = session.create_client(
                name, region_name="us-east-1", endpoint_url=rig.sandbox.url, config=config, **_SHOWN
            )
            return await stack.enter_async_context(made)

        names = ("emr-serverless", "emr-containers", "emr", "sts")
        yield AwsServices(rig, *[await client(name) for name in names])
