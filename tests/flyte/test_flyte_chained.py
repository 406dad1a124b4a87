"""One Propwash as the upstream of another, before a fake server."""

from __future__ import annotations

import pytest
from flyteidl.core.execution_pb2 import TaskExecution

from tests.flyte.flyte_callers import literal
from tests.flyte.upstream_world import NODE, both, connection, propwash
from tests.plugins.upstream.upstream_rig import template

versions = pytest.mark.parametrize("is_v2", [False, True], ids=["flyte1", "flyte2"])
RUNNING, SUCCEEDED, FAILED = TaskExecution.RUNNING, TaskExecution.SUCCEEDED, TaskExecution.FAILED


@versions
async def test_a_propwash_drives_another(is_v2: bool) -> None:
    """The second one's own upstream runs the task. A create in doubt is repeated, since the second knows the prefix."""
    async with both(is_v2=is_v2) as (inner, upstream):
        outer = connection("inner", inner.endpoint, repeats_lost_creates=True)
        async with propwash(outer, is_v2=is_v2) as there:
            await there.offers("spark")
            meta = await there.create(template(), {"x": literal(1)}, attempt=2)
            await there.until(meta, RUNNING)
            (job,) = upstream.connectors.jobs
            assert job.prefix == f"{NODE}/2"
            job.resource.outputs.literals["o0"].CopyFrom(literal(5))
            job.resource.log_links.add(uri="https://spark/1", name="Spark UI")
            job.finish()
            done = await there.ended(meta)
            assert (done.phase, done.outputs) == (SUCCEEDED, job.resource.outputs)
            assert ("Spark UI", "https://spark/1") in [(one.name, one.uri) for one in done.log_links]

            aborted = await there.create(template(), node="s3://x/n1")
            await there.until(aborted, RUNNING)
            await there.delete(aborted)
            assert (await there.ended(aborted)).phase == TaskExecution.ABORTED
            assert upstream.connectors.live() == 0


async def test_a_newer_attempt_supersedes_through_two_of_us() -> None:
    async with (
        both() as (inner, upstream),
        propwash(connection("inner", inner.endpoint, repeats_lost_creates=True)) as there,
    ):
        await there.offers("spark")
        first = await there.create(template())
        await there.until(first, RUNNING)
        second = await there.create(template(ends="SUCCEEDED"), attempt=1)
        assert (await there.ended(second)).phase == SUCCEEDED
        assert (await there.ended(first)).phase == TaskExecution.ABORTED
        assert upstream.connectors.live() == 0


async def test_what_a_chained_propwash_refuses_is_told_with_its_reason() -> None:
    async with both() as (inner, _):
        made = connection("inner", inner.endpoint, task_types=["nope"])
        async with propwash(made) as there:
            failed = await there.ended(await there.create(template("nope")))
            assert (failed.phase, "UNKNOWN_TASK_TYPE" in failed.message) == (FAILED, True)
