"""A full server, with the real engine, API and client: whoever comes again as told comes in, and only once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from propwash.client import Client, Phase
from propwash.core.admission import AdmissionLimits
from propwash.engine.options import EngineOptions
from tests.api.api_fake_host import Heard
from tests.e2e.credential_scenes import world
from tests.flyte.flyte_callers import serving

COUNT, MOST = 12, 4


@pytest.mark.timeout(120)
async def test_more_clients_than_there_is_room_for_all_come_in(tmp_path: Path) -> None:
    heard, options = Heard(), EngineOptions(admission=AdmissionLimits(max_active=MOST))
    async with (
        world("snowflake", tmp_path, options=options) as there,
        serving(there, heard=heard) as (_, port),
        Client(f"127.0.0.1:{port}", timeout_s=60.0) as client,
    ):

        async def submit(number: int) -> Phase:
            made = await client.create(
                project="sales",
                domain="prod",
                task_type="snowflake",
                spec={"statement": "SELECT 1 AS one"},
                execution_id=f"e{number}",
                labels={"simulated": "0.5"},
            )
            return (await client.wait(made.name)).phase

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(submit(number)) for number in range(COUNT)]
            most = 0
            while not all(task.done() for task in tasks):
                there.scene.rig.advance(0.1)
                most = max(most, there.engine._table.census.active)
                await asyncio.sleep(0.01)
        assert {task.result() for task in tasks} == {Phase.SUCCEEDED}
        assert 0 < most <= MOST
        assert there.scene.rig.world.ledger.summary()["created_twice"] == 0
        assert len(there.scene.rig.world.ledger.jobs) == COUNT
    assert ("CreateExecution", "RESOURCE_EXHAUSTED", "TOO_MANY_EXECUTIONS") in heard.calls
