"""Reads result rows into typed values, partition by partition.

Source: Snowflake documentation, "Handling responses": values are text; FIXED, REAL and BOOLEAN as such, BINARY in
hexadecimal digits, DATE in days since the epoch, TIME in seconds, TIMESTAMP_* in seconds since the epoch with a
fraction, TIMESTAMP_TZ with the offset in minutes plus 1440 after a space.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from propwash.sdk import Column, Json, ResultPage, Unavailable
from propwash_snowflake.keys import StatementKey
from propwash_snowflake.resources import JsonMap, text, whole
from propwash_snowflake.wire import Client

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = dt.date(1970, 1, 1)
_OFFSET = 1440


async def page_of(client: Client, key: StatementKey, *, cursor: str, limit: int) -> ResultPage:
    """At most so many rows from the cursor on, within one partition; the cursor is partition:row.

    Raises RemoteError, and Unavailable for an answer that cannot be read or a statement that still runs.
    """
    number, _, row = (cursor or "0:0").partition(":")
    if not (number.isdecimal() and row.isdecimal()):
        raise Unavailable("CURSOR_UNREADABLE", "the cursor is none of this result")
    head = await client.status(key.handle)
    if head.is_running:
        raise Unavailable("JOB_NOT_COMPLETE", "the statement has no result yet")
    partition, start = int(number), int(row)
    rows = head.rows if partition == 0 else await client.partition(key.handle, partition)
    chosen = rows[start : start + max(1, limit)]
    end = start + len(chosen)
    following = f"{partition}:{end}" if end < len(rows) else ""
    if not following and partition + 1 < head.partitions:
        following = f"{partition + 1}:0"
    try:
        typed = tuple(_row(one, head.columns) for one in chosen)
    except (ValueError, OverflowError) as error:
        raise Unavailable("UNEXPECTED_ANSWER", f"Snowflake's rows cannot be read: {error}") from error
    return ResultPage(
        columns=tuple(
            Column(name=text(one, "name"), type=_type(one), is_nullable=one.get("nullable") is not False)
            for one in head.columns
        ),
        rows=typed,
        next_cursor=following,
        total_rows=-1 if head.row_count is None else head.row_count,
    )


def _type(column: JsonMap) -> str:
    return text(column, "type").upper()


def _row(row: object, columns: Sequence[JsonMap]) -> tuple[Json, ...]:
    if not isinstance(row, list) or len(row) != len(columns):
        raise ValueError("a row has not one value a column")
    return tuple(_value(value, column) for value, column in zip(row, columns, strict=True))


def _value(value: object, column: JsonMap) -> Json:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"a {_type(column)} is no text")
    if _type(column) == "FIXED":
        return value if whole(column, "scale") else int(value)
    return _READERS.get(_type(column), str)(value)


def _boolean(value: str) -> Json:
    if value.lower() not in ("true", "false"):
        raise ValueError("a BOOLEAN is neither true nor false")
    return value.lower() == "true"


def _date(value: str) -> Json:
    return (_EPOCH_DAY + dt.timedelta(days=int(value))).isoformat()


def _time(value: str) -> Json:
    return (_EPOCH + _since(value)).time().isoformat()


def _since(seconds: str) -> dt.timedelta:
    whole_seconds, _, fraction = seconds.partition(".")
    micros = int((fraction + "000000")[:6])
    return dt.timedelta(
        seconds=int(whole_seconds), microseconds=-micros if seconds.startswith("-") else micros
    )


def _instant(value: str) -> Json:
    return (_EPOCH + _since(value)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _wall(value: str) -> Json:
    return (_EPOCH + _since(value)).replace(tzinfo=None).isoformat(timespec="microseconds")


def _zoned(value: str) -> Json:
    seconds, _, offset = value.partition(" ")
    zone = dt.timezone(dt.timedelta(minutes=int(offset or _OFFSET) - _OFFSET))
    return (_EPOCH + _since(seconds)).astimezone(zone).isoformat(timespec="microseconds")


_READERS: Mapping[str, Callable[[str], Json]] = {
    "REAL": float,
    "BOOLEAN": _boolean,
    "BINARY": bytes.fromhex,
    "DATE": _date,
    "TIME": _time,
    "TIMESTAMP_LTZ": _instant,
    "TIMESTAMP_NTZ": _wall,
    "TIMESTAMP_TZ": _zoned,
}
