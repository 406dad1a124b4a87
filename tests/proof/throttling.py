"""What throttles come to: python -m tests.proof.throttling [--limit requests|jobs].

The sandbox bears so many creates a second, or so many jobs at once, and later three times as many. A server with fixed
rates shows the best throughput; one that is configured for 1,000 calls a second has to find it by itself. BigQuery and
Snowflake at the same time. Prints one JSON object for each system and limit, with ok or not ok for each figure; exits 1
where one is not ok. Takes eleven minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import yaml

from propwash.cli.demo.stage import DOMAIN, PROJECT, Stage, pick_ports, stage
from propwash.client import Client, NewExecution
from tests.proof.forms import BIGQUERY, FORMS, SNOWFLAKE, Form

FAR_TOO_FAST = 1000.0
TENTH = 0.9
FEW = 0.02
LEARN_S = 60.0
MEASURE_S = 30.0
WARM_S = 10.0
FIXED_S = 12.0
SHARES = (0.8, 0.9, 1.0)
"""The fixed rates, of what the sandbox bears."""
RAISED = 3
_BACKLOG = 400
"""So many executions wait at least."""
_POLL_S = 0.5
_START_S = 60.0
_CREATES = {BIGQUERY: "jobs.insert", SNOWFLAKE: "statements.submit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What the sandbox bears: of these per_s, in its own words, and how long each job lasts."""

    name: str
    per_s: float
    ms: int
    words: Callable[[int], Mapping[str, object]]
    """The limits by how often they were raised threefold."""


LIMITS = (
    Limit(
        name="requests", per_s=40.0, ms=200, words=lambda times: {"requests_per_s": {"create": 40 * times}}
    ),
    Limit(name="jobs", per_s=15.0, ms=3000, words=lambda times: {"concurrent_jobs": 45 * times}),
)


@dataclass(slots=True)
class Window:
    """Creates that were answered between two readings of the ledger."""

    served: int = 0
    refused: int = 0
    seconds: float = 0.0

    @property
    def per_s(self) -> float:
        return round(self.served / self.seconds, 1)

    @property
    def share_refused(self) -> float:
        return round(self.refused / max(self.served + self.refused, 1), 4)


