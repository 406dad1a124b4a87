"""Where a claim stands in a pool, and why it is not granted now, in words."""

from __future__ import annotations

import pytest

from propwash.api.waits import told
from propwash.core.model import Claim, Execution, ExecutionUid, Plan, Waiting
from propwash.core.pool import Block, Place
from propwash.ports import Wait


def place(pool: str, block: Block, **more: int) -> Place:
    numbers = {"units": 1, "position": 1, "waiting": 1, "occupied": 1, "capacity": 1, **more}
    return Place(pool=pool, block=block, **numbers)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            place("X", Block.TURN, units=4, position=3, waiting=17, occupied=10, capacity=12),
            "4 units of pool X: position 3 of 17, 10 of 12 units are held",
        ),
        (
            place("X", Block.CAPACITY, units=4, waiting=17, occupied=10, capacity=12),
            "4 units of pool X: position 1 of 17, 10 of 12 units are held",
        ),
        (
            place("X", Block.PROJECT_LIMIT, position=2, waiting=9, occupied=6, capacity=12, limit=6, held=6),
            "1 unit of pool X: position 2 of 9, its project holds 6 of the 6 units that it may have",
        ),
        (
            place("X", Block.NAMESPACE_LIMIT, waiting=9, occupied=6, capacity=12, limit=1, held=1),
            "1 unit of pool X: position 1 of 9, its project holds 1 of the 1 unit that it may have "
            "in this domain",
        ),
        (
            place("X", Block.OTHER_POOL, waiting=9, occupied=6, capacity=12),
            "1 unit of pool X: position 1 of 9, 6 of 12 units are held, but another pool that it claims has no room",
        ),
        (
            place("X", Block.TOO_LARGE, units=4, capacity=2),
            "4 units of pool X: the claim is larger than the pool since its capacity was lowered to 2",
        ),
        (
            place("X", Block.TOO_LARGE, units=4, capacity=12),
            "4 units of pool X: the claim is larger than what its project may have since a limit was lowered",
        ),
        (place("X", Block.REMOVED, units=4), "4 units of pool X: the pool was removed"),
    ],
)
def test_every_reason_why_a_claim_is_not_granted(where: Place, message: str) -> None:
    waiting = Execution(
        uid=ExecutionUid("u"),
        plan=Plan(task_type="query", claims=(Claim(pool="X", units=where.units),)),
        state=Waiting(since=0.0),
        attempt=1,
        created_at=0.0,
        updated_at=0.0,
    )
    assert told(waiting, Wait(pools=(where,))) == ("WAITING_FOR_POOLS", f"waits for {message}")
