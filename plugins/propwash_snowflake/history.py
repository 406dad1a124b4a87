"""Reads the query history: many statements, or one by its tag, in one query.

Source: Snowflake documentation, "QUERY_HISTORY, QUERY_HISTORY_BY_*": the last seven days, at most 10,000 rows, which
are those that run and then the latest that ended, before any WHERE; without END_TIME_RANGE_END what runs is among them.
It needs a warehouse, and is asked by user, so that others' statements do not push ours out of the 10,000.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from propwash.sdk import RemoteName, Unavailable
from propwash_snowflake.connection import SnowflakeSettings
from propwash_snowflake.errors import RemoteError, verdict
from propwash_snowflake.tagging import NAME_PART, internal_tag, prefix_of
from propwash_snowflake.wire import Client, Statement

MOST_ROWS = 10_000
LONGEST_S = 7 * 86_400 - 300
"""How far back it is asked, short of what Snowflake keeps."""
_COLUMNS = (
    "QUERY_ID, QUERY_TAG, EXECUTION_STATUS, ERROR_CODE, LEFT(ERROR_MESSAGE, 2000), TO_VARCHAR(SESSION_ID), QUERY_TYPE, "
    "ROWS_PRODUCED, DATE_PART(EPOCH_MILLISECOND, START_TIME), DATE_PART(EPOCH_MILLISECOND, END_TIME)"
)
_ENDED = "EXECUTION_STATUS IN ('SUCCESS', 'FAILED_WITH_ERROR', 'FAILED_WITH_INCIDENT', 'ABORTED')"
_POLL_S = 0.5
_LONGEST_QUERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One statement as the history has it; instants in milliseconds since the epoch."""

    handle: str
    tag: str
    status: str
    code: str
    message: str
    session: str
    kind: str
    row_count: int | None
    started_ms: int
    ended_ms: int


class History:
    """The history of one connection's user. Every method raises a verdict."""

    def __init__(self, client: Client, settings: SnowflakeSettings) -> None:
        self._client = client
        self._settings = settings

    async def of_handles(self, handles: Collection[str] | None, *, back_s: float) -> list[Entry]:
        """Our jobs that run, or have ended since; of these handles alone where any are given."""
        where = 'STARTSWITH(QUERY_TAG, \'{"propwash":"pw-\')'
        if handles is not None:
            where = f"QUERY_ID IN ({_listed(handles)})"
        return await self._ask(where, back_s=back_s, purpose="observe")

    async def of_names(self, names: Collection[RemoteName], *, back_s: float) -> list[Entry]:
        """The statements whose tags hold one of these names, oldest first."""
        where = f"SPLIT_PART(QUERY_TAG, '\"', {NAME_PART}) IN ({_listed(names)})"
        return await self._ask(where, back_s=back_s, purpose="find")

    async def live(self, owner: str) -> list[Entry]:
        """The owner's statements that have not ended, oldest first."""
        where = f"STARTSWITH(QUERY_TAG, '{prefix_of(owner)}') AND NOT {_ENDED}"
        return await self._ask(where, back_s=60.0, purpose="list")

    async def _ask(self, where: str, *, back_s: float, purpose: str) -> list[Entry]:
        settings = self._settings
        seconds = int(min(max(back_s, 60.0), LONGEST_S))
        body: dict[str, object] = {
            "statement": f"SELECT {_COLUMNS} FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_USER("
            f"END_TIME_RANGE_START => DATEADD('second', -{seconds}, CURRENT_TIMESTAMP()), "
            f"RESULT_LIMIT => {MOST_ROWS})) WHERE {where} ORDER BY START_TIME",
            "timeout": int(_LONGEST_QUERY_S),
            "database": settings.history_database or settings.database or "SNOWFLAKE",
            "parameters": {"QUERY_TAG": internal_tag(purpose)},
        }
        warehouse = settings.history_warehouse or settings.warehouse
        if warehouse is not None:
            body["warehouse"] = warehouse
        if settings.role is not None:
            body["role"] = settings.role
        try:
            return [_entry(row) for row in await self._rows(body)]
        except RemoteError as error:
            told = verdict(error, is_submitting=False)
            if error.status in (408, 422):
                said = f"the query history cannot be read: {error.code}: {error.message}"
                raise Unavailable("HISTORY_UNAVAILABLE", said) from error
            raise told from error

    async def _rows(self, body: dict[str, object]) -> list[object]:
        found = await self._client.submit(body, request_id=str(uuid.uuid4()), is_async=False)
        found = await self._ended(found)
        rows = list(found.rows)
        for number in range(1, found.partitions):
            rows.extend(await self._client.partition(found.handle, number))
        return rows

    async def _ended(self, found: Statement) -> Statement:
        try:
            async with asyncio.timeout(_LONGEST_QUERY_S):
                while found.is_running:
                    await asyncio.sleep(_POLL_S)
                    found = await self._client.status(found.handle)
        except TimeoutError as error:
            raise Unavailable("HISTORY_UNAVAILABLE", "the query of the history does not end") from error
        return found


def _listed(texts: Collection[str]) -> str:
    # Handles and names have no quotes; one that had would be another's, and is looked up as what it is.
    return ", ".join("'" + text.replace("'", "''").replace("\\", "\\\\") + "'" for text in texts)


def _entry(row: object) -> Entry:
    if (
        not isinstance(row, list)
        or len(row) != 10
        or not all(one is None or isinstance(one, str) for one in row)
    ):
        raise Unavailable("UNEXPECTED_ANSWER", "Snowflake's history has a row that cannot be read")
    handle, tag, status, code, message, session, kind, count, started, ended = (one or "" for one in row)
    try:
        return Entry(
            handle=handle,
            tag=tag,
            status=status,
            code=code,
            message=message,
            session=session,
            kind=kind,
            row_count=int(count) if count else None,
            started_ms=int(float(started or 0)),
            ended_ms=int(float(ended or 0)),
        )
    except ValueError as error:
        raise Unavailable("UNEXPECTED_ANSWER", "Snowflake's history has a row that cannot be read") from error
