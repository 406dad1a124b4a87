"""Flyte's load: python -m tests.proof.flyte_load --count 5000.

So many tasks are created by the published stubs, half by version 1 and half by version 2, and polled as Propeller does:
each every 30 seconds, one after another, until it has ended. For two minutes the sandbox fails half of all that it is
asked. Prints one JSON object; exits 1 where a get or a create was an error, a task did not succeed, or a job was
doubled or left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl.service import agent_pb2_grpc
from flyteidl2.connector import connector_pb2, service_pb2_grpc
from google.protobuf import json_format

from propwash.cli.demo.runs import APPLICATION, ROLE
from propwash.cli.demo.stage import Stage
from propwash.cli.demo.work import DURATION
from tests.proof.scene import proof_scene

ENDED = frozenset(
    {TaskExecution.SUCCEEDED, TaskExecution.FAILED, TaskExecution.ABORTED, TaskExecution.RETRYABLE_FAILED}
)
EVERY_S = 30.0
BAD_S = 120.0
_BOUND_S = 1200.0
_CREATORS = 32
_POLLERS = 50
_HALF: list[dict[str, object]] = [
    {"kind": "server_error", "probability": 0.3},
    {"kind": "lost_answer", "probability": 0.2},
]


@dataclass
class Caller:
    """The stubs and messages of one version."""

    stub: Any
    messages: Any


@dataclass
class Figures:
    """What the calls came to."""

    creates_s: list[float] = field(default_factory=list)
    gets_s: list[float] = field(default_factory=list)
    create_errors: Counter[str] = field(default_factory=Counter)
    get_errors: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    latest_poll_s: float = 0.0
    """How late the latest poll was."""


def request(index: int, ms: int) -> agent_pb2.CreateTaskRequest:
    """A task of one of the three systems, in turn."""
    kind = ("bigquery_query_job_task", "snowflake", "emr_serverless")[index % 3]
    custom: dict[str, Any] = {}
    made = agent_pb2.CreateTaskRequest(output_prefix=f"s3://flyte/metadata/demo-demo-load/n{index}/data/0")
    if kind == "emr_serverless":
        custom = {
            "application_id": APPLICATION,
            "execution_role_arn": ROLE,
            "spark_job_driver": {"entryPoint": "s3://demo/visits.py"},
            "tags": {DURATION: str(ms)},
        }
    else:
        made.template.sql.statement = f"SELECT {index} AS n"
    if kind == "bigquery_query_job_task":
        custom = {"labels": {DURATION: str(ms)}}
    made.template.type = kind
    json_format.ParseDict(custom, made.template.custom)
    metadata = made.task_execution_metadata
    metadata.labels[DURATION] = str(ms)
    execution = metadata.task_execution_id.node_execution_id.execution_id
    execution.project, execution.domain, execution.name = "demo", "demo", "load"
    return made


class Load:
    """All tasks, from their creates to their ends."""

    def __init__(self, callers: list[Caller], *, count: int, ms: int) -> None:
        self._callers = callers
        self._count = count
        self._ms = ms
        self._metas: list[bytes] = [b""] * count
        self._due: deque[tuple[float, int]] = deque()
        self.figures = Figures()

    async def create_all(self) -> None:
        """Create every task, some at a time."""
        waiting = iter(range(self._count))

        async def creator() -> None:
            for index in waiting:
                await self._create(index)

        async with asyncio.TaskGroup() as group:
            for number in range(_CREATORS):
                group.create_task(creator(), name=f"creator-{number}")

    async def poll_all(self) -> None:
        """Poll each task every half minute, in the order in which they are due."""
        now = time.monotonic()
        self._due.extend((now + EVERY_S * index / self._count, index) for index in range(self._count))
        left = asyncio.Semaphore(_POLLERS)
        async with asyncio.TaskGroup() as group:
            while sum(self.figures.phases.values()) < self._count:
                while self._due and self._due[0][0] <= time.monotonic():
                    due_at, index = self._due.popleft()
                    await left.acquire()
                    group.create_task(self._poll(index, due_at, left), name=f"poll-{index}")
                await asyncio.sleep(0.01)

    async def _create(self, index: int) -> None:
        caller, wanted = self._callers[index % 2], request(index, self._ms)
        sent = caller.messages.CreateTaskRequest.FromString(wanted.SerializeToString())
        began_at = time.monotonic()
        try:
            self._metas[index] = (await caller.stub.CreateTask(sent, timeout=10.0)).resource_meta
        except grpc.aio.AioRpcError as error:
            self.figures.create_errors[error.code().name] += 1
        self.figures.creates_s.append(time.monotonic() - began_at)

    async def _poll(self, index: int, due_at: float, left: asyncio.Semaphore) -> None:
        caller, began_at = self._callers[index % 2], time.monotonic()
        self.figures.latest_poll_s = max(self.figures.latest_poll_s, began_at - due_at)
        phase = TaskExecution.UNDEFINED
        try:
            sent = caller.messages.GetTaskRequest(resource_meta=self._metas[index])
            phase = (await caller.stub.GetTask(sent, timeout=10.0)).resource.phase
        except grpc.aio.AioRpcError as error:
            self.figures.get_errors[error.code().name] += 1
        finally:
            left.release()
        self.figures.gets_s.append(time.monotonic() - began_at)
        if phase in ENDED:
            self.figures.phases[TaskExecution.Phase.Name(phase)] += 1
        else:
            self._due.append((began_at + EVERY_S, index))


async def weather(scene: Stage) -> None:
    """The sandbox fails half of its answers for two minutes, and then none."""
    await scene.admin.set_fault_rules(_HALF, seed=1)
    await asyncio.sleep(BAD_S)
    await scene.admin.clear_faults()


async def prove(*, count: int, ms: int) -> dict[str, object]:
    """The figures. Raises TimeoutError where the tasks are not over in twenty minutes."""
    async with proof_scene() as (scene, _), grpc.aio.insecure_channel(scene.target) as channel:
        before = await scene.admin.figures()
        load = Load(
            [
                Caller(agent_pb2_grpc.AsyncAgentServiceStub(channel), agent_pb2),  # type: ignore[no-untyped-call]
                Caller(service_pb2_grpc.AsyncConnectorServiceStub(channel), connector_pb2),  # type: ignore[no-untyped-call]
            ],
            count=count,
            ms=ms,
        )
        began_at = time.monotonic()
        async with asyncio.timeout(_BOUND_S), asyncio.TaskGroup() as group:
            await load.create_all()
            created_at = time.monotonic()
            group.create_task(weather(scene), name="weather")
            await load.poll_all()
        ended_at = time.monotonic()
        after = await scene.admin.figures()
        figures = load.figures
        jobs = after.total - before.total
        doubled = after.created_twice + after.overlapping - before.created_twice - before.overlapping
        return {
            "tasks": count,
            "phases": dict(figures.phases),
            "seconds": round(ended_at - began_at),
            "creates_per_s": round(count / (created_at - began_at)),
            "create_errors": dict(figures.create_errors),
            "gets": len(figures.gets_s),
            "get_errors": dict(figures.get_errors),
            "create_ms": quantiles(figures.creates_s),
            "get_ms": quantiles(figures.gets_s),
            "latest_poll_s": round(figures.latest_poll_s, 2),
            "faults": after.faults - before.faults,
            "remote_jobs": jobs,
            "live": after.live,
            "doubled": doubled,
            "ok": not figures.create_errors
            and not figures.get_errors
            and figures.phases["SUCCEEDED"] == count == jobs
            and not after.live
            and not doubled,
        }


def quantiles(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50": round(cuts[49] * 1000, 1), "p99": round(cuts[98] * 1000, 1)}


def main() -> None:
    """Print one JSON object; exit 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=150.0, help="How long each job runs.")
    options = parser.parse_args()
    figures = asyncio.run(prove(count=options.count, ms=int(options.seconds * 1000)))
    print(json.dumps(figures))
    sys.exit(0 if figures["ok"] else 1)


if __name__ == "__main__":
    main()
