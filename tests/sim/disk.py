"""The store of a simulated world: commits that take their time, fail, and are cut off by a crash on either side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from propwash.core.model import Execution, ExecutionUid
from propwash.core.pool import PoolSpec
from propwash.ports import CommitResult, Committed, Group, Insert, PutPool, Stale, Update

if TYPE_CHECKING:
    from tests.sim.world import World


class Disk:
    """Stands in for engine.journal.Journal and its store: rows, and what has been promised of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: list[tuple[Group, Callable[[CommitResult], None]]] = []
        self._is_committing = False
        self.rows: dict[ExecutionUid, tuple[Execution, int]] = {}
        self.pools: dict[str, PoolSpec] = {}
        self.aborted: set[ExecutionUid] = set()
        """Whose aborts were answered OK."""

    def forget(self) -> None:
        """The process has crashed: what was not committed is gone."""
        self._waiting = []
        self._is_committing = False

    def append(self, group: Group, done: Callable[[CommitResult], None]) -> None:
        """Have a group stored."""
        self._waiting.append((group, done))
        if not self._is_committing:
            self._is_committing = True
            self._commit_in(self._world.rng.choice((0.001, 0.01, 0.5)))

    def _commit_in(self, delay_s: float) -> None:
        self._world.at(self._world.now() + delay_s, self._commit, "commit")

    def _commit(self) -> None:
        world = self._world
        if world.chance("commit_fails"):
            self._commit_in(1.0)
            return
        if world.chance("crash", 0.15):
            world.crash("before a commit")
            return
        batch, self._waiting = self._waiting, []
        results = [self._write(group) for group, _ in batch]
        if world.chance("crash", 0.15):
            world.crash("after a commit")
            return
        for (_, done), result in zip(batch, results, strict=True):
            done(result)
        self._is_committing = bool(self._waiting)
        if self._waiting:
            self._commit_in(0.01)

    def _write(self, group: Group) -> CommitResult:
        for index, change in enumerate(group):
            if isinstance(change, Update) and self.rows[change.uid][1] != change.expected_version:
                return Stale(index=index)
        for change in group:
            if isinstance(change, Insert):
                self._put(change.record.execution, 1)
            elif isinstance(change, PutPool):
                self.pools[change.pool.spec.name] = change.pool.spec
            elif isinstance(change, Update):
                self._put(change.execution, change.expected_version + 1)
        return Committed(seqs=tuple(1 for _ in group))

    def _put(self, execution: Execution, version: int) -> None:
        world = self._world
        world.is_changed = world.are_rows_changed = True
        before = self.rows.get(execution.uid)
        self.rows[execution.uid] = (execution, version)
        world.note("durable", execution)
        world.invariants.written(before[0] if before else None, execution)
