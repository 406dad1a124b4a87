"""Rows and short ways to ask a ledger."""

from __future__ import annotations

from collections.abc import Mapping

from propwash.core.ledger import Ledger
from propwash.core.model import (
    Claim,
    CreateStatus,
    Execution,
    ExecutionUid,
    Launching,
    Plan,
    Waiting,
)
from propwash.core.pool import PoolSpec, ProjectShare


def row(
    name: str,
    *,
    project: str = "a",
    domain: str = "dev",
    priority: int = 0,
    holds: bool = False,
    since: float = 0.0,
    of: Mapping[str, int] | None = None,
    **claims: int,
) -> Execution:
    """An execution that waits for its claims, or holds them; units by pool, in of where a name is no word."""
    state: Waiting | Launching = Waiting(since=since)
    if holds:
        state = Launching(granted_at=0.0, create=CreateStatus.SENT, not_before=0.0)
    plan = Plan(
        task_type="t",
        project=project,
        domain=domain,
        priority=priority,
        claims=tuple(Claim(pool=pool, units=units) for pool, units in {**claims, **(of or {})}.items()),
    )
    return Execution(
        uid=ExecutionUid(name), plan=plan, state=state, attempt=1, created_at=0.0, updated_at=0.0
    )


def ledger(**capacities: int) -> Ledger:
    """One with pools without limits."""
    return Ledger([PoolSpec(name=name, capacity=capacity) for name, capacity in capacities.items()])


def limited(capacity: int, *, limit: int | None = None, namespace_limit: int | None = None) -> Ledger:
    """One with a pool p whose projects have limits."""
    share = ProjectShare(limit=limit, namespace_limit=namespace_limit)
    return Ledger([PoolSpec(name="p", capacity=capacity, share=share)])


def held(of: Ledger) -> dict[str, int]:
    """Units held by pool."""
    return {name: pool.occupied for name, pool in of.pools.items()}
