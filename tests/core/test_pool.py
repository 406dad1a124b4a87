"""The ledger never grants more than there is, in order, all or nothing, and agrees with its rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from propwash.core.ledger import Ledger
from propwash.core.model import (
    Claim,
    CreateStatus,
    Execution,
    ExecutionUid,
    Launching,
    Plan,
    Queued,
    Waiting,
)
from propwash.core.pool import Overclaimed

CAPACITIES = {"p": 3, "q": 2}
CLAIMS = st.dictionaries(st.sampled_from(("p", "q")), st.integers(1, 2), max_size=2)


def row(uid: ExecutionUid, claims: tuple[Claim, ...], *, holds: bool | None) -> Execution:
    """An execution that holds its claims, waits for them, or (None) neither."""
    state: Queued | Waiting | Launching = Waiting(since=0.0)
    if holds is None:
        state = Queued(not_before=0.0)
    elif holds:
        state = Launching(granted_at=0.0, create=CreateStatus.SENT, not_before=0.0)
    plan = Plan(task_type="t", claims=claims)
    return Execution(uid=uid, plan=plan, state=state, attempt=1, created_at=0.0, updated_at=0.0)


@dataclass
class Model:
    """The same promises, said slowly: everyone in order of asking."""

    capacities: dict[str, int]
    claims: dict[ExecutionUid, tuple[Claim, ...]] = field(default_factory=dict)
    holding: set[ExecutionUid] = field(default_factory=set)

    def grant(self) -> set[ExecutionUid]:
        """Go through the waiters from the oldest; nobody passes a waiter that claims a pool of theirs."""
        granted, barred = set[ExecutionUid](), set[str]()
        for uid, claims in self.claims.items():
            if uid in self.holding:
                continue
            used = {pool: self.occupied(pool) for pool in self.capacities}
            fits = all(used[claim.pool] + claim.units <= self.capacities[claim.pool] for claim in claims)
            if fits and not any(claim.pool in barred for claim in claims):
                self.holding.add(uid)
                granted.add(uid)
            else:
                barred |= {claim.pool for claim in claims}
        return granted

    def occupied(self, pool: str) -> int:
        """Units held."""
        return sum(claim.units for uid in self.holding for claim in self.claims[uid] if claim.pool == pool)


class Ledgers(RuleBasedStateMachine):
    """The ledger does what the model does."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(dict(CAPACITIES))
        self.ledger = Ledger(CAPACITIES)
        self.asked = 0

    @rule(claims=CLAIMS)
    def request(self, claims: dict[str, int]) -> None:
        """One more asks."""
        self.asked += 1
        uid = ExecutionUid(f"{self.asked:026d}")
        wanted = tuple(Claim(pool=pool, units=units) for pool, units in claims.items())
        self.model.claims[uid] = wanted
        assert set(self.ledger.request(uid, wanted)) == self.model.grant()

    @precondition(lambda self: self.model.claims)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """One ends, or gives up waiting."""
        uid = data.draw(st.sampled_from(sorted(self.model.claims)))
        claims = self.model.claims.copy()
        granted = self.ledger.release(uid)
        del self.model.claims[uid]
        self.model.holding.discard(uid)
        assert set(granted) == self.model.grant()
        for pool in CAPACITIES:
            order = [one for one in granted if pool in {claim.pool for claim in claims[one]}]
            assert order == sorted(set(order))

    @rule(pool=st.sampled_from(("p", "q")), capacity=st.integers(0, 5))
    def resize(self, pool: str, capacity: int) -> None:
        """The configuration changes."""
        self.model.capacities[pool] = capacity
        assert set(self.ledger.resize(pool, capacity)) == self.model.grant()

    @invariant()
    def agrees_with_its_rows(self) -> None:
        """audit finds nothing, and what it would find is found."""
        rows = [row(u, claims, holds=u in self.model.holding) for u, claims in self.model.claims.items()]
        assert self.ledger.audit(rows) == ()
        claiming = [execution for execution in rows if execution.plan.claims]
        if claiming:
            assert self.ledger.audit([one for one in rows if one is not claiming[0]])

    @invariant()
    def occupies_what_is_held(self) -> None:
        """The views count what the model counts."""
        for view in self.ledger.views():
            assert view.occupied == self.model.occupied(view.name)
            assert view.capacity == self.model.capacities[view.name]


TestLedgers = Ledgers.TestCase


def uid(number: int) -> ExecutionUid:
    """A uid."""
    return ExecutionUid(f"{number:026d}")


def test_a_large_request_is_not_starved_by_small_ones() -> None:
    ledger = Ledger({"p": 2})
    assert ledger.request(uid(1), [Claim(pool="p")]) == (uid(1),)
    assert ledger.request(uid(2), [Claim(pool="p", units=2)]) == ()
    assert ledger.request(uid(3), [Claim(pool="p")]) == ()
    assert ledger.positions() == {"p": {uid(2): 1, uid(3): 2}}
    assert ledger.release(uid(1)) == (uid(2),)
    assert ledger.release(uid(2)) == (uid(3),)


def test_grants_are_in_the_order_of_asking() -> None:
    ledger = Ledger({"p": 2})
    ledger.request(uid(9), [Claim(pool="p", units=2)])
    for number in (5, 3, 4):
        ledger.request(uid(number), [Claim(pool="p")])
    assert ledger.release(uid(9)) == (uid(5), uid(3))


def test_who_waits_for_one_pool_holds_nothing_of_another() -> None:
    ledger = Ledger({"p": 1, "q": 1})
    ledger.request(uid(1), [Claim(pool="q")])
    ledger.request(uid(2), [Claim(pool="p"), Claim(pool="q")])
    assert {view.name: view.occupied for view in ledger.views()} == {"p": 0, "q": 1}


def test_asking_twice_is_asking_once() -> None:
    ledger = Ledger({"p": 2})
    assert ledger.request(uid(1), [Claim(pool="p")]) == (uid(1),)
    assert ledger.request(uid(1), [Claim(pool="p")]) == ()
    assert ledger.release(uid(1)) == ()
    assert ledger.release(uid(1)) == ()
    assert [view.occupied for view in ledger.views()] == [0]


def test_claims_on_one_pool_add_up() -> None:
    ledger = Ledger({"p": 3})
    ledger.request(uid(1), [Claim(pool="p"), Claim(pool="p", units=2)])
    assert ledger.views()[0].occupied == 3


def test_a_crash_between_a_release_and_its_grants_is_made_good() -> None:
    claims = (Claim(pool="p"),)
    ledger = Ledger.of_rows({"p": 1}, [row(uid(1), claims, holds=False), row(uid(2), claims, holds=None)])
    assert ledger.grant_all() == (uid(1),)
    assert ledger.grant_all() == ()


def test_a_pool_that_is_no_longer_configured_grants_nothing_more() -> None:
    claims = (Claim(pool="old"),)
    ledger = Ledger.of_rows({}, [row(uid(1), claims, holds=True), row(uid(2), claims, holds=False)])
    assert ledger.release(uid(1)) == ()
    assert ledger.resize("old", 1) == (uid(2),)


@pytest.mark.parametrize(
    "claims",
    [
        [Claim(pool="none")],
        [Claim(pool="p", units=4)],
        [Claim(pool="p", units=0)],
        [Claim(pool="p", units=2)] * 2,
    ],
)
def test_what_could_never_be_granted_is_refused(claims: list[Claim]) -> None:
    with pytest.raises(Overclaimed):
        Ledger(CAPACITIES).check(claims)
