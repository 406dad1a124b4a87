"""A sandbox and a server as processes, set up for the proofs, and how calls are told apart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import yaml

from propwash.cli.demo.runs import cluster
from propwash.cli.demo.stage import DOMAIN, PROJECT, Stage, pick_ports, stage
from propwash.cli.demo.work import Work
from propwash.client import Client, NewExecution
from tests.proof.forms import CLUSTER_COUNT, PREPARATIONS, Form

_CALL_S = 120.0
_START_S = 60.0
_POLL_S = 0.1
_READS = ("get", "list", "describe", "history")


@contextlib.asynccontextmanager
async def proof_scene(*, has_default_reads: bool = False) -> AsyncIterator[tuple[Stage, Client]]:
    """The two processes and a client. With has_default_reads the handlers' own limits of reads are in force."""
    async with stage(pick_ports(), log_level="warning") as scene:
        _configure(scene, has_default_reads=has_default_reads)
        await scene.start_server()
        async with Client(scene.target, timeout_s=_CALL_S) as client:
            async with asyncio.timeout(_START_S):
                await _prepare(client)
            yield scene, client


def executions(form: Form, *, count: int, ms: int, prefix: str, skip: int = 0) -> Iterator[NewExecution]:
    """So many jobs of one form."""
    for index in range(skip, skip + count):
        work = form.draw(index, ms)
        yield NewExecution(
            task_type=work.task_type,
            spec=work.spec,
            labels=work.labels,
            execution_id=f"{prefix}-{index:05d}",
            request_id=f"{prefix}-{index}",
        )


def calls_between(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """By method, the calls made since; methods without any are left out."""
    return {
        method: count - before.get(method, 0)
        for method, count in sorted(after.items())
        if count > before.get(method, 0)
    }


def reads(calls: Mapping[str, int]) -> int:
    """How many of them only read."""
    return sum(
        count for method, count in calls.items() if method.rpartition(".")[2].lower().startswith(_READS)
    )


def _configure(scene: Stage, *, has_default_reads: bool) -> None:
    path = scene.folder / "propwash.yaml"
    configuration = yaml.safe_load(path.read_text(encoding="utf-8"))
    connections = configuration["connections"]
    connections["aws"]["settings"]["clusters"] = [cluster(n) for n in range(1, CLUSTER_COUNT + 1)]
    if has_default_reads:
        for connection in connections.values():
            connection.get("limits", {}).pop("reads", None)
    path.write_text(yaml.safe_dump(configuration), encoding="utf-8")


async def _prepare(client: Client, works: Sequence[Work] = PREPARATIONS) -> None:
    for number, work in enumerate(works):
        made = await client.create(
            project=PROJECT,
            domain=DOMAIN,
            task_type=work.task_type,
            spec=work.spec,
            execution_id=f"preparation-{number}",
            request_id=f"preparation-{number}",
        )
        ended = await client.wait(made.name, timeout_s=_START_S)
        if ended.phase != "SUCCEEDED":
            raise RuntimeError(f"{made.name} is {ended.phase}: {ended.reason} {ended.message}")
