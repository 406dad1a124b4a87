"""Ten thousand live jobs of each of EMR's forms at the stand-in, called without a port; all end, and none is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from propwash.sandbox import Answer, Call, FaultPlan, Ledger, ManualClock, Schedule, SpeedControl, World
from propwash_aws.sandbox import AwsStandIn, stand_in
from tests.sandbox.aws_sandbox_rig import APPLICATION, ROLE, VIRTUAL_CLUSTER

COUNT = 10_000
TAGS = {"sandbox-duration-ms": "5000"}
ARGS = ["true", "--sandbox-duration-ms=5000"]


class Bench:
    """The stand-in under a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.world = World(
            clock=self.clock,
            schedule=Schedule(self.clock),
            ledger=Ledger(),
            faults=FaultPlan(),
            speed=SpeedControl(),
            workers=ThreadPoolExecutor(1),
        )
        self.stand_in: AwsStandIn = stand_in(self.world)
        self._routes = {route.name: route for route in self.stand_in.routes()}

    def call(self, operation: str, body: dict[str, Any], **path: str) -> dict[str, Any]:
        answer = self._routes[operation].handle(Call(path=path, body=json.dumps(body).encode()))
        return _read(answer)

    def emr(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"X-Amz-Target": f"ElasticMapReduce.{operation}"}
        answer = self._routes["other"].handle(Call(headers=headers, body=json.dumps(body).encode()))
        return _read(answer)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.schedule.run_due()


def _read(answer: Any) -> dict[str, Any]:
    assert isinstance(answer, Answer)
    assert answer.status == 200, answer.body
    read: dict[str, Any] = json.loads(answer.body)
    return read


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.world.workers.shutdown()


def serverless(bench: Bench, number: int) -> None:
    driver = {"sparkSubmit": {"entryPoint": "s3://b/a.py"}}
    body = {
        "clientToken": f"t{number}",
        "executionRoleArn": ROLE,
        "name": f"pw-{number}",
        "jobDriver": driver,
    }
    bench.call("emr-serverless.StartJobRun", {**body, "tags": TAGS}, applicationId=APPLICATION)


def containers(bench: Bench, number: int) -> None:
    driver = {"sparkSubmitJobDriver": {"entryPoint": "s3://b/a.py"}}
    body = {
        "clientToken": f"t{number}",
        "executionRoleArn": ROLE,
        "name": f"pw-{number}",
        "jobDriver": driver,
    }
    whole = {**body, "releaseLabel": "emr-7.5.0-latest", "tags": TAGS}
    bench.call("emr-containers.StartJobRun", whole, virtualClusterId=VIRTUAL_CLUSTER)


def step(bench: Bench, number: int) -> None:
    config = {"Name": f"pw-{number}", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ARGS}}
    cluster = f"j-SANDBOX{number % 50 + 1:08d}"
    bench.emr("AddJobFlowSteps", {"JobFlowId": cluster, "Steps": [config]})


def cluster(bench: Bench, number: int) -> None:
    one = {"Name": "one", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ARGS}}
    instances = {"InstanceCount": 1, "MasterInstanceType": "m5.xlarge"}
    bench.emr(
        "RunJobFlow",
        {"Name": f"pw-{number}", "ReleaseLabel": "emr-7.5.0", "Instances": instances, "Steps": [one]},
    )


@pytest.mark.parametrize("create", [serverless, containers, step, cluster], ids=lambda one: one.__name__)
def test_ten_thousand_are_live_at_once_and_none_is_left(
    bench: Bench, create: Callable[[Bench, int], None]
) -> None:
    for number in range(COUNT):
        create(bench, number)
    assert bench.world.ledger.summary()["live"] == COUNT
    bench.pass_time(2.0)
    assert bench.world.ledger.summary()["live"] == COUNT
    for _ in range(12):
        bench.pass_time(1.0)
    summary = bench.world.ledger.summary()
    assert (summary["live"], summary["finished"], summary["peak_live"]) == (0, COUNT, COUNT)
