"""The ledger: all or nothing, in order, within limits, and to nobody later than it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from propwash.core.ledger import Ledger
from propwash.core.model import Claim
from propwash.core.pool import Overclaimed, PoolSpec, ProjectShare
from propwash.core.queues import PATIENCE
from tests.core.ledger_rig import held, ledger, limited, row


def test_a_large_claim_is_not_starved_by_small_ones() -> None:
    pools = ledger(p=2)
    assert pools.request(row("1", p=1), 0.0) == ("1",)
    assert pools.request(row("2", p=2), 0.0) == ()
    assert pools.request(row("3", p=1), 0.0) == ()
    assert pools.release(row("1").uid, 1.0) == ("2",)
    assert pools.release(row("2").uid, 2.0) == ("3",)


def test_grants_of_a_project_are_in_the_order_of_asking() -> None:
    pools = ledger(p=2)
    pools.request(row("9", p=2), 0.0)
    for name in ("5", "3", "4"):
        pools.request(row(name, p=1), 0.0)
    assert pools.release(row("9").uid, 1.0) == ("5", "3")


def test_a_higher_priority_goes_first() -> None:
    pools = ledger(p=1)
    pools.request(row("1", p=1), 0.0)
    pools.request(row("2", p=1), 0.0)
    pools.request(row("3", priority=5, p=1), 0.0)
    assert pools.release(row("1").uid, 1.0) == ("3",)


def test_the_project_with_the_lower_share_goes_first() -> None:
    pools = ledger(p=2)
    pools.request(row("1", project="a", p=1), 0.0)
    pools.request(row("2", project="a", p=1), 0.0)
    pools.request(row("3", project="a", p=1), 0.0)
    pools.request(row("4", project="b", p=1), 0.0)
    assert pools.release(row("1").uid, 60.0) == ("4",)


def test_a_burst_of_claims_is_charged_as_it_is_granted() -> None:
    pools = ledger(p=4)
    pools.request(row("all", project="z", p=4), 0.0)
    for number in range(4):
        pools.request(row(f"a{number}", project="a", p=1), 0.0)
    for number in range(4):
        pools.request(row(f"b{number}", project="b", p=1), 0.0)
    assert set(pools.release(row("all").uid, 0.0)) == {"a0", "a1", "b0", "b1"}


def test_who_waits_for_one_pool_holds_nothing_of_another() -> None:
    pools = ledger(p=1, q=1)
    pools.request(row("1", q=1), 0.0)
    pools.request(row("2", p=1, q=1), 0.0)
    assert held(pools) == {"p": 0, "q": 1}


def test_who_waits_for_one_pool_holds_nobody_up_in_another() -> None:
    pools = ledger(p=1, q=1)
    pools.request(row("1", q=1), 0.0)
    pools.request(row("2", p=1, q=1), 0.0)
    assert pools.request(row("3", p=1), 0.0) == ("3",)
    assert pools.release(row("1").uid, 0.0) == ()
    assert pools.release(row("3").uid, 0.0) == ("2",)


def test_who_waited_behind_a_group_goes_on_when_that_is_held_up_elsewhere() -> None:
    pools = ledger(p=1, q=3, r=1)
    pools.request(row("q", project="z", q=2), 0.0)
    pools.request(row("large", p=1, q=3), 0.0)
    assert pools.request(row("small", project="b", q=1, r=1), 0.0) == ()
    pools.request(row("p", project="y", priority=9, p=1), 0.0)
    # It wants what the large one wants, goes before it, and has no room in p: so nobody is held up in q any more.
    assert pools.request(row("first", priority=9, p=1, q=1), 0.0) == ("small",)


def test_asking_twice_is_asking_once() -> None:
    pools = ledger(p=2)
    assert pools.request(row("1", p=1), 0.0) == ("1",)
    assert pools.request(row("1", p=1), 0.0) == ()
    assert pools.release(row("1").uid, 0.0) == ()
    assert pools.release(row("1").uid, 0.0) == ()
    assert held(pools) == {"p": 0}


def test_claims_on_one_pool_add_up() -> None:
    pools = ledger(p=3)
    once = row("1", p=1)
    claims = (Claim(pool="p"), Claim(pool="p", units=2))
    pools.request(replace(once, plan=replace(once.plan, claims=claims)), 0.0)
    assert held(pools) == {"p": 3}


def test_a_crash_between_a_release_and_its_grants_is_made_good() -> None:
    pools = ledger(p=1)
    pools.take_up([row("1", p=1)], 0.0)
    assert pools.grant_all(0.0) == ("1",)
    assert pools.grant_all(0.0) == ()


def test_a_limit_of_a_project_holds_nobody_else_up() -> None:
    pools = limited(10, limit=1)
    assert pools.request(row("1", p=1), 0.0) == ("1",)
    assert pools.request(row("2", p=1), 0.0) == ()
    assert pools.request(row("3", project="ab", p=1), 0.0) == ("3",)
    assert pools.release(row("1").uid, 0.0) == ("2",)


def test_a_limit_of_a_namespace_is_of_one_domain_of_one_project() -> None:
    pools = limited(10, namespace_limit=1)
    assert pools.request(row("1", p=1), 0.0) == ("1",)
    assert pools.request(row("2", p=1), 0.0) == ()
    assert pools.request(row("3", domain="prod", p=1), 0.0) == ("3",)
    assert pools.request(row("4", domain="devel", p=1), 0.0) == ("4",)
    assert pools.request(row("5", project="b", p=1), 0.0) == ("5",)


def test_within_a_limit_nobody_passes_an_earlier_one() -> None:
    pools = limited(10, limit=3)
    pools.request(row("1", p=2), 0.0)
    assert pools.request(row("2", domain="prod", p=3), 0.0) == ()
    assert pools.request(row("3", p=1), 0.0) == ()
    assert pools.release(row("1").uid, 0.0) == ("2",)


def test_a_capacity_that_is_lowered_admits_nobody_until_below() -> None:
    pools = ledger(p=4)
    for name in ("1", "2", "3", "4", "5"):
        pools.request(row(name, p=1), 0.0)
    assert pools.configure(PoolSpec(name="p", capacity=2), 0.0) == ()
    assert pools.release(row("1").uid, 0.0) == ()
    assert pools.release(row("2").uid, 0.0) == ()
    assert pools.release(row("3").uid, 0.0) == ("5",)


def test_a_capacity_that_is_raised_admits_at_once() -> None:
    pools = ledger(p=1)
    for name in ("1", "2", "3"):
        pools.request(row(name, p=1), 0.0)
    assert pools.configure(PoolSpec(name="p", capacity=3), 0.0) == ("2", "3")


def test_what_has_become_too_large_holds_nobody_up_and_keeps_its_place() -> None:
    pools = ledger(p=4)
    pools.request(row("1", p=4), 0.0)
    pools.request(row("large", p=3), 0.0)
    pools.request(row("2", p=1), 0.0)
    pools.configure(PoolSpec(name="p", capacity=2), 0.0)
    assert pools.release(row("1").uid, 0.0) == ("2",)
    pools.request(row("3", p=2), 0.0)
    assert pools.configure(PoolSpec(name="p", capacity=4), 0.0) == ("large",)


def test_a_removed_pool_grants_nothing_and_is_forgotten_when_nobody_uses_it() -> None:
    pools = ledger(p=2)
    pools.request(row("1", p=1), 0.0)
    pools.request(row("2", p=2), 0.0)
    assert pools.remove("p", 0.0) == ()
    assert pools.release(row("1").uid, 0.0) == ()
    assert pools.pools["p"].is_removed
    assert pools.configure(PoolSpec(name="p", capacity=2), 0.0) == ("2",)
    pools.remove("p", 0.0)
    pools.release(row("2").uid, 0.0)
    assert not pools.pools


def test_a_pool_that_rows_name_and_nobody_defines_grants_nothing() -> None:
    pools = Ledger()
    pools.take_up([row("1", holds=True, old=1), row("2", old=1)], 0.0)
    assert pools.release(row("1").uid, 0.0) == ()
    assert pools.configure(PoolSpec(name="old", capacity=1), 0.0) == ("2",)


def test_a_template_gives_each_pool_a_capacity_of_its_own() -> None:
    pools = Ledger([PoolSpec(name="t:*", capacity=1), PoolSpec(name="t:big:*", capacity=2)])
    assert pools.definitions.has("t:1")
    assert not pools.definitions.has("t")
    assert pools.request(row("1", of={"t:1": 1}), 0.0) == ("1",)
    assert pools.request(row("2", of={"t:2": 1}), 0.0) == ("2",)
    assert pools.request(row("3", of={"t:1": 1}), 0.0) == ()
    assert pools.request(row("4", of={"t:big:1": 2}), 0.0) == ("4",)
    assert pools.configure(PoolSpec(name="t:*", capacity=2), 0.0) == ("3",)
    for name in "1234":
        pools.release(row(name).uid, 0.0)
    assert not pools.pools


def test_a_low_priority_is_served_after_a_bounded_turnover() -> None:
    pools = ledger(p=2)
    for name in ("h0", "h1", "h2"):
        pools.request(row(name, project="b", priority=9, p=1), 0.0)
    pools.request(row("low", p=1), 0.0)
    granted = 2
    while "low" not in (got := pools.release(row(f"h{granted - 2}").uid, float(granted))):
        assert got == (f"h{granted}",)
        granted += 1
        pools.request(row(f"h{granted}", project="b", priority=9, p=1), float(granted))
    assert granted - 2 <= PATIENCE * 2 * 2 + 2


def test_a_claim_of_two_busy_pools_is_served_after_a_bounded_turnover() -> None:
    pools = ledger(p=1, q=1)
    pools.request(row("p0", project="b", priority=1, p=1), 0.0)
    pools.request(row("q0", project="c", priority=1, q=1), 0.0)
    pools.request(row("both", p=1, q=1), 0.0)
    for turn in range(1, 100):
        pools.request(row(f"p{turn}", project="b", priority=1, p=1), float(turn))
        got = pools.release(row(f"p{turn - 1}").uid, float(turn))
        pools.request(row(f"q{turn}", project="c", priority=1, q=1), float(turn))
        got += pools.release(row(f"q{turn - 1}").uid, float(turn))
        if "both" in got:
            break
    assert turn <= PATIENCE * 2 + 3


def test_a_project_without_weight_is_served_when_nobody_else_waits() -> None:
    spec = PoolSpec(name="p", capacity=1, projects={"idle": ProjectShare(weight=0.0)})
    pools = Ledger([spec])
    pools.request(row("1", p=1), 0.0)
    pools.request(row("2", project="idle", p=1), 0.0)
    pools.request(row("3", p=1), 0.0)
    assert pools.release(row("1").uid, 9.0) == ("3",)
    assert pools.release(row("3").uid, 9.0) == ("2",)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"none": 1}, "there is no pool 'none'"),
        ({"p": 11}, "pool 'p' has 10 units, 11 are claimed"),
        ({"p": 0}, "pool 'p' has 10 units, 0 are claimed"),
        ({"p": 5}, "project a may hold 4 units of pool 'p', 5 are claimed"),
    ],
)
def test_what_could_never_be_granted_is_refused(claims: dict[str, int], why: str) -> None:
    with pytest.raises(Overclaimed, match=why):
        limited(10, limit=4).definitions.check(
            [Claim(pool=pool, units=units) for pool, units in claims.items()], project="a"
        )


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: PoolSpec(name="p", capacity=-1), "capacity"),
        (lambda: ProjectShare(weight=float("nan")), "weight"),
        (lambda: ProjectShare(weight=-1.0), "weight"),
        (lambda: ProjectShare(limit=-1), "limit"),
        (lambda: ProjectShare(namespace_limit=10**10), "namespace_limit"),
    ],
)
def test_a_definition_that_cannot_be_kept_is_refused(make: Callable[[], object], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        make()


def test_the_audit_finds_what_differs_from_the_rows() -> None:
    pools = ledger(p=1)
    rows = [row("1", holds=True, p=1), row("2", p=1)]
    pools.take_up(rows, 0.0)
    assert pools.audit(rows) == ()
    assert "holders" not in pools.audit(rows[:1])[0]
    assert "waiters" in pools.audit(rows[:1])[0]
    assert "rows say" in pools.audit(rows[1:])[0]
