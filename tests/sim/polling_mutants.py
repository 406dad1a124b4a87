"""The bugs to plant in the polls and the hints; see planting.py."""

from __future__ import annotations

from propwash.core import hints, replies
from tests.sim.planting import Mutant

POLLING_MUTANTS = (
    Mutant(
        name="a hint counts as an answer that the job is over",
        module=hints,
        old="            return replace(execution, state=replace(state, poll_at=min(poll_at, at)), hinted_at=at)",
        new="            return replace(execution, state=replace(state, missing=3), hinted_at=at)",
    ),
    Mutant(
        name="a hint while an observation is in flight is forgotten",
        module=replies,
        old="            poll_at=hints.no_later(execution, poll_at, asked_at, now),\n            missing=0,",
        new="            poll_at=poll_at,\n            missing=0,",
    ),
    Mutant(
        name="a hint makes nothing due",
        module=hints,
        old="state=replace(state, poll_at=min(poll_at, at)), hinted_at=at)",
        new="state=state, hinted_at=at)",
    ),
    Mutant(
        name="a flood of hints is a flood of calls",
        module=hints,
        old="    at = max(now, execution.hinted_at + max(execution.plan.traits.poll_floor_s, SHORTEST_S))",
        new="    at = now",
    ),
)
