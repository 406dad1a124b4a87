"""The conformance battery for steps and for clusters, against an EMR in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from propwash.sdk import RemoteName
from propwash.sdk.testing import Backend, HandlerBattery, HandlerHarness
from propwash_aws.clusters.keys import ClusterKey
from propwash_aws.clusters.spec import ClusterSpec
from propwash_aws.steps.keys import StepKey
from propwash_aws.steps.spec import StepSpec
from tests.plugins.aws.emr_fake import LOST, THROTTLE, FakeEmr
from tests.plugins.aws.emr_requests import CLUSTER, CONNECTION, cluster_handler, new_name, step_handler

OPERATIONS = (
    "AddJobFlowSteps",
    "ListSteps",
    "DescribeStep",
    "CancelSteps",
    "RunJobFlow",
    "ListClusters",
    "DescribeCluster",
    "TerminateJobFlows",
)


class FakeBackend(Backend):
    """The battery's hooks on the EMR in memory."""

    def __init__(self, emr: FakeEmr) -> None:
        self.emr = emr

    async def live_count(self, name: RemoteName) -> int:
        return self.emr.live(name) + self.emr.live_clusters(name)

    async def lose_next_create_answer(self) -> None:
        self.emr.before.clear()
        for operation in ("AddJobFlowSteps", "RunJobFlow"):
            self.emr.after[operation] = [LOST]

    async def throttle_next(self) -> None:
        self.emr.after.clear()
        spoiled = [THROTTLE]
        for operation in OPERATIONS:
            # One list for all: whichever is called next is throttled, and no other.
            self.emr.before[operation] = spoiled  # type: ignore[assignment]  # a list of one kind

    async def pause(self) -> None:
        self.emr.progress()


class TestStepHandler(HandlerBattery):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[HandlerHarness[StepSpec]]:
        emr = FakeEmr()
        handler = step_handler(emr)
        cluster = emr.add_cluster()
        yield HandlerHarness(
            handler=handler,
            connection=CONNECTION,
            quick={"cluster_id": cluster, "spark_submit": ["quick"]},
            long={"cluster_name": "etl", "spark_submit": ["app.py"]},
            failing={"cluster_id": cluster, "spark_submit": ["failing=Main Class not found."]},
            failing_retryable={"cluster_id": cluster, "spark_submit": ["failing=Internal error"]},
            invalid={"cluster_id": cluster, "spark_submit": ["a"], "action_on_failure": "IGNORE"},
            unknown_meta=StepKey(cluster, "s-NEVER", new_name(emr)).meta(),
            backend=FakeBackend(emr),
        )
        await handler.close()


class TestClusterHandler(HandlerBattery):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[HandlerHarness[ClusterSpec]]:
        emr = FakeEmr()
        handler = cluster_handler(emr)
        yield HandlerHarness(
            handler=handler,
            connection=CONNECTION,
            quick=spec("quick"),
            long=spec("long"),
            failing=spec("failing=Main Class not found."),
            failing_retryable=spec("ending=INSTANCE_FAILURE"),
            invalid={**spec("quick"), "steps": []},
            unknown_meta=ClusterKey("j-NEVER", new_name(emr)).meta(),
            backend=FakeBackend(emr),
        )
        await handler.close()


def spec(arg: str) -> dict[str, Any]:
    return {**CLUSTER, "steps": [{"name": "one", "hadoop_jar_step": {"jar": "a.jar", "args": [arg]}}]}
