"""A budget by itself."""

from __future__ import annotations

from collections.abc import Callable

from propwash.engine.budgets import Budget
from propwash.engine.options import RateLimit
from propwash.engine.supervision import Supervisor
from propwash.ports import Clock


def supervised_budget(clock: Clock, supervisor: Supervisor, *, rate: float, burst: float) -> Budget:
    """A budget whose timers are tasks of the supervisor, as in the engine."""

    async def wait(at: float, do: Callable[[], None]) -> None:
        await clock.sleep_until(at)
        do()

    limit = RateLimit(rate=rate, burst=burst)
    return Budget(clock, limit, at=lambda at, do: supervisor.spawn(wait(at, do), "budget waits"))
