"""When: polls, waits and deadlines of an execution."""

from __future__ import annotations

import math
from typing import assert_never

from propwash.core.backoff import backoff_s
from propwash.core.model import (
    Cleaning,
    Done,
    Execution,
    Fault,
    Instant,
    Launching,
    Queued,
    Running,
    Trouble,
    Waiting,
)

CREATE_BACKOFF = (1.0, 60.0)
OBSERVE_BACKOFF = (1.0, 60.0)
DELETE_BACKOFF = (0.5, 30.0)
ATTEMPT_BACKOFF = (1.0, 300.0)
"""First and longest wait in seconds, before jitter."""


def wake_at(execution: Execution, now: Instant) -> Instant | None:
    """The next instant after now at which Ticked or due would give something new; None where only a reply can."""
    policy, state = execution.plan.policy, execution.state
    instants: list[Instant] = []
    deadlines = [(execution.created_at, policy.total_deadline_s)]
    match state:
        case Done():
            return None
        case Queued(not_before=not_before):
            instants.append(not_before)
        case Waiting(since=since):
            deadlines.append((since, policy.wait_deadline_s))
        case Launching(granted_at=granted_at, not_before=not_before):
            instants.append(not_before)
            deadlines.append((granted_at, policy.run_deadline_s))
        case Running(granted_at=granted_at, poll_at=poll_at):
            instants.append(poll_at)
            deadlines.append((granted_at, policy.run_deadline_s))
        case Cleaning(not_before=not_before):
            instants.append(not_before)
        case _:
            assert_never(state)
    instants.extend(since + after_s for since, after_s in deadlines if after_s is not None)
    return min((instant for instant in instants if instant > now), default=None)


def worsened(before: Trouble | None, fault: Fault, now: Instant) -> Trouble:
    if before is None:
        return Trouble(fault=fault, since=now, count=1)
    return Trouble(fault=fault, since=before.since, count=before.count + 1)


def wait_s(
    execution: Execution, verb: str, tries: int, bounds: tuple[float, float], fault: Fault | None = None
) -> float:
    first_s, cap_s = bounds
    waits_s = backoff_s(execution.uid, execution.attempt, verb, tries=tries, first_s=first_s, cap_s=cap_s)
    return max(waits_s, (fault.retry_after_s if fault is not None else None) or 0.0)


def next_poll_at(
    execution: Execution, granted_at: Instant, now: Instant, ask_again_s: float | None = None
) -> Instant:
    """Between floor and ceiling: what the remote system said (ask_again_s), else a tenth of the job's age.

    Jobs that are polled together meet at the multiples of the ceiling, of its half, its quarter and so on: of the
    longest of these that is not longer than the interval. So old and young jobs share instants, and one call.
    What the remote system said is met from above, in finer steps: asked before its time it would only say so again.
    """
    plan, traits = execution.plan, execution.plan.traits
    wanted_s = (now - granted_at) / 10.0 if ask_again_s is None else ask_again_s
    interval_s = min(traits.poll_ceiling_s, max(traits.poll_floor_s, wanted_s))
    if not plan.is_polled_together:
        return now + interval_s
    period_s = traits.poll_ceiling_s
    if ask_again_s is not None:
        while period_s > interval_s / 16.0:
            period_s /= 2.0
        at = math.ceil((now + interval_s) / period_s) * period_s
        return min(at, now + traits.poll_ceiling_s)
    while period_s > interval_s:
        period_s /= 2.0
    return max(now, math.floor((now + interval_s) / period_s) * period_s)


def is_over(since: Instant, deadline_s: float | None, now: Instant) -> bool:
    return deadline_s is not None and now >= since + deadline_s
