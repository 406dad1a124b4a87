"""Running the parts of a demo beside each other, and gathering what its verdict is made of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine

from propwash.cli.demo.driving import Driver
from propwash.cli.demo.following import Follower
from propwash.cli.demo.measuring import Gauges
from propwash.cli.demo.stage import DOMAIN, PROJECT, Stage
from propwash.cli.demo.verdict import Evidence
from propwash.client import Client, Execution

_SETTLE_S = 3.0
"""Longer than a late create of the sandbox takes to come."""
_LIVE_SHOWN = 20
_CHECK_EVERY_S = 0.2


async def beside(
    main: Coroutine[object, object, None], *others: Coroutine[object, object, None], scene: Stage
) -> None:
    """Return when main does, with the others beside it, which have no end of their own.

    Raises what any of them raises, and ProcessError where a process of the scene ends by itself.
    """
    first = asyncio.create_task(main, name="demo main")
    tasks = {first}
    for number, one in enumerate(others):
        tasks.add(asyncio.create_task(one, name=f"demo beside {number}"))
    try:
        while not first.done():
            done, _ = await asyncio.wait(tasks, timeout=_CHECK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            scene.check()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def gather_evidence(
    scene: Stage,
    client: Client,
    *,
    driver: Driver,
    follower: Follower,
    gauges: Gauges,
    started: float,
) -> Evidence:
    """Read the ledger now, again when a late create would have come, and all that the server has stored.

    started is on the monotonic clock, in seconds. Ends the faults. Raises ClientError and aiohttp's errors.
    """
    admin = scene.admin
    at_end, seconds = await admin.figures(), time.monotonic() - started
    await admin.clear_faults()
    await asyncio.sleep(_SETTLE_S)
    stored: dict[str, Execution] = {}
    async for execution in client.list(project=PROJECT, domain=DOMAIN, page_size=1000):
        stored[execution.name] = execution
    return Evidence(
        driver=driver,
        follower=follower,
        gauges=gauges,
        stored=stored,
        at_end=at_end,
        settled=await admin.figures(),
        remote_ends=await admin.endings(),
        live_names=tuple(await admin.live_jobs(at_most=_LIVE_SHOWN)),
        crashes=len(scene.servers) - 1,
        seconds=seconds,
    )
