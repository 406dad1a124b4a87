"""EMR's four forms against moto's server, and what it lacks even with what moto_launcher adds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiobotocore.session import get_session  # type: ignore[import-untyped]  # botocore has no types

from propwash.core.names import remote_name
from propwash.engine.ids import new_uid
from propwash.sdk import Connection, CreateRequest, Deletion, Handler, Observation, RemotePhase
from propwash_aws import ClusterHandler, ContainersHandler, ServerlessHandler, StepHandler
from propwash_aws.accounts import Accounts

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/runs"
RELEASE = "emr-7.2.0"
SCRIPT = "s3://bucket/job.py"
KEYS = {"WITNESS_AWS_KEY": "AKIAWITNESS000000000", "WITNESS_AWS_SECRET": "no-secret"}
"""Environment variables that the connection refers to. moto takes any keys."""
QUICK, ENDLESS, FAILING = "quick", "until-cancelled", "to-fail"
"""Arguments of jobs that the launcher knows, except the first."""

LACKS: Mapping[str, str] = {
    "throttling, quotas, 5xx, lost answers and late creates": "tests/plugins/aws/test_aws_calls.py",
    "keys that expire, are revoked or may nothing: any keys pass": "tests/plugins/aws/test_aws_credentials.py",
    "256 pending and running steps at most, one step after another": "tests/plugins/aws/test_step_handler.py",
    "a cluster's end cancels its steps": "tests/plugins/aws/test_step_states.py",
    "applications that are stopped, and start by themselves": "tests/plugins/aws/test_aws_runs.py",
    "client tokens and images of applications, and what an update needs": (
        "tests/plugins/aws/test_serverless_differing.py"
    ),
    "QUEUED runs, capacities, retry policies, timeouts": "tests/plugins/aws/test_aws_runs.py",
    "clusters that fail to start, and spot instances that are lost": "tests/plugins/aws/test_cluster_states.py",
    "eventual consistency of lists": "tests/plugins/aws/test_step_battery.py",
}
"""What this witness lacks, and where the sandbox, or the fake of the plugin's tests, covers it."""

