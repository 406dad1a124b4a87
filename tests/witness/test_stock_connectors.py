"""Tasks that Flyte gives us and that a real, unmodified connector server runs, whatever its connector does wrong.

The ledger, which the connector itself writes, shows how many jobs were made.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core.execution_pb2 import TaskExecution

from propwash.handlers.connections import ConfiguredConnection
from tests.flyte.flyte_callers import literal
from tests.flyte.upstream_world import Propwash, connection, propwash
from tests.plugins.upstream.upstream_rig import template
from tests.witness.connector_servers import ConnectorServer
from tests.witness.environments import CONNECTORS

pytestmark = [pytest.mark.xdist_group("connectors"), pytest.mark.timeout(180)]
versions = pytest.mark.parametrize("version", ["v1", "v2"], ids=["flytekit", "flyte-sdk"])
RUNNING, SUCCEEDED, RETRYABLE = TaskExecution.RUNNING, TaskExecution.SUCCEEDED, TaskExecution.RETRYABLE_FAILED
PATIENCE_S = 120.0
_numbers = itertools.count()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ConnectorServer]]:
    """Both servers, running."""
    if CONNECTORS.missing:
        pytest.skip(CONNECTORS.missing)
    made = {version: ConnectorServer(version, tmp_path_factory.mktemp(version)) for version in ("v1", "v2")}
    try:
        for server in made.values():
            server.start()
        yield made
    finally:
        for server in made.values():
            server.stop()


def at(server: ConnectorServer, **settings: Any) -> ConfiguredConnection:
    return connection(f"stock-{server.version}", server.endpoint, **settings)


def node() -> str:
    """A node of its own for each task, as the servers serve all tests."""
    return f"s3://flyte/metadata/x/n{next(_numbers)}/data"


async def begun(there: Propwash, **custom: Any) -> tuple[bytes, str]:
    """A task of the ledger's: its meta, and the prefix by which the ledger knows it."""
    await there.offers("ledger")
    place = node()
    meta = await there.create(template("ledger", **custom), {"x": literal(1)}, node=place)
    return meta, f"{place}/0"


@versions
@pytest.mark.parametrize("is_v2", [False, True], ids=["flyte1", "flyte2"])
async def test_a_task_runs_to_its_end(servers: dict[str, ConnectorServer], version: str, is_v2: bool) -> None:
    server = servers[version]
    async with propwash(at(server), is_v2=is_v2) as there:
        meta, prefix = await begun(there, seconds=0.5)
        done = await there.ended(meta)
        assert done.phase == SUCCEEDED
        assert done.outputs.literals["o0"].scalar.primitive.integer == 7
        assert done.outputs.literals["o1"].scalar.primitive.string_value == "seven"
        if version == "v1":
            assert [one.name for one in done.log_links] == ["Ledger"]
        assert len(server.noted("created", prefix=prefix)) == 1


async def test_what_a_stock_server_always_lists_is_not_offered(servers: dict[str, ConnectorServer]) -> None:
    async with propwash(at(servers["v1"])) as there:
        await there.offers("ledger", "ledger_sync")
        assert await there.task_types() == ["ledger", "ledger_sync"]


async def test_a_synchronous_connector_s_task(servers: dict[str, ConnectorServer]) -> None:
    async with propwash(at(servers["v1"])) as there:
        await there.offers("ledger_sync")
        meta = await there.create(template("ledger_sync"), {"x": literal(41)}, node=node())
        done = await there.ended(meta)
        assert done.outputs.literals["o0"].scalar.primitive.integer == 42


@versions
async def test_an_abort_deletes_the_job(servers: dict[str, ConnectorServer], version: str) -> None:
    server = servers[version]
    async with propwash(at(server)) as there:
        meta, prefix = await begun(there, seconds=600)
        await there.until(meta, RUNNING)
        await there.delete(meta)
        assert (await there.ended(meta)).phase == TaskExecution.ABORTED
        (made,) = server.noted("created", prefix=prefix)
        assert server.noted("deleted", job=made["job"])


@versions
async def test_outputs_that_are_left_to_the_job_stay_unset(
    servers: dict[str, ConnectorServer], version: str
) -> None:
    async with propwash(at(servers[version])) as there:
        meta, _ = await begun(there, has_outputs=False)
        done = await there.ended(meta)
        assert done.phase == SUCCEEDED
        assert not done.HasField("outputs")


@versions
async def test_a_failed_job_is_told_as_such(servers: dict[str, ConnectorServer], version: str) -> None:
    async with propwash(at(servers[version])) as there:
        for ends, phase in (("FAILED", TaskExecution.FAILED), ("RETRYABLE_FAILED", RETRYABLE)):
            meta, _ = await begun(there, ends=ends)
            failed = await there.ended(meta)
            assert (failed.phase, failed.message) == (phase, f"TASK_FAILED: ended as {ends}")


@versions
async def test_a_connector_that_raises_on_get_for_a_while(
    servers: dict[str, ConnectorServer], version: str
) -> None:
    """FlytePropeller counts six such errors, and gives the task up for good."""
    server = servers[version]
    async with propwash(at(server)) as there:
        meta, prefix = await begun(there, get_raises=8)
        told = await there.until(meta, RUNNING, TaskExecution.INITIALIZING, says="CONNECTOR_RAISED")
        assert "the cluster does not answer" in told.message
        assert "Traceback" not in told.message
        assert (await there.until(meta, SUCCEEDED, within_s=PATIENCE_S)).phase == SUCCEEDED
        assert len(server.noted("created", prefix=prefix)) == 1


