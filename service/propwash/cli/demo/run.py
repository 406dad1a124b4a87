"""One demonstration from start to end."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from propwash.cli.demo.concluding import beside, gather_evidence
from propwash.cli.demo.driving import Driver, crash, prepare
from propwash.cli.demo.following import Follower
from propwash.cli.demo.measuring import Gauges
from propwash.cli.demo.plan import KINDS, Load, counts, make_plan, preparations
from propwash.cli.demo.showing import Counts, Display
from propwash.cli.demo.stage import Stage, pick_ports, stage
from propwash.cli.demo.verdict import Verdict, judge, not_over
from propwash.cli.demo.work import Kind
from propwash.client import Client

_CALL_S = 120.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The knobs. faults is percent of the remote requests; port 0 takes a free one."""

    jobs: int = 2000
    aborts: int = 200
    crashes: int = 2
    faults: float = 5.0
    seed: int = 1
    port: int = 0
    kinds: tuple[Kind, ...] = KINDS
    is_kept: bool = False
    deadline_s: float = 0.0
    """0 makes one that grows with the jobs."""

    @property
    def load(self) -> Load:
        """Jobs outlast the submission, so that nearly all of them are live at once."""
        shortest_s = max(5.0, self.jobs / 100)
        return Load(
            jobs=self.jobs,
            aborts=self.aborts,
            seed=self.seed,
            shortest_s=shortest_s,
            longest_s=1.5 * shortest_s,
            kinds=self.kinds,
        )

    @property
    def bound_s(self) -> float:
        """The deadline in force, in seconds."""
        return self.deadline_s or 90.0 + self.jobs * 0.05 + self.crashes * 15.0


class DemoError(Exception):
    """The demo did not come to a verdict; the message says what is stuck."""


async def run_demo(options: DemoOptions, display: Display) -> Verdict:
    """Run it. Raises DemoError, and ProcessError where a process ended by itself."""
    dice = random.Random(options.seed)
    ports = pick_ports(options.port)
    is_kept = options.is_kept
    try:
        async with stage(ports, is_kept=lambda: is_kept) as scene:
            try:
                verdict = await _Demo(options, display, scene, dice).run()
            except BaseException as error:
                # What went wrong can be read there; what was stopped by hand leaves nothing.
                is_kept = is_kept or isinstance(error, Exception)
                raise
            is_kept = is_kept or not verdict.is_good
            return verdict
    finally:
        if is_kept:
            display.say(f"logs and data are kept in {scene.folder}")


class _Demo:
    def __init__(self, options: DemoOptions, display: Display, scene: Stage, dice: random.Random) -> None:
        self._options = options
        self._display = display
        self._scene = scene
        self._dice = dice
        self._follower = Follower()
        self._gauges = Gauges()
        self._driver: Driver
        self._is_submitted = False

    async def run(self) -> Verdict:
        """Everything between the start and the end of the processes."""
        options, scene = self._options, self._scene
        started = time.monotonic()
        async with Client(scene.target, timeout_s=_CALL_S) as client:
            plan = make_plan(options.load)
            self._driver = Driver(client=client, jobs=plan)
            try:
                async with asyncio.timeout(options.bound_s) as bound:
                    await scene.start_server()
                    await beside(prepare(client, preparations(options.kinds)), scene=scene)
                    self._display.say(f"sandbox and server are up; submitting {counts(plan)}")
                    await scene.admin.set_faults(options.faults, seed=options.seed)
                    await beside(
                        self._drive(),
                        self._follower.follow(client),
                        self._gauges.sample(scene),
                        self._display.show(self._counts),
                        scene=scene,
                    )
                    return judge(
                        await gather_evidence(
                            scene,
                            client,
                            driver=self._driver,
                            follower=self._follower,
                            gauges=self._gauges,
                            started=started,
                        )
                    )
            except TimeoutError:
                if not bound.expired():
                    raise
                raise DemoError(not_over(self._driver, self._follower, options.bound_s)) from None

    async def _drive(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._submit(), name="submit")
            group.create_task(
                crash(
                    self._scene,
                    times=self._options.crashes,
                    dice=self._dice,
                    progress=self._progress,
                    say=self._display.say,
                ),
                name="crash",
            )
        while not self._is_over():  # noqa: ASYNC110 - what is waited for is many executions' ends
            await asyncio.sleep(_POLL_S)

    async def _submit(self) -> None:
        await self._driver.drive()
        self._is_submitted = True

    def _is_over(self) -> bool:
        received = self._follower.received_at
        return self._is_submitted and all(name in received for name in self._driver.acknowledged)

    def _progress(self) -> float:
        done = len(self._driver.acknowledged) + self._follower.ended
        return done / (2 * self._options.jobs)

    def _counts(self) -> Counts:
        return Counts(
            jobs=self._options.jobs,
            submitted=len(self._driver.acknowledged),
            ended=self._follower.ended,
            phases=self._follower.phases,
        )
