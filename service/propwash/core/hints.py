"""What a completion hint makes of an execution: a question that is due sooner, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from propwash.core.model import (
    Cleaning,
    CreateStatus,
    Done,
    Execution,
    Fault,
    FaultKind,
    Instant,
    Launching,
    Queued,
    Running,
    State,
    Trouble,
    Waiting,
)

SHORTEST_S = 1.0
"""Between two calls because of hints, where the poll floor is shorter."""


def hint(execution: Execution, state: State, now: Instant) -> Execution:
    """Make the next question due now, or as soon as the pace of hints allows."""
    if execution.hinted_at >= now:
        return execution
    at = max(now, execution.hinted_at + max(execution.plan.traits.poll_floor_s, SHORTEST_S))
    match state:
        case Queued() | Waiting() | Done():
            return execution
        case Launching() if (
            state.create is not CreateStatus.DOUBTFUL or not execution.plan.traits.can_look_up
        ):
            return execution
        case Launching() | Running() | Cleaning() if _is_throttled(state.trouble):
            return replace(execution, hinted_at=at)
        case Running(poll_at=poll_at):
            return replace(execution, state=replace(state, poll_at=min(poll_at, at)), hinted_at=at)
        case Launching(not_before=not_before) | Cleaning(not_before=not_before):
            hinted = replace(state, not_before=min(not_before, at))
            return replace(execution, state=hinted, hinted_at=at)
        case _:
            assert_never(state)


def no_later(
    execution: Execution, at: Instant, asked_at: Instant, now: Instant, fault: Fault | None = None
) -> Instant:
    """The instant of the next question, or sooner where a hint came after the last one, asked at asked_at, was sent;
    fault is what that one met.
    """
    if asked_at >= execution.hinted_at or (fault is not None and fault.kind is FaultKind.THROTTLED):
        return at
    return min(at, max(now, execution.hinted_at))


def _is_throttled(trouble: Trouble | None) -> bool:
    return trouble is not None and trouble.fault.kind is FaultKind.THROTTLED
