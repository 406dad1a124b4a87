"""INFORMATION_SCHEMA.QUERY_HISTORY and its kin as a table of the engine, made of the statements in memory.

Source: "QUERY_HISTORY, QUERY_HISTORY_BY_*" of the SQL reference: the last 7 days, RESULT_LIMIT 100 unless told, at
most 10,000, applied before any WHERE and keeping the latest; statements that run are there only where
END_TIME_RANGE_END is not given. The table shows the columns named here. END_TIME of what runs is the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from propwash.sandbox import Clock
from propwash_snowflake.sandbox.errors import compilation
from propwash_snowflake.sandbox.registry import Registry
from propwash_snowflake.sandbox.session import Account
from propwash_snowflake.sandbox.statements import Statement

FUNCTIONS: Final = frozenset(
    {"QUERY_HISTORY", "QUERY_HISTORY_BY_USER", "QUERY_HISTORY_BY_WAREHOUSE", "QUERY_HISTORY_BY_SESSION"}
)
ARGUMENTS: Final = frozenset(
    {
        "END_TIME_RANGE_START",
        "END_TIME_RANGE_END",
        "RESULT_LIMIT",
        "USER_NAME",
        "WAREHOUSE_NAME",
        "SESSION_ID",
        "INCLUDE_CLIENT_GENERATED_STATEMENT",
    }
)
_KEPT_S: Final = 7 * 86_400.0
_MOST: Final = 10_000
_LONGEST_TEXT: Final = 100_000
_TEXT, _NUMBER, _INSTANT = "VARCHAR", "BIGINT", "TIMESTAMPTZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The arguments of one call of the function; instants in seconds since the Unix epoch."""

    start: float | None = None
    end: float | None = None
    limit: int = 100
    user: str | None = None
    warehouse: str | None = None
    session: int | None = None


class History:
    """Reads the statements. Called from worker threads: it looks at each statement once and changes none."""

    def __init__(self, registry: Registry, account: Account, clock: Clock) -> None:
        self._registry = registry
        self._account = account
        self._clock = clock

    def table(
        self, asked: Asked, wanted: Collection[str] | None, reader: Statement
    ) -> list[tuple[str, str, list[Any]]]:
        """The columns with these upper-case names, or all, as Engine.load takes them. Raises SnowflakeError."""
        now = self._clock.now()
        if not 1 <= asked.limit <= _MOST:
            message = f"invalid value [{asked.limit}] for parameter 'RESULT_LIMIT'"
            raise compilation("001044", "42P13", message)
        oldest = now - _KEPT_S
        for instant in (asked.start, asked.end):
            # A minute's grace, as clients compute the bound a little earlier.
            if instant is not None and instant < oldest - 60:
                raise compilation("000707", "22000", "Cannot retrieve data from more than 7 days ago.")
        statements = self._selected(asked, max(oldest, asked.start or 0.0), now, reader)
        columns = [name for name in _COLUMNS if wanted is None or name in wanted] or ["QUERY_ID"]
        made: list[tuple[str, str, list[Any]]] = []
        for name in columns:
            kind, value = _COLUMNS[name]
            made.append((name, kind, [value(one, now) for one in statements]))
        return made

    def _selected(self, asked: Asked, since: float, now: float, reader: Statement) -> list[Statement]:
        running: list[Statement] = []
        ended: list[Statement] = []
        known_before = reader.known_before
        for one in list(self._registry.all):
            if now < one.hidden_until or (known_before is not None and one.created_at > known_before):
                continue
            if asked.user is not None and one.session.user.upper() != asked.user.upper():
                continue
            if asked.warehouse is not None and one.session.warehouse != asked.warehouse.upper():
                continue
            if asked.session is not None and one.session_id != asked.session:
                continue
            ended_at = one.ended_at
            if ended_at is None:
                if asked.end is None:
                    running.append(one)
            elif ended_at >= since and (asked.end is None or ended_at <= asked.end):
                ended.append(one)
        running.reverse()
        ended.sort(key=lambda one: (one.ended_at or 0.0, one.number), reverse=True)
        return (running + ended)[: asked.limit]


