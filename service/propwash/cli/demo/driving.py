"""Submitting, aborting and killing, as the plan has it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from propwash.cli.demo.plan import DemoJob
from propwash.cli.demo.stage import DOMAIN, PROJECT, Stage
from propwash.cli.demo.work import Work
from propwash.client import Client, ClientError

_POLL_S = 0.02


@dataclass(slots=True, kw_only=True)
class Driver:
    """Submits the jobs slice by slice and aborts each when its time has come."""

    client: Client
    jobs: Sequence[DemoJob]
    slice_size: int = 200
    has_room: Callable[[], bool] = lambda: True
    """Whether the next slice may be submitted now."""
    is_stopped: bool = False
    """Submit no more slices."""
    acknowledged: dict[str, DemoJob] = field(default_factory=dict)
    aborted: set[str] = field(default_factory=set)
    """Whose abort was acknowledged."""
    late_aborts: set[str] = field(default_factory=set)
    """Who had ended before the abort came."""

    async def drive(self) -> None:
        """Submit everything and return when the last abort is acknowledged. Raises ClientError."""
        async with asyncio.TaskGroup() as group:
            for start in range(0, len(self.jobs), self.slice_size):
                while not (self.has_room() or self.is_stopped):  # noqa: ASYNC110 - room is a count
                    await asyncio.sleep(_POLL_S)
                if self.is_stopped:
                    break
                part = self.jobs[start : start + self.slice_size]
                made = self.client.create_many((job.new for job in part), project=PROJECT, domain=DOMAIN)
                by_name = {job.new.execution_id: job for job in part}
                async for execution in made:
                    job = by_name[execution.id]
                    self.acknowledged[execution.name] = job
                    if job.abort_after_s is not None:
                        group.create_task(
                            self._abort(execution.name, job.abort_after_s), name=f"abort {execution.id}"
                        )

    async def _abort(self, name: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        try:
            await self.client.abort(name, message="the demo aborts it")
        except ClientError as error:
            if error.reason != "EXECUTION_ENDED":
                raise
            self.late_aborts.add(name)
        else:
            self.aborted.add(name)


async def crash(
    stage: Stage,
    *,
    times: int,
    dice: random.Random,
    progress: Callable[[], float],
    say: Callable[[str], None],
) -> None:
    """Kill the server at so many random points of the progress, 0 to 1, and start it again each time."""
    for moment in sorted(dice.uniform(0.05, 0.9) for _ in range(times)):
        while progress() < moment:  # noqa: ASYNC110 - progress is a count of what others do
            await asyncio.sleep(_POLL_S)
        # A moment more, so that a kill does not always follow an answer.
        await asyncio.sleep(dice.uniform(0.0, 0.3))
        await stage.crash_server()
        say(f"killed the server with SIGKILL at {moment:.0%} and started it again")


async def prepare(client: Client, works: Mapping[str, Work]) -> None:
    """Run each work through the server and wait for its success. Raises ClientError and RuntimeError."""
    async with asyncio.TaskGroup() as group:
        for name, work in works.items():
            group.create_task(_prepare(client, name, work), name=f"prepare {name}")


async def _prepare(client: Client, name: str, work: Work) -> None:
    made = await client.create(
        project=PROJECT,
        domain="preparation",
        task_type=work.task_type,
        spec=work.spec,
        execution_id=name,
        request_id=f"preparation-{name}",
    )
    ended = await client.wait(made.name, timeout_s=60.0)
    if ended.phase != "SUCCEEDED":
        raise RuntimeError(f"{made.name} is {ended.phase}: {ended.reason} {ended.message}")
