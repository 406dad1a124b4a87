"""Pools, their holders and their waiters for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence

from propwash.cli.live import Sheet
from propwash.cli.printing import age
from propwash.client import Pool, PoolHolder, PoolState, PoolWaiter, ProjectShare

_NOTHING = "-"


def list_sheet(pools: Sequence[Pool]) -> Sheet:
    """One line a pool."""
    return Sheet(
        headers=("NAME", "CAPACITY", "HELD", "LENT", "FREE", "WAITING", "OLDEST WAIT"),
        rows=[_row(pool) for pool in pools],
        document=pools,
        names=[pool.id for pool in pools],
        caption=_count(len(pools), "pool"),
    )


def pool_sheet(pool: Pool) -> Sheet:
    """Everything about one pool, one line a project."""
    return Sheet(
        pairs=(
            ("name", pool.id),
            ("state", pool.state.value),
            ("origin", pool.origin.value + (f", after {pool.template}" if pool.template else "")),
            ("description", pool.description),
            ("capacity", str(pool.capacity)),
            ("held", f"{pool.occupied} by {_count(pool.holders, 'execution')}, of them {pool.lent} lent"),
            ("free", f"{pool.free}, of them {pool.reserved} reserved"),
            ("waiting", _waiting(pool)),
            ("granted", f"{pool.granted_total} since the server's start"),
            ("default share", share_text(pool.default_share)),
            ("changed", str(pool.update_time or "")),
            ("etag", pool.etag),
        ),
        headers=("PROJECT", "WEIGHT", "LIMIT", "NAMESPACE LIMIT", "HELD", "NOMINAL", "BORROWED", "WAITING"),
        rows=[
            (
                usage.project,
                f"{usage.share.weight:g}",
                _limit(usage.share.limit),
                _limit(usage.share.namespace_limit),
                str(usage.held),
                f"{usage.nominal:.1f}",
                f"{usage.borrowed:.1f}",
                str(usage.waiting),
            )
            for usage in pool.project_usages
        ],
        document=pool,
        names=[pool.id],
    )


def holder_sheet(holders: Sequence[PoolHolder]) -> Sheet:
    """One line a holder."""
    return Sheet(
        headers=("EXECUTION", "ATTEMPT", "PHASE", "UNITS", "PRIORITY", "HELD FOR"),
        rows=[
            (
                one.execution,
                str(one.attempt),
                one.phase.value,
                str(one.units),
                str(one.priority),
                age(one.grant_time),
            )
            for one in holders
        ],
        document=holders,
        names=[one.execution for one in holders],
        caption=_count(len(holders), "execution"),
    )


def waiter_sheet(waiters: Sequence[PoolWaiter]) -> Sheet:
    """One line a waiter."""
    return Sheet(
        headers=("POSITION", "EXECUTION", "UNITS", "PRIORITY", "WAITS FOR", "WHY"),
        rows=[
            (
                str(one.position),
                one.execution,
                str(one.units),
                str(one.priority),
                age(one.wait_start_time),
                f"{one.block.value}: {one.message}",
            )
            for one in waiters
        ],
        document=waiters,
        names=[one.execution for one in waiters],
        caption=_count(len(waiters), "execution"),
    )


def share_text(share: ProjectShare) -> str:
    """A share in words."""
    text = f"weight {share.weight:g}, limit {_limit(share.limit)}"
    return f"{text}, namespace limit {_limit(share.namespace_limit)}"


def _row(pool: Pool) -> tuple[str, ...]:
    mark = " (removed)" if pool.state is PoolState.REMOVED else ""
    if pool.is_template:
        return (pool.id + mark, str(pool.capacity), *(_NOTHING,) * 5)
    return (
        pool.id + mark,
        str(pool.capacity),
        str(pool.occupied),
        str(pool.lent),
        str(pool.free),
        str(pool.waiting),
        age(pool.oldest_wait_start_time) or _NOTHING,
    )


def _waiting(pool: Pool) -> str:
    if pool.oldest_wait_start_time is None:
        return "0"
    return f"{pool.waiting}, the oldest for {age(pool.oldest_wait_start_time)}"


def _limit(limit: int | None) -> str:
    return "none" if limit is None else str(limit)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
