"""What is seen of a pool: places, reasons, what is lent and kept."""

from __future__ import annotations

import pytest

from propwash.core import standing
from propwash.core.ledger import Ledger
from propwash.core.pool import Block, Place, PoolSpec, ProjectShare
from tests.core.ledger_rig import ledger, limited, row


def places(of: Ledger, name: str, now: float = 0.0) -> tuple[Place, ...]:
    """Where one stands."""
    waiter = of.waiter(row(name).uid)
    assert waiter is not None
    return tuple(standing.Standing(of.pools[claim.pool], now).place(waiter) for claim in waiter.claims)


def test_places_of_a_line_are_exact() -> None:
    pools = ledger(p=1)
    for name in ("0", "1", "2", "3"):
        pools.request(row(name, p=1), 0.0)
    pools.release(row("2").uid, 0.0)
    assert [(one.uid, one.place.position) for one in standing.wanted(pools.pools["p"], 0.0)] == [
        ("1", 1),
        ("3", 2),
    ]
    (place,) = places(pools, "3")
    assert place == Place(pool="p", units=1, position=2, waiting=2, occupied=1, capacity=1, block=Block.TURN)


def test_projects_take_turns_and_priorities_go_before() -> None:
    pools = ledger(p=1)
    pools.request(row("0", project="z", p=1), 0.0)
    for name in ("a1", "a2", "b1", "b2"):
        pools.request(row(name, project=name[0], p=1), 0.0)
    pools.request(row("c1", project="c", priority=1, p=1), 0.0)
    order = [one.uid for one in standing.wanted(pools.pools["p"], 0.0)]
    assert order == ["c1", "a1", "b1", "a2", "b2"]


def test_the_order_told_is_the_order_of_grants() -> None:
    pools = Ledger([PoolSpec(name="p", capacity=1, projects={"b": ProjectShare(weight=3.0)})])
    pools.request(row("0", project="z", p=1), 0.0)
    for name in ("a1", "a2", "a3", "b1", "b2", "b3", "b4"):
        pools.request(row(name, project=name[0], p=1), 0.0)
    told = [one.uid for one in standing.wanted(pools.pools["p"], 0.0)]
    granted, holder = [], "0"
    for turn in range(7):
        (holder,) = pools.release(row(holder).uid, 1.0 + turn * 400.0)
        granted.append(holder)
    assert granted[0] == told[0]
    assert [one for one in granted if one[0] == "b"] == ["b1", "b2", "b3", "b4"]


@pytest.mark.parametrize(
    ("limits", "block"),
    [({"limit": 1}, Block.PROJECT_LIMIT), ({"namespace_limit": 1}, Block.NAMESPACE_LIMIT)],
)
def test_a_limit_is_named(limits: dict[str, int], block: Block) -> None:
    pools = limited(5, **limits)
    pools.request(row("1", p=1), 0.0)
    pools.request(row("2", p=1), 0.0)
    (place,) = places(pools, "2")
    assert (place.block, place.limit, place.held) == (block, 1, 1)


def test_the_pool_that_has_no_room_is_told_from_the_one_that_has() -> None:
    pools = ledger(p=1, q=1)
    pools.request(row("1", q=1), 0.0)
    pools.request(row("2", p=1, q=1), 0.0)
    assert [(one.pool, one.block) for one in places(pools, "2")] == [
        ("p", Block.OTHER_POOL),
        ("q", Block.CAPACITY),
    ]


def test_what_is_too_large_and_what_is_removed_are_told() -> None:
    pools = ledger(p=2)
    pools.request(row("1", p=2), 0.0)
    pools.request(row("2", p=2), 0.0)
    pools.configure(PoolSpec(name="p", capacity=1), 0.0)
    assert places(pools, "2")[0].block is Block.TOO_LARGE
    pools.remove("p", 0.0)
    assert places(pools, "2")[0].block is Block.REMOVED


def test_what_is_lent_is_what_is_held_beyond_the_parts() -> None:
    spec = PoolSpec(name="p", capacity=8, projects={"a": ProjectShare(), "b": ProjectShare(weight=3.0)})
    pools = Ledger([spec])
    pools.request(row("1", project="a", p=5), 0.0)
    pools.request(row("2", project="b", p=2), 0.0)
    pools.request(row("3", project="b", since=7.0, p=2), 9.0)
    view = standing.view(pools.pools["p"])
    assert (view.occupied, view.lent, view.waiting, view.oldest_since, view.granted) == (7, 3, 1, 7.0, 7)
    of = {one.project: one for one in standing.projects(pools.pools["p"])}
    assert (of["a"].nominal, of["a"].borrowed, of["b"].nominal, of["b"].waiting) == (2.0, 3.0, 6.0, 1)


def test_a_place_without_a_weight_is_the_last() -> None:
    pools = Ledger([PoolSpec(name="p", capacity=1, projects={"idle": ProjectShare(weight=0.0)})])
    pools.request(row("0", p=1), 0.0)
    pools.request(row("1", project="idle", p=1), 0.0)
    pools.request(row("2", p=1), 0.0)
    assert [places(pools, name)[0].position for name in ("1", "2")] == [2, 1]
