"""A restart with many live jobs and little room to read: python -m tests.proof.restart --jobs 20000.

So many jobs of a form run, and their connection may be read 100 times a second. The server is killed and started again.
From the instant at which it serves, for half a minute, new executions are created and live ones aborted, one of each a
second; printed is how long after its acknowledged call each create and each delete reached the remote system, by the
remote system's own clock. One JSON object a form; exits 1 where one took a second or longer. BigQuery is listed many
jobs a call, and the connector server is asked for one job a call.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import aiohttp
import grpc
import yaml
from flyteidl.core import tasks_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from propwash.cli.demo.stage import DOMAIN, PROJECT, Stage, pick_ports, stage
from propwash.cli.demo.work import DURATION
from propwash.client import Client, NewExecution
from tests.proof.connector import TASK_TYPE, Connector, connector

READS = 100
SECONDS = 30
BOUND_S = 1.0
_FAST = {"rate": 1000, "burst": 1000}
_LONG_MS = 6 * 3_600_000
_SET_UP_S = 900.0
_SERVES_S = 120.0
_LOOK_S = 0.01
_SETTLE_S = 5.0
_SERVICE = "propwash.v1.ExecutionService"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One form: how its executions look, how many of its jobs are live, and when a job's create and delete came."""

    name: str
    connection: str
    new: Callable[[str], NewExecution]
    live: Callable[[], Awaitable[int]]
    instants: Callable[[str], Awaitable[tuple[float | None, float | None]]]
    """Of the execution of a uid: when its job was made, and when it was deleted."""
    reads: Callable[[], Awaitable[int]]


async def measure(scene: Stage, target: Target, *, jobs: int) -> dict[str, object]:
    """The figures of one form."""
    async with Client(scene.target, timeout_s=_SET_UP_S) as client:
        names = [
            made.name
            async for made in client.create_many(
                (target.new(f"live-{number:06d}") for number in range(jobs)), project=PROJECT, domain=DOMAIN
            )
        ]
        async with asyncio.timeout(_SET_UP_S):
            while await _running(client) < jobs:  # noqa: ASYNC110  another process is waited for
                await asyncio.sleep(1.0)
        live_before = await target.live()
        killed_at = time.time()
        await scene.crash_server()
        await _serves(scene)
        served_at, reads_before = time.time(), await target.reads()
        acknowledged = [one async for one in _busy(scene, target, names)]
        reads_after, until = await target.reads(), time.time()
        await asyncio.sleep(_SETTLE_S)
        scene.check()
        creates, aborts = list[float](), list[float]()
        for is_abort, uid, _, at in acknowledged:
            made_at, deleted_at = await target.instants(uid)
            reached_at = deleted_at if is_abort else made_at
            # What never came counts as having taken all this time.
            (aborts if is_abort else creates).append((reached_at or time.time()) - at)
    return {
        "form": target.name,
        "live_jobs": live_before,
        "reads_a_second": round((reads_after - reads_before) / (until - served_at), 1),
        "serves_after_s": round(served_at - killed_at, 2),
        "first_create_s": round(creates[0], 3),
        "first_abort_s": round(aborts[0], 3),
        "creates": len(creates),
        "worst_create_s": round(max(creates), 3),
        "aborts": len(aborts),
        "worst_abort_s": round(max(aborts), 3),
        "worst_call_s": round(max(at - asked_at for _, _, asked_at, at in acknowledged), 3),
        "server_peak_rss_mib": round(scene.server.peak_rss_mib(), 1),
        "ok": live_before == jobs and max(*creates, *aborts) < BOUND_S,
    }


async def _running(client: Client) -> int:
    count = 0
    async for _ in client.list(project=PROJECT, domain=DOMAIN, filter="phase = RUNNING", page_size=1000):
        count += 1
    return count


async def _serves(scene: Stage) -> None:
    """Return as soon as the server says that it serves."""
    request = health_pb2.HealthCheckRequest(service=_SERVICE)
    async with asyncio.timeout(_SERVES_S):
        while True:
            scene.check()
            with contextlib.suppress(grpc.aio.AioRpcError):
                # A new channel each time: one that was refused would wait before it tries again.
                async with grpc.aio.insecure_channel(scene.target) as channel:
                    answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=1.0)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
            await asyncio.sleep(_LOOK_S)


