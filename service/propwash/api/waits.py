"""Reason and message of an execution with what the engine knows of its wait at this moment."""

from __future__ import annotations

from typing import assert_never

from propwash.api.translate import CREATE_WAITS, clock, ending, standing
from propwash.core.events import Deletion
from propwash.core.model import Cleaning, Execution, Instant, Launching, Running, Trouble, Waiting
from propwash.core.pool import Block, Place
from propwash.ports import Behind, Hold, Paused, Silent, Wait

UNSEEN = "the remote job cannot be observed, and counts as running"
_HOLD_REASONS: dict[type[Hold], str] = {
    Silent: "BREAKER_OPEN",
    Paused: "THROTTLED",
    Behind: "RATE_LIMITED",
}


def told(execution: Execution, wait: Wait | None) -> tuple[str, str]:
    """Reason and message; without a wait, or where it adds nothing, what the execution alone tells."""
    if wait is None:
        return standing(execution)
    match execution.state:
        case Waiting():
            return _waiting(execution, wait)
        case Launching(create=create, trouble=trouble):
            return _held(execution, wait, CREATE_WAITS[create], trouble)
        case Running(trouble=trouble):
            return _held(execution, wait, UNSEEN, trouble)
        case Cleaning() as state:
            return _cleaning(execution, state, wait)
        case _:
            return standing(execution)


def _waiting(execution: Execution, wait: Wait) -> tuple[str, str]:
    reason, message = standing(execution)
    return reason, f"waits for {'; '.join(map(_place, wait.pools))}" if wait.pools else message


def _place(place: Place) -> str:
    return f"{_units(place.units)} of pool {place.pool}: {place_message(place)}"


def place_message(place: Place) -> str:
    """Where a claim stands, and why it is not granted now."""
    queue = f"position {place.position} of {place.waiting}"
    taken = f"{place.occupied} of {place.capacity} units are held"
    match place.block:
        case Block.CAPACITY | Block.TURN:
            return f"{queue}, {taken}"
        case Block.PROJECT_LIMIT:
            return f"{queue}, its project {_within(place)}"
        case Block.NAMESPACE_LIMIT:
            return f"{queue}, its project {_within(place)} in this domain"
        case Block.OTHER_POOL:
            return f"{queue}, {taken}, but another pool that it claims has no room"
        case Block.TOO_LARGE:
            return f"the claim is larger than {_too_small(place)}"
        case Block.REMOVED:
            return "the pool was removed"
        case _:
            assert_never(place.block)


def _within(place: Place) -> str:
    if place.limit is None or place.held is None:
        return "holds what it may have"
    return f"holds {place.held} of the {_units(place.limit)} that it may have"


def _too_small(place: Place) -> str:
    if place.units > place.capacity:
        return f"the pool since its capacity was lowered to {place.capacity}"
    return "what its project may have since a limit was lowered"


def _units(units: int) -> str:
    return f"{units} unit{'s' if units != 1 else ''}"


def _held(execution: Execution, wait: Wait, waits: str, trouble: Trouble | None) -> tuple[str, str]:
    if wait.hold is None:
        reason, message = standing(execution)
        return reason, message + _again(wait.retry_at if trouble is not None else None)
    return _reason(wait.hold, trouble), f"{waits}: {_why(wait.hold, execution, trouble)}"


def _cleaning(execution: Execution, state: Cleaning, wait: Wait) -> tuple[str, str]:
    detail = _last_answer(state, wait)
    if wait.hold is not None:
        detail += f"; {_why(wait.hold, execution, None)}"
    message = f"{ending(state)}; cleanup pending since {clock(state.since)}: {detail}{_again(wait.retry_at)}"
    if wait.hold is not None:
        return _reason(wait.hold, state.trouble), message
    return state.trouble.fault.reason if state.trouble is not None else "CLEANUP_PENDING", message


def _last_answer(state: Cleaning, wait: Wait) -> str:
    if state.trouble is not None:
        return f"{state.trouble.fault.message} (since {clock(state.trouble.since)})"
    settled = (
        f"which counts when it is said again after {clock(state.settled_at)}, as a create may still arrive"
    )
    match wait.deletion:
        case None:
            return "the delete is not answered yet"
        case Deletion.PENDING:
            return "the remote system has taken the delete, and the job has not ended yet"
        case Deletion.ABSENT:
            return f"the remote system knows no such job, {settled}"
        case Deletion.GONE:
            return f"the remote job is over, {settled}"
        case _:
            assert_never(wait.deletion)


def _reason(hold: Hold, trouble: Trouble | None) -> str:
    """The trouble's own says more, but for an open breaker: then nothing is tried any more."""
    if trouble is not None and not isinstance(hold, Silent):
        return trouble.fault.reason
    return _HOLD_REASONS[type(hold)]


def _why(hold: Hold, execution: Execution, trouble: Trouble | None) -> str:
    match hold:
        case Silent(since=since, next_try_at=at, fault=fault):
            when = "it is tried now" if at is None else f"the next call is made at {clock(at)}"
            who = f"the breaker of connection {execution.plan.connection} is open since {clock(since)}"
            return f"{who}, {when}: {fault.reason}: {fault.message}"
        case Paused(until=until):
            said = f": {trouble.fault.message}" if trouble is not None else ""
            return f"the remote system asked for a pause until {clock(until)}{said}"
        case Behind(ahead=ahead, per_s=per_s):
            first = f"{ahead} call{'s go' if ahead != 1 else ' goes'} first" if ahead else "it goes next"
            return f"{first}, at most {per_s:.3g} a second"
        case _:
            assert_never(hold)


def _again(at: Instant | None) -> str:
    return "" if at is None else f"; tried again at {clock(at)}"
