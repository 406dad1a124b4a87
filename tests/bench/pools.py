"""What a grant costs with many waiters: 100 pools, 500 projects of different weights, three priorities. Each project
has eight kinds of jobs, which claim one or two pools and one to four units. Every end frees units, has those granted
that are next, and is followed by another arrival, so that as many wait at the end as at the beginning.
"""

from __future__ import annotations

import gc
from random import Random
from time import process_time

from propwash.core.ledger import Ledger
from propwash.core.model import Claim, Execution, ExecutionUid, Plan, Waiting
from propwash.core.pool import PoolSpec, ProjectShare

POOLS = [f"pool{number}" for number in range(100)]
PROJECTS = [f"project{number}" for number in range(500)]
KINDS = 8
CAPACITY = 40
ENDS = 20_000


class Crowd:
    """A ledger in which so many wait."""

    def __init__(self, waiting: int) -> None:
        self._rng = rng = Random(1)
        shares = {project: ProjectShare(weight=rng.choice((1.0, 2.0, 4.0))) for project in PROJECTS[:100]}
        self._ledger = Ledger([PoolSpec(name=name, capacity=CAPACITY, projects=shares) for name in POOLS])
        self._kinds = {project: [self._kind() for _ in range(KINDS)] for project in PROJECTS}
        self._now = 0.0
        self._arrived = 0
        self._holding: list[ExecutionUid] = []
        while self._arrived - len(self._holding) < waiting:
            self.arrive(self.drawn())

    def drawn(self) -> Execution:
        """One that is about to come."""
        self._arrived += 1
        rng = self._rng
        project = rng.choice(PROJECTS)
        plan = Plan(
            task_type="bench",
            project=project,
            domain="dev",
            priority=rng.choice((0, 0, 0, 0, 1, 2)),
            claims=rng.choice(self._kinds[project]),
        )
        return Execution(
            uid=ExecutionUid(str(self._arrived)),
            plan=plan,
            state=Waiting(since=0.0),
            attempt=1,
            created_at=0.0,
            updated_at=0.0,
        )

    def _kind(self) -> tuple[Claim, ...]:
        rng = self._rng
        pools = rng.sample(POOLS, rng.choice((1, 1, 1, 2)))
        return tuple(Claim(pool=pool, units=rng.choice((1, 1, 2, 4))) for pool in pools)

    def arrive(self, execution: Execution) -> None:
        """One more asks."""
        self._holding.extend(self._ledger.request(execution, self._now))

    def end(self) -> int:
        """One that holds units ends; how many are granted."""
        self._now += 0.1
        place = self._rng.randrange(len(self._holding))
        self._holding[place], self._holding[-1] = self._holding[-1], self._holding[place]
        granted = self._ledger.release(self._holding.pop(), self._now)
        self._holding.extend(granted)
        return len(granted)


def grant_costs() -> None:
    """Print what a grant and an arrival cost, in microseconds of the processor, with more and more waiters."""
    for waiting in (5_000, 50_000, 200_000):
        crowd = Crowd(waiting)
        # As the server does after its start: the collector does not look through what has been there all along.
        gc.freeze()
        grants, grant_s, arrival_s = 0, 0.0, 0.0
        for _ in range(ENDS):
            began = process_time()
            granted = crowd.end()
            grant_s += process_time() - began
            grants += granted
            for execution in [crowd.drawn() for _ in range(granted)]:
                began = process_time()
                crowd.arrive(execution)
                arrival_s += process_time() - began
        print(
            f"{waiting:>7,} wait: {grant_s / grants * 1e6:6.1f} us a grant, its release included, "
            f"{arrival_s / grants * 1e6:6.1f} us an arrival"
        )


if __name__ == "__main__":
    grant_costs()