async def _busy(
    scene: Stage, target: Target, names: list[str]
) -> AsyncIterator[tuple[bool, str, float, float]]:
    """Creates and aborts, one of each a second, the first at once: whether it is an abort, of which uid, when it was
    asked for and when acknowledged.
    """
    began_at = time.monotonic()
    async with Client(scene.target, timeout_s=BOUND_S * 10) as client:
        for second in range(SECONDS):
            await asyncio.sleep(max(0.0, began_at + second - time.monotonic()))
            asked_at = time.time()
            made = await client.create_new(target.new(f"new-{second:03d}"), project=PROJECT, domain=DOMAIN)
            yield False, made.uid, asked_at, time.time()
            asked_at = time.time()
            aborted = await client.abort(names[second * (len(names) // SECONDS)])
            yield True, aborted.uid, asked_at, time.time()


@contextlib.asynccontextmanager
async def _stage(connections: dict[str, dict[str, object]]) -> AsyncIterator[Stage]:
    """A sandbox and a server with these connections besides, or laid over, those of the demo."""
    async with stage(pick_ports(), log_level="warning") as scene:
        path = scene.folder / "propwash.yaml"
        configuration = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, settings in connections.items():
            configuration["connections"].setdefault(name, {}).update(settings)
        path.write_text(yaml.safe_dump(configuration), encoding="utf-8")
        await scene.start_server()
        await _serves(scene)
        yield scene


@contextlib.asynccontextmanager
async def _bigquery() -> AsyncIterator[tuple[Stage, Target]]:
    async with _stage({"bigquery": {"limits": _limits()}}) as scene, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{scene.ports.sandbox}/_sandbox"

        async def live() -> int:
            return (await scene.admin.figures()).live

        async def reads() -> int:
            calls = (await scene.admin.figures()).calls
            return sum(
                n for method, n in calls.items() if method.rpartition(".")[2].lower() in ("get", "list")
            )

        async def instants(uid: str) -> tuple[float | None, float | None]:
            async with http.get(f"{url}/ledger/jobs", params={"execution": uid}) as answer:
                jobs = (await answer.json())["jobs"]
            return (jobs[0]["created_at"], jobs[0]["ended_at"]) if jobs else (None, None)

        def new(execution_id: str) -> NewExecution:
            return NewExecution(
                task_type="bigquery_query_job_task",
                spec={"query": "SELECT 1 AS n"},
                labels={DURATION: str(_LONG_MS)},
                execution_id=execution_id,
                request_id=execution_id,
            )

        async with http.get(f"{url}/speed") as answer:
            speed = await answer.json()
        async with http.put(f"{url}/speed", json={**speed, "cancel_ms": 0}, raise_for_status=True):
            pass
        yield (
            scene,
            Target(
                name="BigQuery query, listed",
                connection="bigquery",
                new=new,
                live=live,
                instants=instants,
                reads=reads,
            ),
        )


@contextlib.asynccontextmanager
async def _upstream() -> AsyncIterator[tuple[Stage, Target]]:
    async with connector() as (served, endpoint):
        settings: dict[str, object] = {"plugin": "upstream", "endpoint": endpoint, "limits": _limits()}
        async with _stage({"tiny": {**settings, "settings": {"protocol": "v1"}}}) as scene:
            yield scene, _of_connector(served)


def _of_connector(served: Connector) -> Target:
    template = tasks_pb2.TaskTemplate(type=TASK_TYPE)

    async def live() -> int:
        return served.live

    async def reads() -> int:
        return served.calls["get"]

    async def instants(uid: str) -> tuple[float | None, float | None]:
        job = next((job for prefix, job in served.jobs.items() if uid in prefix), None)
        return (None, None) if job is None else (job.created_at, job.deleted_at)

    def new(execution_id: str) -> NewExecution:
        return NewExecution(
            task_type="flyte_connector",
            connection="tiny",
            spec={"task_type": TASK_TYPE, "template": template.SerializeToString()},
            execution_id=execution_id,
            request_id=execution_id,
        )

    return Target(
        name="connector server, one by one",
        connection="tiny",
        new=new,
        live=live,
        instants=instants,
        reads=reads,
    )


def _limits() -> dict[str, object]:
    return {"reads": {"rate": READS, "burst": READS}, "writes": _FAST, "deletes": _FAST}


SCENES = {"bigquery": _bigquery, "upstream": _upstream}


async def prove(form: str, *, jobs: int) -> dict[str, object]:
    """The figures of a form."""
    async with SCENES[form]() as (scene, target):
        return await measure(scene, target, jobs=jobs)


def _all(forms: list[str], *, jobs: int) -> Iterator[dict[str, object]]:
    for form in forms:
        yield asyncio.run(prove(form, jobs=jobs))


def main() -> None:
    """Print one JSON object a form; exit 1 where something took too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", action="append", choices=[*SCENES])
    parser.add_argument("--jobs", type=int, default=20_000)
    options = parser.parse_args()
    is_ok = True
    for figures in _all(options.form or [*SCENES], jobs=options.jobs):
        print(json.dumps(figures), flush=True)
        is_ok = is_ok and bool(figures["ok"])
    sys.exit(0 if is_ok else 1)


if __name__ == "__main__":
    main()
