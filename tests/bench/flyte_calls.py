"""What Flyte's two hot calls cost the server's processor: all of its threads, without the client's side."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import process_time

from flyteidl.admin import agent_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from google.protobuf import json_format

from propwash.api.flyte.leases import Leases
from propwash.api.flyte.tasks import Tasks
from propwash.api.translate import Translator
from propwash.engine.clock import SystemClock
from propwash.engine.engine import Engine
from propwash.engine.options import EngineOptions
from propwash.handlers import discovery, registry
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.handlers.host import HandlerHost
from propwash.sdk import CallLimits, Connection, Rate
from propwash.store.sqlite import SqliteStore
from propwash.telemetry import Telemetry
from propwash_bigquery import plugin

COUNT = 3_000
_AT_ONCE = 100


async def flyte_creates() -> tuple[str, float]:
    """Creates of a BigQuery task with two inputs: translated, validated, admitted, committed with an fsync."""
    async with _tasks() as tasks:
        requests = [_request(number) for number in range(COUNT)]
        began = process_time()
        for first in range(0, COUNT, _AT_ONCE):
            answers = await asyncio.gather(*(tasks.create(one) for one in requests[first : first + _AT_ONCE]))
        assert b'"propwash":' in answers[0].resource_meta
        return "Flyte creates a second of processor", COUNT / (process_time() - began)


async def flyte_gets() -> tuple[str, float]:
    """Gets of such tasks while they wait, each read from the store."""
    async with _tasks() as tasks:
        metas = [(await tasks.create(_request(number))).resource_meta for number in range(_AT_ONCE)]
        requests = [agent_pb2.GetTaskRequest(resource_meta=meta) for meta in metas]
        began = process_time()
        for _ in range(COUNT // _AT_ONCE):
            answers = await asyncio.gather(*(tasks.get(one, is_v2=False) for one in requests))
        assert answers[0].resource.phase == TaskExecution.INITIALIZING
        return "Flyte gets a second of processor", COUNT / (process_time() - began)


@asynccontextmanager
async def _tasks() -> AsyncIterator[Tasks]:
    """Over an engine that makes no remote call: the connection's budget for creates is as good as none."""
    clock = SystemClock()
    telemetry = Telemetry(now=clock.now, version="bench")
    with tempfile.TemporaryDirectory() as made:
        store = SqliteStore(Path(made))
        await store.open()
        account = Connection(
            name="b", endpoint="http://127.0.0.1:1", settings={"project": "a-project", "credentials": "none"}
        )
        configured = ConfiguredConnection(
            plugin="bigquery",
            connection=account,
            limits=CallLimits(writes=Rate(per_s=1e-6, burst=1.0)),
        )
        host = HandlerHost(
            await registry.load([discovery.given(plugin)]),
            connections=Connections([configured]),
            clock=clock,
            instrument=telemetry,
        )
        await host.start()
        engine = Engine(
            clock=clock, store=store, handlers=host, instrument=telemetry, options=EngineOptions()
        )
        await engine.start()
        leases = Leases(store=store, executions=engine.executions, lease_s=0.0, trouble=lambda message: None)
        yield Tasks(
            store=store,
            executions=engine.executions,
            flyte=host.flyte,
            translator=Translator(host, store.owner),
            leases=leases,
            trouble=print,
        )
        await engine.stop()
        await host.close()
        await store.close()


def _request(number: int) -> agent_pb2.CreateTaskRequest:
    made = agent_pb2.CreateTaskRequest(output_prefix=f"s3://flyte/metadata/p-d-e/n{number}/data/0")
    made.template.type = "bigquery_query_job_task"
    made.template.sql.statement = "SELECT @n + 1 AS m, @day AS day"
    custom = {
        "ProjectID": "a-project",
        "Location": "EU",
        "priority": "BATCH",
        "maximumBytesBilled": "1000000000",
    }
    json_format.ParseDict(custom, made.template.custom)
    made.inputs.literals["n"].scalar.primitive.integer = number
    made.inputs.literals["day"].scalar.primitive.string_value = "monday"
    execution = made.task_execution_metadata.task_execution_id.node_execution_id.execution_id
    execution.project, execution.domain, execution.name = "p", "d", "e"
    return made
