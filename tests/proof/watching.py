"""What it costs to watch: python -m tests.proof.watching --form "EMR step" --jobs 10000 --minutes 10.

So many jobs of one form run at once and outlast the watching; the remote reads of those minutes, by the sandbox's
ledger, stand against one read of each job every 30 seconds. The handlers' own limits of reads are in force.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from propwash.cli.demo.stage import DOMAIN, PROJECT, Stage
from propwash.client import Client
from tests.proof.forms import FORMS, Form
from tests.proof.scene import calls_between, executions, proof_scene, reads

_SUBMIT_S = 900.0
_EACH_S = 30.0
_POLL_S = 1.0


async def watch(form: Form, *, jobs: int, minutes: float) -> dict[str, object]:
    """The figures. Raises TimeoutError where the jobs are not all running in 15 minutes."""
    ms = round((_SUBMIT_S + minutes * 60 + 600) * 1000)
    async with proof_scene(has_default_reads=True) as (scene, client):
        started = time.monotonic()
        async for _ in client.create_many(
            executions(form, count=jobs, ms=ms, prefix="watch"), project=PROJECT, domain=DOMAIN
        ):
            pass
        async with asyncio.timeout(_SUBMIT_S):
            await _all_running(scene, client, jobs)
        running_after_s = time.monotonic() - started
        before = await scene.admin.figures()
        await asyncio.sleep(minutes * 60)
        after = await scene.admin.figures()
        scene.check()
        calls = calls_between(before.calls, after.calls)
        plain = round(jobs * minutes * 60 / _EACH_S)
        made = reads(calls)
        return {
            "form": form.name,
            "jobs": jobs,
            "minutes": minutes,
            "running_after_s": round(running_after_s, 1),
            "live_at_end": after.live,
            "created_twice": after.created_twice,
            "reads": made,
            "one_get_each_30_s": plain,
            "ratio": round(plain / made, 1) if made else None,
            "calls": calls,
            "server_peak_rss_mib": round(scene.server.peak_rss_mib(), 1),
        }


async def _all_running(scene: Stage, client: Client, jobs: int) -> None:
    running = 0
    while running < jobs:
        await asyncio.sleep(_POLL_S * 5)
        scene.check()
        if (await scene.admin.figures()).live < jobs:
            continue
        running = 0
        async for _ in client.list(project=PROJECT, domain=DOMAIN, filter="phase = RUNNING", page_size=1000):
            running += 1


def main() -> None:
    """Print one JSON object a form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", action="append", choices=[form.name for form in FORMS], required=True)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    for form in FORMS:
        if form.name in options.form:
            print(
                json.dumps(asyncio.run(watch(form, jobs=options.jobs, minutes=options.minutes))), flush=True
            )


if __name__ == "__main__":
    main()
