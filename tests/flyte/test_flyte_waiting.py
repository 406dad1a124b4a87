"""What a task waits for, told over a real port: its place in a pool, a pause, an open breaker, a cleanup."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core.execution_pb2 import TaskExecution

from propwash.core.model import Claim
from propwash.engine.options import EngineOptions
from propwash.sandbox.faults import parse_rule
from tests.e2e.credential_scenes import LONG
from tests.flyte.flyte_callers import Flyte, flyte, template

pytestmark = pytest.mark.parametrize("is_v2", [False, True], ids=["v1", "v2"])
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
QUICK_BREAKER = EngineOptions(
    breaker_failures=4, breaker_after_s=2.0, breaker_first_s=20.0, breaker_longest_s=20.0
)


async def create(there: Flyte, number: int) -> bytes:
    task = template("snowflake", "SELECT 1 AS one", config={"account": "acme-sandbox"})
    labels = agent_pb2.TaskExecutionMetadata(labels=LONG)
    return await there.create(task, node=f"s3://flyte/x/n{number}/data", task_execution_metadata=labels)


async def saying(there: Flyte, meta: bytes, pattern: str) -> agent_pb2.Resource:
    """Ask until the message is such."""
    async with asyncio.timeout(30):
        while not re.fullmatch(pattern, (found := await there.get(meta)).message):
            assert found.phase not in (TaskExecution.FAILED, TaskExecution.RETRYABLE_FAILED), found
    return found


async def test_a_task_in_a_pool_tells_its_place_and_moves_up(is_v2: bool, tmp_path: Path) -> None:
    engine = EngineOptions(pools={"warehouse": 1})
    claims = (Claim(pool="warehouse"),)
    async with flyte("snowflake", tmp_path, is_v2=is_v2, engine=engine, claims=claims) as there:
        first, second, third = [await create(there, number) for number in range(3)]
        await there.until(first, TaskExecution.RUNNING)
        for meta, position in ((second, 1), (third, 2)):
            found = await there.get(meta)
            assert found.phase == TaskExecution.WAITING_FOR_RESOURCES
            assert found.message == (
                f"WAITING_FOR_POOLS: waits for 1 unit of pool warehouse: position {position} of 2, "
                "1 of 1 units are held"
            )
        await there.delete(first)
        await there.passing(first, TaskExecution.ABORTED)
        await there.until(second, TaskExecution.RUNNING)
        await saying(there, third, r"WAITING_FOR_POOLS: .* position 1 of 1, 1 of 1 units are held")
        assert there.live() == 1


async def test_a_throttled_task_tells_when_the_pause_ends(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        slow_down = {"kind": "throttle", "probability": 1.0, "retry_after_s": 600.0}
        there.world.scene.rig.world.faults.set([parse_rule(slow_down, where="test")], seed=0)
        first = await create(there, 0)
        waits = "the remote job waits to be created: the remote system asked for a pause until"
        found = await saying(there, first, rf"TOO_MANY_REQUESTS: {waits} {INSTANT}: Too many requests\.")
        assert found.phase == TaskExecution.INITIALIZING
        there.is_answering(True)
        second = await create(there, 1)
        await saying(there, second, rf"THROTTLED: {waits} {INSTANT}")
        assert there.summary()["total"] == 0


async def test_a_task_behind_an_open_breaker_tells_so(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2, engine=QUICK_BREAKER) as there:
        metas = [await create(there, number) for number in range(4)]
        for meta in metas:
            await there.until(meta, TaskExecution.RUNNING)
        there.is_answering(False)
        opened = (
            rf"the breaker of connection \S+ is open since {INSTANT}, (it is tried now|the next call is made at "
            rf"{INSTANT}): UNEXPECTED_ANSWER: .*"
        )
        found = await saying(
            there, metas[0], rf"BREAKER_OPEN: the remote job cannot be observed, .*: {opened}"
        )
        assert found.phase == TaskExecution.RUNNING
        late = await create(there, 4)
        found = await saying(there, late, rf"BREAKER_OPEN: the remote job waits to be created: {opened}")
        assert found.phase == TaskExecution.INITIALIZING
        await there.delete(metas[0])
        ends = r"ends as ABORTED \(Flyte asked for its end\); cleanup pending since"
        await saying(there, metas[0], rf"BREAKER_OPEN: {ends} {INSTANT}: .*; {opened}")
        there.is_answering(True)
        await there.until(late, TaskExecution.RUNNING)
        await there.passing(metas[0], TaskExecution.ABORTED)
        assert there.live() == 4
        assert there.summary()["created_twice"] == 0


async def test_an_aborted_task_that_is_not_confirmed_gone_tells_so(is_v2: bool, tmp_path: Path) -> None:
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as there:
        meta = await create(there, 0)
        await there.until(meta, TaskExecution.RUNNING)
        await there.delete(meta)
        ends = r"ends as ABORTED \(Flyte asked for its end\); cleanup pending since"
        taken = "the remote system has taken the delete, and the job has not ended yet"
        found = await saying(
            there, meta, rf"CLEANUP_PENDING: {ends} {INSTANT}: {taken}(; tried again at {INSTANT})?"
        )
        assert found.phase == TaskExecution.RUNNING
        await there.passing(meta, TaskExecution.ABORTED)
        assert there.live() == 0
