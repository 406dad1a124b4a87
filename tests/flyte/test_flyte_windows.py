"""Every window in which Flyte makes a connector submit twice or leak, replayed as its caller would cause it.

The windows are known as D1 to D11. At the end of each the stand-in's ledger has one live job, or none where Flyte gave
the task up, and no job was created twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.core.execution_pb2 import TaskExecution

from propwash.api.options import ApiOptions
from propwash.ports import Record
from tests.api.api_world import LOCAL
from tests.e2e.credential_scenes import LONG
from tests.flyte.flyte_callers import Flyte, flyte, serving, template

pytestmark = pytest.mark.parametrize("is_v2", [False, True], ids=["v1", "v2"])
QUICK = replace(LOCAL, flyte_lease_s=0.4)


def endless() -> tasks_pb2.TaskTemplate:
    return template("snowflake", "SELECT 1 AS one", config={"account": "acme-sandbox"})


async def create(there: Flyte, *, attempt: int = 0) -> bytes:
    labels = agent_pb2.TaskExecutionMetadata(labels=LONG)
    return await there.create(endless(), attempt=attempt, task_execution_metadata=labels)


@asynccontextmanager
async def scene(place: Path, *, is_v2: bool, options: ApiOptions = LOCAL) -> AsyncIterator[Flyte]:
    """A server over the stand-in; at the end nothing was created twice."""
    async with flyte("snowflake", place, is_v2=is_v2, options=options) as there:
        yield there
        assert there.summary()["created_twice"] == 0


async def ended(there: Flyte, meta: bytes) -> None:
    """Let time pass at the stand-in until the task has ended, and ask about other things meanwhile."""
    async with asyncio.timeout(30):
        while not (await stored(there, meta)).execution.phase.is_terminal:
            there.world.scene.rig.advance(0.1)
            await there.task_types()


async def stored(there: Flyte, meta: bytes) -> Record:
    (record,) = await there.world.store.get([there.name(meta)])
    assert record is not None
    return record


async def test_d1_d2_d3_d5_d6_a_create_is_repeated_after_its_round_was_lost(
    is_v2: bool, tmp_path: Path
) -> None:
    """A crash of Propeller, another node's error, an admin that is down, a conflict, an error after the create: each
    drops the meta, and the next round creates anew with the same output prefix.
    """
    async with scene(tmp_path, is_v2=is_v2) as there:
        metas = {await create(there) for _ in range(3)}
        (meta,) = metas
        await there.until(meta, TaskExecution.RUNNING)
        again = await asyncio.gather(*(create(there) for _ in range(10)))
        assert set(again) == metas
        assert (there.live(), there.summary()["total"]) == (1, 1)


async def test_d2_a_repeated_create_that_differs_is_the_same_task(is_v2: bool, tmp_path: Path) -> None:
    async with scene(tmp_path, is_v2=is_v2) as there:
        first = await create(there)
        await there.until(first, TaskExecution.RUNNING)
        for other in (endless(), template("snowflake", "SELECT 2 AS two"), template("snowflake", "")):
            assert await there.create(other) == first
        assert (there.live(), there.summary()["total"]) == (1, 1)


async def test_d4_d8_the_meta_is_lost_and_no_attempt_follows(is_v2: bool, tmp_path: Path) -> None:
    """The workflow grew too large for etcd, or its deadline came in the very round of the create: no delete comes."""
    async with scene(tmp_path, is_v2=is_v2, options=QUICK) as there:
        meta = await create(there)
        await ended(there, meta)
        assert (await there.get(meta)).phase == TaskExecution.ABORTED
        assert "Flyte has not asked about the task" in (await there.get(meta)).message
        assert there.live() == 0


async def test_d7_the_answer_is_lost_and_another_attempt_follows(is_v2: bool, tmp_path: Path) -> None:
    """Propeller's deadline passes though the create was taken: the next attempt has another prefix."""
    async with scene(tmp_path, is_v2=is_v2) as there:
        lost = await create(there, attempt=1)
        await there.until(lost, TaskExecution.RUNNING)
        meta = await create(there, attempt=2)
        await there.passing(lost, TaskExecution.ABORTED)
        await there.until(meta, TaskExecution.RUNNING)
        assert there.live() == 1
        assert there.summary()["total"] == 2