def _us(instant: float) -> int:
    return round(instant * 1_000_000)


def _elapsed_ms(one: Statement, now: float) -> int:
    return int(((one.ended_at or now) - one.created_at) * 1000)


def _queued_ms(one: Statement, now: float) -> int:
    return int((min(one.start_at, one.ended_at or now) - one.created_at) * 1000)


def _code(one: Statement) -> str | None:
    return None if one.error is None or one.ended_at is None else one.error.code


def _message(one: Statement) -> str | None:
    return None if one.error is None or one.ended_at is None else one.error.message


def _produced(one: Statement) -> int | None:
    return None if one.rows is None else len(one.rows.rows)


def _same(value: Any) -> Callable[[Statement, float], Any]:
    return lambda _one, _now: value


def _stat(name: str) -> Callable[[Statement, float], int]:
    def value(one: Statement, _now: float) -> int:
        return 0 if one.rows is None else one.rows.stats.get(name, 0)

    return value


_COLUMNS: Final[dict[str, tuple[str, Callable[[Statement, float], Any]]]] = {
    "QUERY_ID": (_TEXT, lambda one, _now: one.handle),
    "QUERY_TEXT": (_TEXT, lambda one, _now: one.text[:_LONGEST_TEXT]),
    "DATABASE_NAME": (_TEXT, lambda one, _now: one.session.database),
    "SCHEMA_NAME": (_TEXT, lambda one, _now: one.session.schema),
    "QUERY_TYPE": (_TEXT, lambda one, _now: one.query_type),
    "SESSION_ID": (_NUMBER, lambda one, _now: one.session_id),
    "USER_NAME": (_TEXT, lambda one, _now: one.session.user),
    "ROLE_NAME": (_TEXT, lambda one, _now: one.session.role),
    "WAREHOUSE_NAME": (_TEXT, lambda one, _now: one.session.warehouse),
    "WAREHOUSE_SIZE": (_TEXT, lambda one, _now: None if one.session.warehouse is None else "X-Small"),
    "WAREHOUSE_TYPE": (_TEXT, _same("STANDARD")),
    "CLUSTER_NUMBER": (_NUMBER, _same(1)),
    "QUERY_TAG": (_TEXT, lambda one, _now: one.session.tag.text),
    "EXECUTION_STATUS": (_TEXT, lambda one, now: one.status(now)),
    "ERROR_CODE": (_TEXT, lambda one, _now: _code(one)),
    "ERROR_MESSAGE": (_TEXT, lambda one, _now: _message(one)),
    "START_TIME": (_INSTANT, lambda one, _now: _us(one.created_at)),
    "END_TIME": (_INSTANT, lambda one, _now: 0 if one.ended_at is None else _us(one.ended_at)),
    "TOTAL_ELAPSED_TIME": (_NUMBER, _elapsed_ms),
    "BYTES_SCANNED": (_NUMBER, _same(0)),
    "ROWS_PRODUCED": (_NUMBER, lambda one, _now: _produced(one)),
    "ROWS_INSERTED": (_NUMBER, _stat("numRowsInserted")),
    "ROWS_UPDATED": (_NUMBER, _stat("numRowsUpdated")),
    "ROWS_DELETED": (_NUMBER, _stat("numRowsDeleted")),
    "COMPILATION_TIME": (_NUMBER, _same(0)),
    "EXECUTION_TIME": (_NUMBER, lambda one, now: _elapsed_ms(one, now) - _queued_ms(one, now)),
    "QUEUED_PROVISIONING_TIME": (_NUMBER, _same(0)),
    "QUEUED_REPAIR_TIME": (_NUMBER, _same(0)),
    "QUEUED_OVERLOAD_TIME": (_NUMBER, _queued_ms),
    "TRANSACTION_BLOCKED_TIME": (_NUMBER, _same(0)),
    "RELEASE_VERSION": (_TEXT, _same("10.36.101")),
    "IS_CLIENT_GENERATED_STATEMENT": ("BOOLEAN", _same(False)),
}