@dataclass(slots=True)
class Load:
    """Keeps executions waiting for each system, and reads the ledger."""

    scene: Stage
    client: Client
    forms: Mapping[str, Form]
    ms: int
    prefix: str
    created: Counter[str] = field(default_factory=Counter)
    begun_with: dict[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Feed for ever."""
        for system in self.forms:
            self.begun_with[system] = (await self.counted(system)).served
        drawn = {system: self._draw(form) for system, form in self.forms.items()}
        while True:
            self.scene.check()
            for system, new in drawn.items():
                served = (await self.counted(system)).served - self.begun_with[system]
                missing = _BACKLOG - (self.created[system] - served)
                if missing > 0:
                    batch = list(itertools.islice(new, missing))
                    async for _ in self.client.create_many(batch, project=PROJECT, domain=DOMAIN):
                        self.created[system] += 1
            await asyncio.sleep(_POLL_S)

    async def measure(self, seconds: float) -> dict[str, Window]:
        """The creates of so many seconds, by system."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        before = {system: await self.counted(system) for system in self.forms}
        await asyncio.sleep(seconds)
        after = {system: await self.counted(system) for system in self.forms}
        took_s = loop.time() - began_at
        return {
            system: Window(
                after[system].served - before[system].served,
                after[system].refused - before[system].refused,
                took_s,
            )
            for system in self.forms
        }

    async def counted(self, system: str) -> Window:
        """All creates so far."""
        codes = await self.scene.admin.answers(system, _CREATES[system])
        refused = sum(count for code, count in codes.items() if " " in code)
        return Window(sum(codes.values()) - refused, refused)

    def _draw(self, form: Form) -> Iterator[NewExecution]:
        for index in itertools.count():
            work = form.draw(index, self.ms)
            name = f"{self.prefix}-{form.system}-{index:06d}"
            yield NewExecution(
                task_type=work.task_type,
                spec=work.spec,
                labels=work.labels,
                execution_id=name,
                request_id=name,
            )


@asynccontextmanager
async def loaded(
    scene: Stage, forms: Mapping[str, Form], limit: Limit, *, writes_per_s: float, prefix: str
) -> AsyncIterator[Load]:
    """A server of its own store with such a throttle of writes, under load."""
    path = scene.folder / "propwash.yaml"
    configuration = yaml.safe_load(path.read_text(encoding="utf-8"))
    configuration["data_dir"] = str(scene.folder / prefix)
    fast = {"rate": FAR_TOO_FAST, "burst": FAR_TOO_FAST}
    is_told = writes_per_s != FAR_TOO_FAST
    # A twentieth of a second: none loses calls to every timer that is late, and more would be refused at the start.
    writes = {"rate": writes_per_s, "burst": max(writes_per_s / 20.0, 1.0) if is_told else FAR_TOO_FAST}
    for system in forms:
        configuration["connections"][system]["limits"] = {"reads": fast, "writes": writes, "deletes": fast}
    path.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    await scene.start_server()
    try:
        async with Client(scene.target, timeout_s=_START_S) as client:
            load = Load(scene, client, forms, limit.ms, prefix)
            feeding = asyncio.create_task(load.run(), name="feeding")
            try:
                yield load
                if feeding.done():
                    await feeding
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
    finally:
        scene.is_changing = True
        await scene.server.stop()


async def best_fixed(
    scene: Stage, forms: Mapping[str, Form], limit: Limit, *, times: int
) -> dict[str, dict[float, Window]]:
    """Creates by system and rate, each rate being told."""
    found: dict[str, dict[float, Window]] = {system: {} for system in forms}
    await scene.admin.set_limits(limit.words(times))
    for share in SHARES:
        rate = share * limit.per_s * times
        prefix = f"{limit.name}-{times}-{int(rate)}"
        async with loaded(scene, forms, limit, writes_per_s=rate, prefix=prefix) as load:
            await load.measure(WARM_S)
            for system, window in (await load.measure(FIXED_S)).items():
                found[system][rate] = window
    return found


def best_of(fixed: Mapping[float, Window]) -> float:
    """The most creates a second of those with few refused, or of all where many were with each."""
    few = [window.per_s for window in fixed.values() if window.share_refused < FEW]
    return max(few or [window.per_s for window in fixed.values()])


def told(fixed: Mapping[float, Window]) -> dict[str, str]:
    """Creates a second, and the share that was refused, by rate."""
    return {f"{rate:g}": f"{one.per_s} ({one.share_refused:.1%} refused)" for rate, one in fixed.items()}


async def prove(
    forms: Mapping[str, Form], limit: Limit, *, show: Callable[[dict[str, object]], None]
) -> bool:
    """One limit, all systems at once."""
    async with stage(pick_ports(), log_level="error") as scene:
        before = await best_fixed(scene, forms, limit, times=1)
        after = await best_fixed(scene, forms, limit, times=RAISED)
        await scene.admin.set_limits(limit.words(1))
        async with loaded(
            scene, forms, limit, writes_per_s=FAR_TOO_FAST, prefix=f"{limit.name}-adaptive"
        ) as load:
            learnt = await load.measure(LEARN_S)
            held = await load.measure(MEASURE_S)
            await scene.admin.set_limits(limit.words(RAISED))
            await load.measure(LEARN_S)
            raised = await load.measure(MEASURE_S)
    is_good = True
    for system in forms:
        best, new_best = best_of(before[system]), best_of(after[system])
        checks = {
            "within a tenth of the best": held[system].per_s >= TENTH * best,
            "few refused after the first minute": held[system].share_refused < FEW,
            "within a tenth of the new best after a minute": raised[system].per_s >= TENTH * new_best,
        }
        show(
            {
                "system": system,
                "limit": limit.name,
                "bears_per_s": limit.per_s,
                "configured_per_s": FAR_TOO_FAST,
                "fixed_per_s": told(before[system]),
                "best_fixed_per_s": best,
                "adaptive_per_s": held[system].per_s,
                "refused_in_the_first_minute": learnt[system].share_refused,
                "refused_after_it": held[system].share_refused,
                "raised_to_per_s": limit.per_s * RAISED,
                "raised_fixed_per_s": told(after[system]),
                "raised_best_fixed_per_s": new_best,
                "raised_adaptive_per_s": raised[system].per_s,
                "raised_refused": raised[system].share_refused,
                **{what: "ok" if is_ok else "not ok" for what, is_ok in checks.items()},
            }
        )
        is_good = is_good and all(checks.values())
    return is_good


def main() -> None:
    """Print one JSON object for each system and limit; exit 1 where a figure is not ok."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", action="append", choices=[limit.name for limit in LIMITS])
    options = parser.parse_args()
    chosen: Sequence[Limit] = [one for one in LIMITS if not options.limit or one.name in options.limit]
    forms: dict[str, Form] = {}
    for form in FORMS:
        if form.system in _CREATES:
            forms.setdefault(form.system, form)
    is_good = True
    for limit in chosen:
        proved = asyncio.run(prove(forms, limit, show=lambda figures: print(json.dumps(figures), flush=True)))
        is_good = is_good and proved
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
