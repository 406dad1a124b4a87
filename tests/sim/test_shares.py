"""Long-run shares: where everybody always wants more, each project has its part of the pool by weight, within 5%.

Virtual time: every project keeps a backlog, jobs last as long as a seeded generator says, and what counts is units
times seconds, after the pool has been full for a while.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from random import Random

import pytest

from propwash.core.ledger import Ledger
from propwash.core.model import ExecutionUid
from propwash.core.pool import PoolSpec, ProjectShare
from propwash.core.shares import HALF_LIFE_S, Account, told
from tests.core.ledger_rig import row


def shares(
    weights: Sequence[float],
    lasts_s: Sequence[float],
    *,
    capacity: int,
    units: Sequence[int] = (1,),
    pools: Sequence[str] = ("p",),
    ends: int,
) -> list[float]:
    """Each project's part of what was used, as a multiple of its part of the weights."""
    rng = Random(1)
    projects = {f"p{number}": ProjectShare(weight=weight) for number, weight in enumerate(weights)}
    ledger = Ledger([PoolSpec(name=name, capacity=capacity, projects=projects) for name in pools])
    used = [0.0] * len(weights)
    heap: list[tuple[float, str]] = []
    owners: dict[str, tuple[int, int]] = {}
    now, count = 0.0, 0

    def grant(uids: Sequence[ExecutionUid]) -> None:
        for uid in uids:
            owner, claimed = owners[uid]
            duration_s = rng.expovariate(1.0 / lasts_s[owner])
            heapq.heappush(heap, (now + duration_s, uid))
            used[owner] += duration_s * claimed if now > 5 * HALF_LIFE_S else 0.0

    def ask(owner: int) -> None:
        nonlocal count
        count += 1
        claimed = rng.choice(units)
        execution = row(str(count), project=f"p{owner}", of=dict.fromkeys(pools, claimed))
        owners[execution.uid] = owner, claimed
        grant(ledger.request(execution, now))

    for owner in range(len(weights)):
        for _ in range(capacity + 5):
            ask(owner)
    for _ in range(ends):
        now, uid = heapq.heappop(heap)
        grant(ledger.release(ExecutionUid(uid), now))
        ask(owners.pop(uid)[0])
    return [one / sum(used) / (weight / sum(weights)) for one, weight in zip(used, weights, strict=True)]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("weights", "lasts_s", "capacity"),
    [
        ((1, 1, 1, 1), (60, 60, 60, 60), 100),
        ((1, 2, 3, 4), (60, 60, 60, 60), 10),
        ((1, 2, 3, 4), (20, 60, 300, 300), 100),
        ((0.5, 9.5), (100, 100), 40),
        ((1, 1), (20, 300), 10),
        ((1, 2), (60, 60), 4),
    ],
)
def test_shares_follow_the_weights(
    weights: tuple[float, ...], lasts_s: tuple[float, ...], capacity: int
) -> None:
    # Long enough for a thousand turns of the slowest.
    ends = 8_000 if capacity < 50 else 20_000
    for part in shares(weights, lasts_s, capacity=capacity, ends=ends):
        assert part == pytest.approx(1.0, abs=0.05)


@pytest.mark.timeout(30)
def test_shares_follow_the_weights_where_claims_differ_in_size() -> None:
    for part in shares((1, 2, 3), (60, 60, 60), capacity=60, units=(1, 2, 8), ends=10_000):
        assert part == pytest.approx(1.0, abs=0.05)


@pytest.mark.timeout(30)
def test_shares_follow_the_weights_where_claims_are_of_two_pools() -> None:
    for part in shares((1, 2, 3), (60, 60, 60), capacity=40, units=(1, 2), pools=("p", "q"), ends=8_000):
        assert part == pytest.approx(1.0, abs=0.05)


def test_a_level_as_told_stands_still_when_idle_and_rises_when_in_use() -> None:
    account = Account(project="a", share=ProjectShare(), at=0.0)
    account.hold("dev", 4, 0.0)
    earlier = told(account.level(0.0, 10), 0.0)
    later = told(account.level(100.0, 10), 100.0)
    assert later > earlier
    account.hold("dev", -4, 100.0)
    idle = told(account.level(100.0, 10), 100.0)
    assert told(account.level(1000.0, 10), 1000.0) == pytest.approx(idle)


def test_half_of_what_was_used_is_forgotten_after_the_half_life() -> None:
    account = Account(project="a", share=ProjectShare(), at=0.0, average=8.0)
    assert account.averaged(HALF_LIFE_S) == pytest.approx(4.0)
