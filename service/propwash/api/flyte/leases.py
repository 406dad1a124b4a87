"""Tasks that Flyte has forgotten: ended when it has not asked about them for as long as the lease.

FlytePropeller can forget a task without a delete: its last attempt's create is lost with the round that made it, its
workflow is given up, or its plugin is not found at the abort. Nobody would ever ask again, and the job would run on.
When a task was last asked about is kept in memory: a start of the server gives every task a new lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable

from propwash.api.flyte.keys import is_of_flyte
from propwash.ports import (
    AlreadyEnded,
    ExecutionName,
    Executions,
    NoSuchExecution,
    NotAccepting,
    Record,
    Store,
    StoreError,
)

_CHECKS_A_LEASE = 10
_LONGEST_S = 60.0
_FORGOTTEN = "Flyte has not asked about the task for {:g} seconds"


class Leases:
    """Renewed by every call about a task. lease_s is 0 where tasks are never given up."""

    def __init__(
        self, *, store: Store, executions: Executions, lease_s: float, trouble: Callable[[str], None]
    ) -> None:
        self._store = store
        self._executions = executions
        self._lease_s = lease_s
        self._trouble = trouble
        self._asked_at: dict[ExecutionName, float] = {}

    def renew(self, name: ExecutionName) -> None:
        """Flyte asked about the task now."""
        if self._lease_s:
            self._asked_at[name] = asyncio.get_running_loop().time()

    def told(self, record: Record) -> None:
        """Flyte is told of the task now, and asks no more where it is over."""
        if record.execution.phase.is_terminal:
            self.end(record.name)
        else:
            self.renew(record.name)

    def end(self, name: ExecutionName) -> None:
        """The task is over, or its end is asked for durably."""
        self._asked_at.pop(name, None)

    async def run(self) -> None:
        """End what is forgotten, for ever. Returns at once where tasks are never given up."""
        if not self._lease_s:
            return
        is_loaded = False
        while True:
            try:
                if not is_loaded:
                    await self._load()
                    is_loaded = True
                await self._end_forgotten()
            except (NotAccepting, StoreError) as error:
                # All that runs is taken up anew, what was just given up too.
                is_loaded = False
                self._trouble(f"forgotten tasks could not be ended yet: {error}")
            await asyncio.sleep(min(self._lease_s / _CHECKS_A_LEASE, _LONGEST_S))

    async def _load(self) -> None:
        async for records in self._store.load_active():
            for record in records:
                if is_of_flyte(record) and record.name not in self._asked_at:
                    self.renew(record.name)

    async def _end_forgotten(self) -> None:
        since = asyncio.get_running_loop().time() - self._lease_s
        for name in list(self._asked_at):
            # Read again for each: others are asked about while one is ended.
            if self._asked_at.get(name, math.inf) > since:
                continue
            self.end(name)
            with contextlib.suppress(AlreadyEnded, NoSuchExecution):
                message = _FORGOTTEN.format(self._lease_s)
                await self._executions.abort(name, message=message, allow_missing=False)
