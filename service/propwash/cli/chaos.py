"""Kill the server after a random line of its log, again and again, and check the sandbox's ledger at the end.

For those who work on Propwash: python -m propwash.cli.chaos --moments 100
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import click
import uvloop

from propwash.cli.demo.concluding import beside, gather_evidence
from propwash.cli.demo.driving import Driver, prepare
from propwash.cli.demo.following import Follower
from propwash.cli.demo.measuring import Gauges
from propwash.cli.demo.plan import Load, make_plan, preparations
from propwash.cli.demo.processes import ProcessError
from propwash.cli.demo.run import DemoError
from propwash.cli.demo.showing import print_summary
from propwash.cli.demo.stage import Stage, pick_ports, stage
from propwash.cli.demo.verdict import Verdict, judge, not_over
from propwash.client import Client, ClientError

_CALL_S = 300.0
_MOST_LINES = 250
_IDLE_S = 4.0
"""A server that is silent for so long will not come to the line that was drawn; longer than a start."""
_POLL_S = 0.05
_JOBS_A_MOMENT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosOptions:
    """The knobs. open_jobs is how many may be under way at once; durations are seconds."""

    moments: int = 100
    seed: int = 1
    faults: float = 5.0
    open_jobs: int = 40
    deadline_s: float = 0.0
    """0 makes one that grows with the moments."""

    @property
    def bound_s(self) -> float:
        """The deadline in force."""
        return self.deadline_s or 90.0 + 10.0 * self.moments

    @property
    def load(self) -> Load:
        """More jobs than are needed; what is left when the last moment is over is not submitted."""
        jobs = _JOBS_A_MOMENT * self.moments + self.open_jobs
        return Load(
            jobs=jobs, aborts=jobs // 5, seed=self.seed, shortest_s=0.1, longest_s=1.5, prefix="chaos"
        )


class LineTrap:
    """Counts the lines of one life of the server and springs at the one that was drawn."""

    def __init__(self) -> None:
        self.count = 0
        self.sprung = asyncio.Event()
        self._at: int | None = None
        self._spring: Callable[[], None] | None = None

    def set(self, at: int, spring: Callable[[], None]) -> None:
        """Begin to count anew; spring is called with the line of that number, 1-based."""
        self.count, self._at, self._spring = 0, at, spring
        self.sprung.clear()

    def disarm(self) -> None:
        """Spring no more."""
        self._spring = None

    def line(self, text: str) -> None:
        """One line was written."""
        del text
        self.count += 1
        if self._spring is not None and self.count == self._at:
            self._spring()
            self._spring = None
            self.sprung.set()


async def run_chaos(options: ChaosOptions, say: Callable[[str], None]) -> Verdict:
    """Kill, restart, verify. Raises DemoError, ProcessError and ClientError."""
    trap = LineTrap()
    is_kept = True
    async with stage(pick_ports(), log_level="debug", on_line=trap.line, is_kept=lambda: is_kept) as scene:
        try:
            verdict = await _run(options, scene, trap, say)
        except Exception:
            say(f"logs and data are kept in {scene.folder}")
            raise
        except BaseException:
            is_kept = False
            raise
        is_kept = not verdict.is_good
        if is_kept:
            say(f"logs and data are kept in {scene.folder}")
        return verdict


async def _run(options: ChaosOptions, scene: Stage, trap: LineTrap, say: Callable[[str], None]) -> Verdict:
    started = time.monotonic()
    follower, gauges = Follower(), Gauges()
    async with Client(scene.target, timeout_s=_CALL_S) as client:
        driver = Driver(client=client, jobs=make_plan(options.load), slice_size=5)
        driver.has_room = lambda: len(driver.acknowledged) - follower.ended < options.open_jobs
        try:
            async with asyncio.timeout(options.bound_s) as bound:
                await scene.start_server()
                await beside(prepare(client, preparations()), scene=scene)
                await scene.admin.set_faults(options.faults, seed=options.seed)
                await beside(
                    _drive(options, scene, trap, driver, follower, say), follower.follow(client), scene=scene
                )
                evidence = await gather_evidence(
                    scene, client, driver=driver, follower=follower, gauges=gauges, started=started
                )
                return judge(evidence)
        except TimeoutError:
            if not bound.expired():
                raise
            raise DemoError(not_over(driver, follower, options.bound_s)) from None


async def _drive(
    options: ChaosOptions,
    scene: Stage,
    trap: LineTrap,
    driver: Driver,
    follower: Follower,
    say: Callable[[str], None],
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(driver.drive(), name="submit")
        await _kill(options, scene, trap, say)
        driver.is_stopped = True
    while not driver.acknowledged.keys() <= follower.received_at.keys():  # noqa: ASYNC110 - many ends
        await asyncio.sleep(_POLL_S)


async def _kill(options: ChaosOptions, scene: Stage, trap: LineTrap, say: Callable[[str], None]) -> None:
    dice = random.Random(options.seed)
    for moment in range(1, options.moments + 1):
        # The logarithm is even: the first lines of a life, where it takes up what was, are drawn as often
        # as the many that follow.
        at = round(math.exp(dice.uniform(0.0, math.log(_MOST_LINES))))
        scene.is_changing = True
        trap.set(at, scene.server.signal_kill)
        is_sprung = await _sprung(trap)
        trap.disarm()
        if not is_sprung:
            scene.server.check()
        await scene.crash_server()
        say(f"{moment}/{options.moments}: killed {f'at line {at}' if is_sprung else 'while idle'}")


async def _sprung(trap: LineTrap) -> bool:
    """Whether the trap springs before the server falls silent."""
    while True:
        before = trap.count
        try:
            async with asyncio.timeout(_IDLE_S):
                await trap.sprung.wait()
        except TimeoutError:
            if trap.count == before:
                return False
        else:
            return True


@click.command()
@click.option("--moments", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--faults", type=click.FloatRange(0, 50), default=5.0, show_default=True, metavar="PERCENT")
def main(moments: int, seed: int, faults: float) -> None:
    """Kill the server at random lines of its log; exit code 1 where anything is lost, doubled or left."""
    options = ChaosOptions(moments=moments, seed=seed, faults=faults)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            verdict = runner.run(run_chaos(options, lambda text: click.echo(text, err=True)))
    except KeyboardInterrupt:
        sys.exit(130)
    except (DemoError, ProcessError, ClientError, OSError, ExceptionGroup) as error:
        click.echo(f"chaos: {error}", err=True)
        sys.exit(1)
    print_summary(verdict)
    sys.exit(0 if verdict.is_good else 1)


if __name__ == "__main__":
    main()
