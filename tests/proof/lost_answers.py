"""What lost answers and aborts come to: python -m tests.proof.lost_answers --count 200.

For each form so many jobs are created while the answer of every first create is lost after it was applied; and so many
are aborted before, during and after their create, while every create is slow or loses its answer. One JSON object a
form and case; exits 1 where a job was doubled, is still live, or ended as it should not have.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from propwash.cli.demo.ledger import LedgerFigures
from propwash.cli.demo.stage import DOMAIN, PROJECT, Stage
from propwash.client import Client, Phase
from tests.proof.forms import FORMS, Form
from tests.proof.scene import calls_between, executions, proof_scene

_DEADLINE_S = 300.0
_LATE_S = 3.0
_POLL_S = 0.5
_SHORT_MS = 3_000
_LONG_MS = 3_600_000
_LOST: dict[str, object] = {"kind": "lost_answer", "methods": ["create"], "probability": 1.0}
_SLOW_OR_LOST: list[dict[str, object]] = [
    {"kind": "slow", "methods": ["create"], "probability": 0.5, "duration_s": 2.0},
    {"kind": "lost_answer", "methods": ["create"], "probability": 0.5},
]
_ABORT_AFTER_S = (0.0, 1.0, 6.0)
"""Before the create is sent or as it is, while a slow one is being answered, and when it is long since made."""


async def lost_creates(scene: Stage, client: Client, form: Form, *, count: int) -> dict[str, object]:
    """As many creates lose their answer as there are jobs."""
    rules = [{**_LOST, "limit": count, "system": form.system}]
    before = await _begin(scene, rules)
    names = await _create(client, form, count=count, ms=_SHORT_MS, prefix="lost")
    return await _end(scene, client, form, "lost creates", before, names, expected=Phase.SUCCEEDED)


async def aborts(scene: Stage, client: Client, form: Form, *, count: int) -> dict[str, object]:
    """A third each is aborted at once, during the create, and after it."""
    before = await _begin(scene, [{**rule, "system": form.system} for rule in _SLOW_OR_LOST])
    names: list[str] = []

    async def one_third(number: int) -> None:
        share = count // 3 + (number < count % 3)
        third = await _create(client, form, count=share, ms=_LONG_MS, prefix=f"abort{number}")
        names.extend(third)
        await asyncio.sleep(_ABORT_AFTER_S[number])
        for name in third:
            await client.abort(name, message="the proof aborts it")

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(one_third(number), name=f"abort third {number}")
    return await _end(scene, client, form, "aborts", before, names, expected=Phase.ABORTED)


async def _begin(scene: Stage, rules: Sequence[Mapping[str, object]]) -> LedgerFigures:
    await scene.admin.set_fault_rules(rules, seed=1)
    return await scene.admin.figures()


async def _create(client: Client, form: Form, *, count: int, ms: int, prefix: str) -> list[str]:
    # A name of its own for every form and case; the server keeps them all.
    named = f"{prefix}-{form.name.lower().replace(' ', '-')}"
    new = executions(form, count=count, ms=ms, prefix=named)
    return [made.name async for made in client.create_many(new, project=PROJECT, domain=DOMAIN)]


async def _end(
    scene: Stage,
    client: Client,
    form: Form,
    case: str,
    before: LedgerFigures,
    names: Sequence[str],
    *,
    expected: Phase,
) -> dict[str, object]:
    async with asyncio.timeout(_DEADLINE_S):
        phases = await _ended(scene, client, set(names))
    await scene.admin.clear_faults()
    await asyncio.sleep(_LATE_S)
    after = await scene.admin.figures()
    remote = after.systems[form.system]["total"] - before.systems.get(form.system, {}).get("total", 0)
    wrong = sum(count for phase, count in phases.items() if phase is not expected)
    is_complete = remote == len(names) if expected is Phase.SUCCEEDED else remote <= len(names)
    doubled = after.created_twice - before.created_twice + after.overlapping - before.overlapping
    calls = calls_between(before.calls, after.calls)
    return {
        "form": form.name,
        "case": case,
        "jobs": len(names),
        "phases": {phase.value: count for phase, count in phases.items()},
        "faults": after.faults - before.faults,
        "remote_jobs": remote,
        "live": after.live,
        "doubled": doubled,
        "remote_calls": sum(calls.values()),
        "calls": calls,
        "ok": not wrong and not after.live and not doubled and is_complete,
    }


async def _ended(scene: Stage, client: Client, names: set[str]) -> Counter[Phase]:
    while True:
        scene.check()
        found = [
            execution.phase
            async for execution in client.list(project=PROJECT, domain=DOMAIN, page_size=1000)
            if execution.name in names
        ]
        if len(found) == len(names) and all(phase.is_terminal for phase in found):
            return Counter(found)
        await asyncio.sleep(_POLL_S)


async def prove(*, count: int, forms: Sequence[Form], show: Callable[[dict[str, object]], None]) -> bool:
    """Both cases of every form, one after another. Raises TimeoutError where one is not over in five minutes."""
    is_good = True
    async with proof_scene() as (scene, client):
        for form in forms:
            for case in (lost_creates, aborts):
                figures = await case(scene, client, form, count=count)
                show(figures)
                is_good = is_good and bool(figures["ok"])
    return is_good


def main() -> None:
    """Print one JSON object a form and case; exit 1 where one is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", action="append", choices=[form.name for form in FORMS])
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    forms = [form for form in FORMS if not options.form or form.name in options.form]
    is_good = asyncio.run(
        prove(count=options.count, forms=forms, show=lambda figures: print(json.dumps(figures), flush=True))
    )
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