async def test_d7_the_lost_create_arrives_after_the_attempt_that_followed_it(
    is_v2: bool, tmp_path: Path
) -> None:
    async with scene(tmp_path, is_v2=is_v2) as there:
        meta = await create(there, attempt=2)
        await there.until(meta, TaskExecution.RUNNING)
        late = await create(there, attempt=1)
        assert (await there.get(late)).phase == TaskExecution.FAILED
        assert (there.live(), there.summary()["total"]) == (1, 1)


async def test_d9_gets_fail_in_a_row(is_v2: bool, tmp_path: Path) -> None:
    """Six errors of get and Propeller fails the task for good without a delete: no get may be an error."""
    async with scene(tmp_path, is_v2=is_v2) as there:
        meta = await create(there)
        await there.until(meta, TaskExecution.RUNNING)
        there.is_answering(False)
        phases = {(await there.get(meta)).phase for _ in range(12)}
        assert phases == {TaskExecution.RUNNING}
        there.is_answering(True)
        assert there.live() == 1


async def test_d10_the_abort_s_retries_run_out(is_v2: bool, tmp_path: Path) -> None:
    """One delete comes while the remote system is down, and no other ever: it is enough."""
    async with scene(tmp_path, is_v2=is_v2) as there:
        meta = await create(there)
        await there.until(meta, TaskExecution.RUNNING)
        there.is_answering(False)
        await there.delete(meta)
        assert there.live() == 1
        there.is_answering(True)
        await ended(there, meta)
        assert there.live() == 0


async def test_d11_the_plugin_is_not_found_at_the_abort(is_v2: bool, tmp_path: Path) -> None:
    """No delete comes at all, and no get any more."""
    async with scene(tmp_path, is_v2=is_v2, options=QUICK) as there:
        meta = await create(there)
        await there.until(meta, TaskExecution.RUNNING)
        await ended(there, meta)
        assert there.live() == 0


async def test_a_task_that_is_asked_about_keeps_its_lease(is_v2: bool, tmp_path: Path) -> None:
    async with scene(tmp_path, is_v2=is_v2, options=QUICK) as there:
        kept, forgotten = await create(there), await there.create(endless(), node="s3://flyte/x/n1/data")
        asking = asyncio.create_task(ask_on(there, kept))
        try:
            await ended(there, forgotten)
        finally:
            asking.cancel()
        assert (await there.get(kept)).phase == TaskExecution.RUNNING


async def test_a_start_of_the_server_gives_a_lease_to_what_it_finds(is_v2: bool, tmp_path: Path) -> None:
    async with scene(tmp_path, is_v2=is_v2, options=replace(LOCAL, flyte_lease_s=0.0)) as there:
        meta = await create(there)
        await there.until(meta, TaskExecution.RUNNING)
        await there.world.submit(["of-the-native-api"])
        async with serving(there.world, QUICK):
            await ended(there, meta)
        (native,) = await there.world.read(["of-the-native-api"])
        assert native.phase.name != "ABORTED"


async def ask_on(there: Flyte, meta: bytes) -> None:
    while True:
        await there.get(meta)


async def test_errors_of_the_caller_leave_nothing_behind(is_v2: bool, tmp_path: Path) -> None:
    async with scene(tmp_path, is_v2=is_v2) as there:
        nameless: Any = agent_pb2.CreateTaskRequest(template=endless())
        with pytest.raises(grpc.aio.AioRpcError, match="output_prefix"):
            await there.send(nameless)
        assert there.summary()["total"] == 0
