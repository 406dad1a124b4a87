"""The watcher of a demo: one watch over all restarts, and what it noticed."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field

from propwash.cli.demo.stage import DOMAIN, PROJECT
from propwash.client import ChangeKind, Client, Execution, Phase

# Between INITIALIZING and RUNNING order is fixed; a later attempt begins anew.
_RANK = {phase: rank for rank, phase in enumerate(Phase) if not phase.is_terminal}


@dataclass(slots=True, kw_only=True)
class Follower:
    """What has been seen. received_at is when the terminal phase arrived here, in seconds since the epoch."""

    latest: dict[str, Execution] = field(default_factory=dict)
    received_at: dict[str, float] = field(default_factory=dict)
    phases: Counter[Phase] = field(default_factory=Counter)
    changes: int = 0
    repeats: int = 0
    regressions: int = 0
    resets: int = 0

    async def follow(self, client: Client) -> None:
        """Take in changes for ever. Raises ClientError where the watch is refused or the server is gone."""
        changes = client.watch(project=PROJECT, domain=DOMAIN)
        async with aclosing(changes):
            async for change in changes:
                self.resets += change.kind is ChangeKind.RESET
                if change.execution is not None:
                    is_change = change.kind is ChangeKind.CHANGE
                    self.take(change.execution, is_change=is_change, received_at=time.time())

    @property
    def ended(self) -> int:
        """How many have ended."""
        return len(self.received_at)

    def take(self, after: Execution, *, is_change: bool, received_at: float) -> None:
        """Take in one item: a change, or else part of a snapshot."""
        self.changes += 1
        before = self.latest.get(after.name)
        self.latest[after.name] = after
        self.phases[after.phase] += 1
        if before is not None:
            self.phases[before.phase] -= 1
            self.repeats += is_change and before.etag == after.etag
            self.regressions += _is_regression(before, after)
        if after.phase.is_terminal and after.name not in self.received_at:
            self.received_at[after.name] = received_at


def _is_regression(before: Execution, after: Execution) -> bool:
    if before.phase.is_terminal:
        return after.phase is not before.phase
    if after.attempt != before.attempt:
        return after.attempt < before.attempt
    return not after.phase.is_terminal and _RANK[after.phase] < _RANK[before.phase]
