"""How connections stand, for people and for programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from propwash.cli.live import Sheet
from propwash.cli.printing import age
from propwash.client import BreakerState, CallClass, Connection, ConnectionUse, Throttle

_NOTHING = "-"


def throttle_sheet(connections: Sequence[Connection]) -> Sheet:
    """One line for each connection, handler (told by its task types) and class of calls."""
    return Sheet(
        headers=(
            "CONNECTION",
            "TASK TYPES",
            "CLASS",
            "RATE",
            "CONFIGURED",
            "LEFT",
            "PAUSED",
            "THROTTLED",
            "IN FLIGHT",
            "WAITING",
            "OLDEST WAIT",
        ),
        rows=[
            (
                connection.id,
                ", ".join(use.task_types),
                one.call_class.value.lower(),
                f"{one.rate:.4g}/s",
                f"{one.configured_rate:.4g}/s",
                f"{one.budget_left:.0f}",
                _left(one.pause_end_time),
                str(one.throttled_total),
                str(one.in_flight),
                _waiting(one),
                _age(one.oldest_wait_start_time),
            )
            for connection, use in _uses(connections)
            for one in use.throttles
        ],
        document=connections,
        names=[connection.id for connection in connections],
        caption="" if connections else "no connections",
    )


def status_sheet(connections: Sequence[Connection]) -> Sheet:
    """One line for each connection and handler."""
    return Sheet(
        headers=(
            "CONNECTION",
            "TASK TYPES",
            "BREAKER",
            "SINCE",
            "NEXT TRY",
            "READS",
            "WRITES",
            "DELETES",
            "WAITING",
            "OLDEST WAIT",
            "LAST ANSWER",
            "WHY",
        ),
        rows=[_status(connection, use) for connection, use in _uses(connections)],
        document=connections,
        names=[connection.id for connection in connections],
        caption="" if connections else "no connections",
    )


def _status(connection: Connection, use: ConnectionUse) -> tuple[str, ...]:
    rates = {one.call_class: f"{one.rate:.4g}/{one.configured_rate:.4g}" for one in use.throttles}
    oldest = [one.oldest_wait_start_time for one in use.throttles if one.oldest_wait_start_time is not None]
    return (
        connection.id,
        ", ".join(use.task_types),
        use.breaker_state.value,
        _age(use.breaker_open_time),
        "now" if use.breaker_state is BreakerState.HALF_OPEN else _left(use.next_try_time),
        *(rates.get(kind, _NOTHING) for kind in (CallClass.READ, CallClass.WRITE, CallClass.DELETE)),
        str(sum(one.waiting.total for one in use.throttles)),
        _age(min(oldest, default=None)),
        _age(use.answer_time),
        f"{use.reason}: {use.message}" if use.reason else "",
    )


def _uses(connections: Sequence[Connection]) -> Iterator[tuple[Connection, ConnectionUse]]:
    for connection in connections:
        for use in connection.uses:
            yield connection, use


def _waiting(throttle: Throttle) -> str:
    """Such as 12 (2 aborts, 10 observations)."""
    waiting = throttle.waiting
    counts = (
        ("aborts", waiting.aborts),
        ("new", waiting.new),
        ("observations", waiting.observations),
        ("catching up", waiting.catching_up),
        ("sweeps", waiting.sweeps),
    )
    told = ", ".join(f"{count} {word}" for word, count in counts if count)
    return f"{waiting.total} ({told})" if told else "0"


def _age(since: dt.datetime | None) -> str:
    return _NOTHING if since is None else age(since)


def _left(until: dt.datetime | None) -> str:
    if until is None:
        return _NOTHING
    left_s = (until - dt.datetime.now(dt.UTC)).total_seconds()
    return f"{max(0.0, left_s):.0f}s"
