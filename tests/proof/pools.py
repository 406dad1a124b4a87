"""What pools come to at a real server: python -m tests.proof.pools [--count N].

Three projects of weights 1, 2 and 3 want more of one pool than there is, on BigQuery at the sandbox, which loses
answers and fails calls; the server is killed twice, and the capacity is lowered and raised in the middle. The sandbox's
own ledger says how many jobs were live at once. Prints one JSON object, with ok or not ok for each figure; exits 1
where one is not ok. Takes two minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass, field

import yaml

from propwash.cli.demo.stage import Stage, pick_ports, stage
from propwash.client import Client, ClientError, NewExecution, Phase, ProjectShare
from tests.proof.forms import BIGQUERY, FORMS

POOL = "shared"
WEIGHTS = {"one": 1.0, "two": 2.0, "three": 3.0}
DOMAIN = "proof"
MS = 2_000
FAULTS_PERCENT = 10.0
CAPACITIES = (60, 30, 90)
"""When all wait, lowered, raised."""
STAGE_S = 20.0
WITHIN = 0.05
SAMPLE_S = 0.1
_START_S = 60.0
_CALL_S = 120.0
_END_S = 300.0


@dataclass(slots=True)
class Seen:
    """What was sampled: live jobs at the sandbox above what the pool allowed, and what the projects held."""

    over: int = 0
    samples: int = 0
    held: Counter[str] = field(default_factory=Counter)
    allowed: int = CAPACITIES[0]
    """Jobs that may be live: the capacity, or what was held when it was lowered and has not ended yet."""


class Proof:
    """One run."""

    def __init__(self, scene: Stage, client: Client, count: int) -> None:
        self._scene = scene
        self._client = client
        self._count = count
        self._form = next(form for form in FORMS if form.system == BIGQUERY)
        self.seen = Seen()

    async def run(self) -> dict[str, object]:
        """Play it; the figures."""
        projects = {project: ProjectShare(weight=weight) for project, weight in WEIGHTS.items()}
        await self._client.update_pool(POOL, projects=projects)
        names = [name for project in WEIGHTS for name in await self._submit(project)]
        # All wait before the first is granted: who came first would have had it all to itself.
        await self._resize(CAPACITIES[0])
        await self._scene.admin.set_faults(FAULTS_PERCENT, seed=5)
        watching = asyncio.create_task(self._watch(), name="watching")
        await asyncio.sleep(STAGE_S)
        await self._scene.crash_server()
        await asyncio.sleep(STAGE_S)
        await self._resize(CAPACITIES[1])
        await asyncio.sleep(STAGE_S)
        await self._scene.crash_server()
        shares = self._shares()
        await self._resize(CAPACITIES[2])
        await self._scene.admin.clear_faults()
        phases = Counter([await self._end_of(name) for name in names])
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        figures = await self._scene.admin.figures()
        pool = await self._client.pool(POOL)
        checks = {
            "all succeeded": phases == {Phase.SUCCEEDED: len(names)},
            "live jobs within the pool": self.seen.over == 0 and figures.peak_live <= max(CAPACITIES),
            "shares within 5% of the weights": all(abs(part - 1.0) <= WITHIN for part in shares.values()),
            "nothing left": figures.live == 0 and pool.occupied == 0 and pool.waiting == 0,
            "none twice": figures.created_twice == 0 and figures.overlapping == 0,
            "the change of capacity survived the kill": pool.capacity == CAPACITIES[2],
        }
        return {
            "executions": len(names),
            "faults": figures.faults,
            "peak live": figures.peak_live,
            "samples": self.seen.samples,
            "samples over the pool": self.seen.over,
            "shares of the weights": {project: round(part, 3) for project, part in shares.items()},
            **{name: "ok" if is_ok else "NOT OK" for name, is_ok in checks.items()},
        }

    async def _submit(self, project: str) -> list[str]:
        new = [
            NewExecution(
                task_type=work.task_type,
                spec=work.spec,
                labels=work.labels,
                execution_id=f"{project}-{index:05d}",
                request_id=f"{project}-{index}",
            )
            for index in range(self._count)
            for work in [self._form.draw(index, MS)]
        ]
        made = self._client.create_many(new, project=project, domain=DOMAIN)
        return [execution.name async for execution in made]

    async def _resize(self, capacity: int) -> None:
        held = (await self._client.pool(POOL)).occupied
        await self._client.update_pool(POOL, capacity=capacity)
        self.seen.allowed = max(capacity, held)

    async def _watch(self) -> None:
        seen = self.seen
        while True:
            allowed = seen.allowed
            live = (await self._scene.admin.figures()).live
            seen.samples += 1
            if allowed == seen.allowed and live > allowed:
                seen.over += 1
            try:
                pool = await self._client.pool(POOL)
            except ClientError:
                continue  # It is between two lives.
            if pool.occupied < pool.capacity:
                # It has sunk below the lowered capacity, and may not rise above it again.
                seen.allowed = min(seen.allowed, max(pool.capacity, live))
            if pool.capacity > 1 and all(one.waiting for one in pool.project_usages):
                seen.held.update({one.project: one.held for one in pool.project_usages})
            await asyncio.sleep(SAMPLE_S)

    def _shares(self) -> dict[str, float]:
        held, weights = self.seen.held, sum(WEIGHTS.values())
        return {
            project: held[project] / max(held.total(), 1) / (weight / weights)
            for project, weight in WEIGHTS.items()
        }

    async def _end_of(self, name: str) -> Phase:
        async with asyncio.timeout(_END_S):
            return (await self._client.wait(name)).phase


async def prove(count: int) -> bool:
    """Run, print, and say whether all is ok."""
    async with stage(pick_ports(), log_level="warning") as scene:
        path = scene.folder / "propwash.yaml"
        configuration = yaml.safe_load(path.read_text(encoding="utf-8"))
        configuration["engine"] = {"pools": {POOL: 1}}
        configuration["connections"]["bigquery"]["claims"] = {POOL: 1}
        path.write_text(yaml.safe_dump(configuration), encoding="utf-8")
        await scene.start_server()
        async with Client(scene.target, timeout_s=_CALL_S) as client:
            async with asyncio.timeout(_START_S):
                await client.pools()
            figures = await Proof(scene, client, count).run()
    print(json.dumps(figures, indent=2))
    return "NOT OK" not in figures.values()


def main() -> int:
    """Parse, prove; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.pools")
    parser.add_argument("--count", type=int, default=1_000, help="executions of each project")
    options = parser.parse_args()
    return 0 if asyncio.run(prove(options.count)) else 1


if __name__ == "__main__":
    sys.exit(main())