Make = Callable[["MotoWitness"], Awaitable[Mapping[str, object]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form: its handler, and the spec of a job with this argument."""

    name: str
    handler: Callable[[Accounts], Handler[Any]]
    spec: Callable[[Mapping[str, str], str], Mapping[str, object]]
    is_tokened: bool
    """Whether a repeated create is the same job."""
    many: int = 30


def _driver(word: str, **of_driver: str) -> dict[str, object]:
    (name,) = of_driver.values()
    return {name: {"entryPoint": SCRIPT, "entryPointArguments": ["{{ .inputs.day }}", word]}}


FORMS = (
    Form(
        name="serverless",
        handler=lambda accounts: ServerlessHandler(accounts=accounts),
        spec=lambda places, word: {
            "applicationId": places["application"],
            "jobDriver": _driver(word, name="sparkSubmit"),
        },
        is_tokened=True,
    ),
    Form(
        name="containers",
        handler=lambda accounts: ContainersHandler(accounts=accounts),
        spec=lambda places, word: {
            "virtualClusterId": places["virtual_cluster"],
            "releaseLabel": f"{RELEASE}-latest",
            "jobDriver": _driver(word, name="sparkSubmitJobDriver"),
        },
        is_tokened=True,
    ),
    Form(
        name="step",
        handler=lambda accounts: StepHandler(accounts=accounts),
        spec=lambda places, word: {
            "cluster_id": places["cluster"],
            "spark_submit": ["--verbose", SCRIPT, "{{ .inputs.day }}", word],
        },
        is_tokened=False,
    ),
    Form(
        name="cluster",
        handler=lambda accounts: ClusterHandler(accounts=accounts),
        spec=lambda _places, word: {
            "ReleaseLabel": RELEASE,
            "Instances": {"MasterInstanceType": "m5.xlarge", "InstanceCount": 1},
            "Steps": [
                {
                    "Name": "run",
                    "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["{{ .inputs.day }}", word]},
                }
            ],
        },
        is_tokened=False,
        many=15,
    ),
)


@dataclass(slots=True)
class MotoWitness:
    """One form's handler, the connection, and the places that its jobs run in."""

    form: Form
    handler: Handler[Any]
    connection: Connection
    owner: str
    places: Mapping[str, str]

    def request(self, word: str = QUICK, **spec: object) -> CreateRequest[Any]:
        uid = new_uid(time.time())
        parsed = self.handler.spec_type.model_validate({**self.form.spec(self.places, word), **spec})
        made: CreateRequest[Any] = CreateRequest(
            name=remote_name(owner=self.owner, uid=uid, attempt=1),
            owner=self.owner,
            uid=uid,
            attempt=1,
            spec=parsed,
            inputs={"day": "2026-01-01"},
            labels={"team": "sales"},
            connection=self.connection,
        )
        return replace(made, hint=self.handler.hint(self.connection, parsed))

    async def look(self, meta: bytes) -> Observation:
        answer = (await called(self.handler.get(self.connection, [meta])))[meta]
        assert isinstance(answer, Observation), answer
        return answer

    async def ended(self, meta: bytes, *, phases: list[RemotePhase] | None = None) -> Observation:
        """The first observation of an end; the phases before are put into the list."""
        async with asyncio.timeout(30):
            while True:
                seen = await self.look(meta)
                if seen.phase in (RemotePhase.SUCCEEDED, RemotePhase.FAILED):
                    return seen
                if phases is not None and seen.phase not in phases:
                    phases.append(seen.phase)
                # moto tells nobody when a job goes on.
                await asyncio.sleep(0.05)

    async def gone(self, request: CreateRequest[Any], meta: bytes | None) -> list[Deletion]:
        """Delete until the end is confirmed; every answer on the way."""
        said: list[Deletion] = []
        async with asyncio.timeout(30):
            while Deletion.GONE not in said:
                said.append(
                    await called(self.handler.delete(self.connection, request.name, meta, request.hint))
                )
                assert said[-1] is not Deletion.ABSENT
                await asyncio.sleep(0.05)
        return said

    async def listed(self) -> list[str]:
        return sorted(one.name for one in await called(self.handler.list(self.connection, self.owner)))


async def called(answer: Any) -> Any:
    """The answer of a handler's method, which is async in all four."""
    return await answer


@asynccontextmanager
async def witness(url: str, form: Form) -> AsyncIterator[MotoWitness]:
    """The handler of one form under an owner of its own, over places that are there."""
    accounts = Accounts()
    owner = f"w{time.monotonic_ns() % 10**9}"
    places = await _places(url, owner)
    settings: dict[str, Any] = {
        "region": REGION,
        "credentials": "keys",
        "access_key_id": "env:WITNESS_AWS_KEY",
        "secret_access_key": "env:WITNESS_AWS_SECRET",
        "execution_role_arn": ROLE,
        "serverless_application": places["application"],
        "virtual_cluster": places["virtual_cluster"],
        "clusters": (places["cluster"],),
    }
    handler = form.handler(accounts)
    connection = Connection(name=owner, endpoint=url, settings=settings)
    try:
        yield MotoWitness(form, handler, connection, owner, places)
    finally:
        await handler.close()


async def _places(url: str, owner: str) -> Mapping[str, str]:
    session = get_session()
    shown = {"aws_access_key_id": KEYS["WITNESS_AWS_KEY"], "aws_secret_access_key": "no-secret"}
    async with AsyncExitStack() as stack:

        async def client(service: str) -> Any:
            made = session.create_client(service, region_name=REGION, endpoint_url=url, **shown)
            return await stack.enter_async_context(made)

        application = await (await client("emr-serverless")).create_application(
            name=owner, releaseLabel=RELEASE, type="SPARK", clientToken=owner
        )
        provider = {"type": "EKS", "id": "eks", "info": {"eksInfo": {"namespace": owner}}}
        virtual = await (await client("emr-containers")).create_virtual_cluster(
            name=owner, containerProvider=provider, clientToken=owner
        )
        cluster = await (await client("emr")).run_job_flow(
            Name=f"standing-{owner}",
            ReleaseLabel=RELEASE,
            Instances={
                "KeepJobFlowAliveWhenNoSteps": True,
                "MasterInstanceType": "m5.xlarge",
                "InstanceCount": 1,
            },
        )
    return {
        "application": application["applicationId"],
        "virtual_cluster": virtual["id"],
        "cluster": cluster["JobFlowId"],
    }