@versions
async def test_a_connector_that_raises_in_create(servers: dict[str, ConnectorServer], version: str) -> None:
    server = servers[version]
    async with propwash(at(server)) as there:
        meta, prefix = await begun(there, create="raises")
        failed = await there.ended(meta)
        assert failed.phase == RETRYABLE
        assert failed.message.startswith("CONNECTOR_RAISED: INTERNAL: ")
        assert failed.message.endswith("the cluster is not there")
        assert server.noted("created", prefix=prefix) == []


@versions
async def test_a_connector_that_hangs_in_create(servers: dict[str, ConnectorServer], version: str) -> None:
    """The job is made and its answer never comes: it is not made again, and the task says what may have happened."""
    server = servers[version]
    async with propwash(at(server), create_s=2.0) as there:
        meta, prefix = await begun(there, create="hangs")
        failed = await there.ended(meta)
        assert failed.phase == RETRYABLE
        assert failed.message.startswith("CREATE_IN_DOUBT: DEADLINE_EXCEEDED")
        assert "runs on unseen" in failed.message
        assert len(server.noted("created", prefix=prefix)) == 1


async def test_a_connector_that_ends_flytekit_s_server_in_get(servers: dict[str, ConnectorServer]) -> None:
    server = servers["v1"]
    async with propwash(at(server)) as there:
        meta, prefix = await begun(there, get="exits", seconds=0.1)
        await server.ended()
        waiting, other = await begun(there, seconds=0.1)
        await there.until(waiting, TaskExecution.INITIALIZING, says="UPSTREAM_UNREACHABLE")
        await server.restarted()
        for one in (meta, waiting):
            assert (await there.until(one, SUCCEEDED, within_s=PATIENCE_S)).phase == SUCCEEDED
        for place in (prefix, other):
            assert len(server.noted("created", prefix=place)) == 1


async def test_a_connector_that_ends_flyte_sdk_s_server_in_get(servers: dict[str, ConnectorServer]) -> None:
    """Its loop runs in a thread of its own, which ends: the process stays, takes every call, and answers none. A create
    is not sent to it, so that no task is in doubt; somebody has to end it.
    """
    server = servers["v2"]
    async with propwash(at(server)) as there:
        meta, prefix = await begun(there, get="exits", seconds=0.1)
        await there.until(
            meta, RUNNING, TaskExecution.INITIALIZING, says="DEADLINE_EXCEEDED", within_s=PATIENCE_S
        )
        waiting, other = await begun(there, seconds=0.1)
        await there.until(waiting, TaskExecution.INITIALIZING, says="UPSTREAM_SILENT", within_s=PATIENCE_S)
        assert server.noted("created", prefix=other) == []
        await server.restarted()
        for one in (meta, waiting):
            assert (await there.until(one, SUCCEEDED, within_s=PATIENCE_S)).phase == SUCCEEDED
        for place in (prefix, other):
            assert len(server.noted("created", prefix=place)) == 1


@versions
async def test_a_connector_that_ends_the_server_in_create(
    servers: dict[str, ConnectorServer], version: str
) -> None:
    server = servers[version]
    async with propwash(at(server), create_s=5.0) as there:
        meta, prefix = await begun(there, create="exits")
        failed = await there.ended(meta)
        assert (failed.phase, failed.message.partition(":")[0]) == (RETRYABLE, "CREATE_IN_DOUBT")
        await server.restarted()
        assert len(server.noted("created", prefix=prefix)) == 1


@versions
async def test_a_server_that_is_down_at_our_start(version: str, tmp_path: Path) -> None:
    if CONNECTORS.missing:
        pytest.skip(CONNECTORS.missing)
    server = ConnectorServer(version, tmp_path)
    try:
        async with propwash(at(server, task_types=["ledger"], protocol=version)) as there:
            meta, prefix = await begun(there, seconds=0.1)
            await there.until(meta, TaskExecution.INITIALIZING, says="UPSTREAM_UNREACHABLE")
            server.start()
            assert (await there.until(meta, SUCCEEDED, within_s=PATIENCE_S)).phase == SUCCEEDED
            assert len(server.noted("created", prefix=prefix)) == 1
    finally:
        server.stop()


async def test_a_secret_reaches_a_connector_of_version_two(
    servers: dict[str, ConnectorServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_KEY", "a-key")
    server = servers["v2"]
    async with propwash(at(server, secrets={"ledger_key": "env:LEDGER_KEY"})) as there:
        meta, prefix = await begun(there, secrets={"ledger_key": "whatever"})
        assert (await there.ended(meta)).phase == SUCCEEDED
        (made,) = server.noted("created", prefix=prefix)
        assert [one["key"] for one in server.noted("key", job=made["job"])] == ["a-key"]


@versions
async def test_a_meta_of_the_server_s_own_is_taken_over(
    servers: dict[str, ConnectorServer], version: str
) -> None:
    """As flytekit and flyte-sdk encode it: a job that Propeller had the server begin before the switch."""
    server = servers[version]
    async with propwash(at(server)) as there:
        first, prefix = await begun(there, seconds=600)
        await there.until(first, RUNNING)
        (made,) = server.noted("created", prefix=prefix)
        stock = b'{"job": "%s"}' % made["job"].encode()
        async with propwash(at(server)) as switched:
            await switched.offers("ledger")
            await switched.until(stock, RUNNING, task_type="ledger")
            await switched.delete(stock, "ledger")
            assert (await switched.ended(stock, "ledger")).phase == TaskExecution.ABORTED
        assert server.noted("deleted", job=made["job"])
