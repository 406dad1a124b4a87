"""Tasks that Flyte gives us and that another connector server runs: the whole way, with the published stubs on both
sides.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import literals_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl.service import agent_pb2_grpc
from google.protobuf import json_format
from grpc import StatusCode

from propwash.core.model import Done, Policy
from propwash.ports import Draft, ExecutionName, TaskRequest
from propwash.sdk.testing import ToyHandler, ToySystem
from tests.flyte.flyte_callers import literal
from tests.flyte.upstream_world import NODE, both, connection, propwash
from tests.plugins.upstream.connector_fake import agent, serving
from tests.plugins.upstream.upstream_rig import template

versions = pytest.mark.parametrize("is_v2", [False, True], ids=["flyte1", "flyte2"])
servers = pytest.mark.parametrize("version", ["v1", "v2"])
RUNNING, SUCCEEDED, FAILED = TaskExecution.RUNNING, TaskExecution.SUCCEEDED, TaskExecution.FAILED


@versions
@servers
async def test_a_task_runs_at_the_upstream_and_its_outputs_come_back_untouched(
    is_v2: bool, version: str
) -> None:
    async with both(version, is_v2=is_v2) as (there, upstream):
        assert await there.task_types() == ["spark"]
        meta = await there.create(template(a=1), {"x": literal(3)}, attempt=1)
        await there.until(meta, RUNNING)
        (job,) = upstream.connectors.jobs
        assert job.prefix == f"{NODE}/1"
        assert job.request.template == template(a=1)
        assert job.request.inputs.literals["x"].scalar.primitive.integer == 3
        task = job.request.task_execution_metadata.task_execution_id
        assert (task.node_execution_id.execution_id.project, task.retry_attempt) == ("sales", 1)
        job.resource.outputs.literals["o0"].CopyFrom(literal([1, "x"]))
        json_format.ParseDict({"cluster": "a"}, job.resource.custom_info)
        job.resource.log_links.add(uri="https://spark/1", name="Spark UI")
        job.finish()
        done = await there.ended(meta)
        assert done.phase == SUCCEEDED
        assert done.outputs == job.resource.outputs
        assert [(one.name, one.uri) for one in done.log_links] == [("Spark UI", "https://spark/1")]
        assert json_format.MessageToDict(done.custom_info)["outputs"] == {"custom_info": {"cluster": "a"}}
        assert len(upstream.connectors.jobs) == 1


@versions
async def test_outputs_that_the_connector_leaves_unset_stay_unset(is_v2: bool) -> None:
    """Flyte then reads the file that the job wrote."""
    async with both(is_v2=is_v2) as (there, _):
        done = await there.ended(await there.create(template(ends="SUCCEEDED")))
        assert done.phase == SUCCEEDED
        assert not done.HasField("outputs")


@pytest.mark.parametrize(
    ("ends", "phase"),
    [("FAILED", FAILED), ("ABORTED", FAILED), ("RETRYABLE_FAILED", TaskExecution.RETRYABLE_FAILED)],
)
async def test_a_failure_is_told_as_the_connector_told_it(ends: str, phase: int) -> None:
    async with both() as (there, _):
        failed = await there.ended(await there.create(template(ends=ends)))
        assert (failed.phase, "runs" in failed.message) == (phase, True)


@versions
async def test_an_abort_ends_the_job_and_waits_until_the_upstream_says_so(is_v2: bool) -> None:
    async with both(is_v2=is_v2) as (there, upstream):
        meta = await there.create(template())
        await there.until(meta, RUNNING)
        (job,) = upstream.connectors.jobs
        job.is_deaf = True
        await there.delete(meta)
        assert (await there.get(meta)).phase == RUNNING
        job.is_deaf = False
        assert (await there.ended(meta)).phase == TaskExecution.ABORTED
        assert (job.deletes >= 1, upstream.connectors.live()) == (True, 0)


async def test_errors_of_get_end_nothing_and_are_told() -> None:
    async with both() as (there, upstream):
        meta = await there.create(template())
        await there.until(meta, RUNNING)
        for _ in range(4):
            upstream.connectors.plan("get", StatusCode.INTERNAL, "Trace:\n\n  KeyError: 'sparkConf'.")
        told = await there.until(meta, RUNNING, says="CONNECTOR_RAISED")
        assert "KeyError: 'sparkConf'" in told.message
        upstream.connectors.jobs[0].finish()
        assert (await there.ended(meta)).phase == SUCCEEDED


async def test_a_create_that_raises_may_be_tried_again_by_flyte() -> None:
    async with both() as (there, upstream):
        upstream.connectors.plan("create", StatusCode.INTERNAL, "Trace:\n\n  ValueError: no cluster.")
        failed = await there.ended(await there.create(template()))
        assert failed.phase == TaskExecution.RETRYABLE_FAILED
        assert failed.message == "CONNECTOR_RAISED: INTERNAL: ValueError: no cluster"
        again = await there.create(template(ends="SUCCEEDED"), attempt=1)
        assert (await there.ended(again)).phase == SUCCEEDED


async def test_a_lost_answer_makes_no_second_job_of_the_attempt() -> None:
    async with both() as (there, upstream):
        upstream.connectors.plan("create", StatusCode.UNAVAILABLE, "Stream removed", is_late=True)
        failed = await there.ended(await there.create(template()))
        assert failed.phase == TaskExecution.RETRYABLE_FAILED
        assert failed.message.startswith(
            "CREATE_IN_DOUBT: UPSTREAM_UNAVAILABLE: UNAVAILABLE: Stream removed; "
        )
        assert "runs on unseen" in failed.message
        assert len(upstream.connectors.jobs) == 1


async def test_a_create_past_its_deadline_is_in_doubt() -> None:
    async with both(create_s=0.2) as (there, upstream):
        upstream.connectors.plan("create", hangs=True)
        failed = await there.ended(await there.create(template()))
        assert failed.phase == TaskExecution.RETRYABLE_FAILED
        assert failed.message.startswith("CREATE_IN_DOUBT: DEADLINE_EXCEEDED")


async def test_with_idempotent_connectors_a_lost_answer_is_asked_for_again() -> None:
    async with both(repeats_lost_creates=True) as (there, upstream):
        upstream.connectors.is_idempotent = True
        for _ in range(2):
            upstream.connectors.plan("create", StatusCode.UNAVAILABLE, "Stream removed", is_late=True)
        done = await there.ended(await there.create(template(ends="SUCCEEDED")))
        assert done.phase == SUCCEEDED
        assert (upstream.connectors.count("create"), len(upstream.connectors.jobs)) == (3, 1)


async def test_a_connector_that_is_missing_is_waited_for() -> None:
    """As while its deployment is rolled out."""
    async with both() as (there, upstream):
        for _ in range(3):
            upstream.connectors.plan(
                "create", StatusCode.NOT_FOUND, "Cannot find connector for task type: spark."
            )
        meta = await there.create(template(ends="SUCCEEDED"))
        await there.until(meta, TaskExecution.INITIALIZING, says="CONNECTOR_NOT_FOUND")
        assert (await there.ended(meta)).phase == SUCCEEDED


async def test_an_upstream_that_is_down_at_our_start_is_waited_for() -> None:
    async with serving("v1") as upstream:
        await upstream.stop()
        upstream.connectors.agents = [agent("spark"), agent("slurm")]
        made = connection("spark-prod", upstream.endpoint, task_types=["spark"])
        async with propwash(made) as there:
            assert await there.task_types() == ["spark"]
            meta = await there.create(template(ends="SUCCEEDED"))
            told = await there.until(meta, TaskExecution.INITIALIZING, says="UPSTREAM_UNREACHABLE")
            assert "Connection refused" in told.message
            with pytest.raises(grpc.aio.AioRpcError, match="spark-prod did not say") as raised:
                await there.create(template("slurm"), node="s3://x/n1")
            assert raised.value.code() is StatusCode.UNAVAILABLE
            await upstream.start()
            assert (await there.ended(meta)).phase == SUCCEEDED
            await there.offers("slurm", "spark")
            assert len(upstream.connectors.jobs) == 1
            refused = await there.get(await there.create(template("nope"), node="s3://x/n2"))
            assert (refused.phase, "UNKNOWN_TASK_TYPE" in refused.message) == (FAILED, True)


@versions
@pytest.mark.parametrize(
    "raw", [b'{"job_id": "1"}', b"\x80\x05cos\nsystem\n(S'false'\ntR."], ids=["json", "pickle"]
)
async def test_a_job_in_flight_is_taken_over_by_the_meta_that_the_upstream_wrote(
    is_v2: bool, raw: bytes
) -> None:
    """A cluster is switched over: Propeller called the server itself before, and has its metas."""
    async with both(is_v2=is_v2) as (there, upstream):
        upstream.connectors.make_meta = lambda _: raw
        async with grpc.aio.insecure_channel(upstream.endpoint) as channel:
            stub: Any = agent_pb2_grpc.AsyncAgentServiceStub(channel)  # type: ignore[no-untyped-call]
            begun = agent_pb2.CreateTaskRequest(template=template(), output_prefix="s3://x/n0/0")
            meta = (await stub.CreateTask(begun)).resource_meta
        assert meta == raw
        found = await there.until(meta, RUNNING, task_type="spark")
        assert str(found.custom_info["execution"]).startswith("projects/flyte/domains/adopted/executions/a")
        upstream.connectors.jobs[0].resource.outputs.literals["o0"].CopyFrom(literal(1))
        upstream.connectors.jobs[0].finish()
        done = await there.ended(meta, "spark")
        assert (done.phase, done.outputs.literals["o0"].scalar.primitive.integer) == (SUCCEEDED, 1)
        assert upstream.connectors.count("create") == 1


async def test_a_job_that_is_taken_over_can_be_ended() -> None:
    async with both() as (there, upstream):
        async with grpc.aio.insecure_channel(upstream.endpoint) as channel:
            stub: Any = agent_pb2_grpc.AsyncAgentServiceStub(channel)  # type: ignore[no-untyped-call]
            begun = agent_pb2.CreateTaskRequest(template=template(), output_prefix="s3://x/n0/0")
            meta = (await stub.CreateTask(begun)).resource_meta
        await asyncio.gather(*(there.delete(meta, "spark") for _ in range(3)))
        assert (await there.ended(meta, "spark")).phase == TaskExecution.ABORTED
        assert upstream.connectors.live() == 0


async def test_while_nobody_knows_what_is_offered_a_job_in_flight_still_runs() -> None:
    async with serving("v1") as upstream:
        await upstream.stop()
        async with propwash(connection("spark-prod", upstream.endpoint)) as there:
            assert (await there.get(b"\x80\x05.", "spark")).phase == RUNNING


@pytest.mark.parametrize("meta", [b"\x80\x05.", b"[1]", b"x" * 40_000, b""])
async def test_a_meta_of_nobody_is_refused(meta: bytes) -> None:
    async with both() as (there, _):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await there.get(meta, "of_nobody")
        assert raised.value.code() is StatusCode.INVALID_ARGUMENT


async def test_a_synchronous_connector_s_task_ends_at_its_create() -> None:
    async with both() as (there, upstream):
        upstream.connectors.agents = [agent("spark"), agent("chatgpt", is_sync=True)]
        await there.offers("chatgpt")
        upstream.connectors.sync = agent_pb2.Resource(phase=SUCCEEDED)
        upstream.connectors.sync.outputs.literals["o0"].CopyFrom(literal("hi"))
        done = await there.ended(await there.create(template("chatgpt"), {"x": literal(1)}))
        assert done.outputs.literals["o0"].scalar.primitive.string_value == "hi"
        assert there.host.flyte.answers_within_s("chatgpt") == 8.0
        assert there.host.flyte.answers_within_s("spark") is None
        assert upstream.connectors.count("get") == 0


async def test_inputs_that_we_do_not_understand_go_along() -> None:
    async with both() as (there, upstream):
        empty = literals_pb2.Literal(scalar=literals_pb2.Scalar(error={"message": "x"}))
        done = await there.ended(await there.create(template(ends="SUCCEEDED"), {"x": empty}))
        assert done.phase == SUCCEEDED
        assert upstream.connectors.jobs[0].request.inputs.literals["x"] == empty


async def test_many_tasks_share_one_channel_and_each_is_made_once() -> None:
    async with both() as (there, upstream):
        tasks = [template(ends="SUCCEEDED") for _ in range(60)]
        metas = await asyncio.gather(*(there.create(one, node=f"s3://x/n{n}") for n, one in enumerate(tasks)))
        done = await asyncio.gather(*(there.ended(meta) for meta in metas))
        assert {one.phase for one in done} == {SUCCEEDED}
        prefixes = [job.prefix for job in upstream.connectors.jobs]
        assert sorted(prefixes) == sorted(f"s3://x/n{n}/0" for n in range(60))


async def test_our_own_handlers_go_on_beside_an_upstream_that_hangs() -> None:
    async with serving("v1") as upstream:
        for _ in range(50):
            upstream.connectors.plan("list", hangs=True)
        toys = ToyHandler(ToySystem())
        made = connection("spark-prod", upstream.endpoint, task_types=["spark"])
        async with propwash(made, handlers=[("toys", toys)]) as there:
            assert await there.task_types() == ["spark"]
            assert {info.task_type for info in there.host.catalogue()} == {"toy", "flyte_connector"}


async def test_a_native_client_gives_a_template_and_inputs() -> None:
    async with both() as (there, upstream):
        name = ExecutionName("sales", "prod", "one")
        spec: dict[str, Any] = {
            "task_type": "spark",
            "template": template(ends="SUCCEEDED").SerializeToString(),
        }
        request = TaskRequest(task_type="flyte_connector", spec=spec, inputs={"x": 3})
        await there.engine.executions.create([Draft(name=name, request=request, policy=Policy())])
        async with asyncio.timeout(20):
            while True:
                seen = await there.store.last_seq()
                (record,) = await there.store.get([name])
                assert record is not None
                if isinstance(record.execution.state, Done):
                    break
                await there.engine.executions.newer_than(seen)
        assert record.execution.phase.name == "SUCCEEDED"
        assert upstream.connectors.jobs[0].request.inputs.literals["x"].scalar.primitive.integer == 3
