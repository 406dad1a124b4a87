"""Handlers before an EMR in memory, and what they are asked."""

from __future__ import annotations

from collections.abc import Mapping

from propwash.core.names import remote_name
from propwash.engine.ids import new_uid
from propwash.sdk import Connection, CreateRequest, Observation, RemoteName, Value
from propwash_aws.clusters.handler import ClusterHandler
from propwash_aws.clusters.spec import ClusterSpec
from propwash_aws.steps.handler import StepHandler
from propwash_aws.steps.spec import StepSpec
from tests.plugins.aws.emr_fake import OWNER, FakeEmr

CONNECTION = Connection(name="emr", settings={"region": "eu-west-1", "credentials": "none"})


def step_handler(emr: FakeEmr) -> StepHandler:
    return StepHandler(accounts=emr)  # type: ignore[arg-type]  # the fake is what both are


def cluster_handler(emr: FakeEmr) -> ClusterHandler:
    return ClusterHandler(accounts=emr)  # type: ignore[arg-type]  # the fake is what both are


def new_name(emr: FakeEmr, owner: str = OWNER) -> RemoteName:
    return remote_name(owner=owner, uid=new_uid(emr.now_s), attempt=1)


def step_request(
    emr: FakeEmr, *, inputs: Mapping[str, Value] | None = None, **fields: object
) -> CreateRequest[StepSpec]:
    uid = new_uid(emr.now_s)
    kinds = {"hadoop_jar_step", "spark_submit", "hive_script", "pig_script"}
    spec = {**({} if kinds & set(fields) else {"spark_submit": ["app.py"]}), **fields}
    return CreateRequest(
        name=remote_name(owner=OWNER, uid=uid, attempt=1),
        owner=OWNER,
        uid=uid,
        attempt=1,
        spec=StepSpec.model_validate(spec),
        inputs=inputs or {},
        labels={},
        connection=CONNECTION,
    )


CLUSTER: Mapping[str, object] = {
    "release_label": "emr-7.2.0",
    "instances": {"master_instance_type": "m5.xlarge", "instance_count": 1},
    "steps": [{"name": "one", "hadoop_jar_step": {"jar": "command-runner.jar", "args": ["true"]}}],
}


def cluster_request(
    emr: FakeEmr,
    *,
    inputs: Mapping[str, Value] | None = None,
    labels: Mapping[str, str] | None = None,
    **fields: object,
) -> CreateRequest[ClusterSpec]:
    uid = new_uid(emr.now_s)
    return CreateRequest(
        name=remote_name(owner=OWNER, uid=uid, attempt=1),
        owner=OWNER,
        uid=uid,
        attempt=1,
        spec=ClusterSpec.model_validate({**CLUSTER, **fields}),
        inputs=inputs or {},
        labels=labels or {},
        connection=CONNECTION,
    )


async def seen(handler: StepHandler | ClusterHandler, meta: bytes) -> Observation:
    answer = (await handler.get(CONNECTION, [meta]))[meta]
    assert isinstance(answer, Observation), answer
    return answer
