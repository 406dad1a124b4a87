"""Pages of a job's log, of servers that stream it, page it, or answer all of it at once.

Source: flyteidl.admin, agent.proto (GetTaskLogs): messages of lines, and headers with the token to go on from. Lines
are texts (results) or have their instants (structured_lines, and lines in version 2, on the same field).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from flyteidl.admin import agent_pb2

from propwash.sdk import LogLine, LogPage

PAGE = 500
"""Lines of one page."""
_MOST = 10_000
_PAGE_S = 10.0
"""A server may hold its stream open until the job has ended; what has come by then is a page."""
_TOKEN, _SEEN = "token:", "seen:"


def cursor_of(cursor: str) -> tuple[str, int]:
    """The server's token, and how many lines of its answer were told before."""
    if cursor.startswith(_TOKEN):
        return cursor.removeprefix(_TOKEN), 0
    seen = cursor.removeprefix(_SEEN)
    return "", int(seen) if seen.isdecimal() else 0


async def page_of(answers: AsyncGenerator[agent_pb2.GetTaskLogsResponse, None], cursor: str) -> LogPage:
    """The next page. A server that gives no token is taken to begin anew each time: what was told is left out."""
    _, seen = cursor_of(cursor)
    lines: list[LogLine] = []
    token = ""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PAGE_S), aclosing(answers):
            async for answer in answers:
                token = answer.header.token or token
                lines += _lines(answer.body)
                # A token is of the lines before it: a page ends with one, where the server gives any.
                has_enough = answer.HasField("header") or not token or len(lines) >= _MOST
                if len(lines) >= seen + PAGE and has_enough:
                    break
    if token:
        return LogPage(lines=tuple(lines[seen:]), cursor=f"{_TOKEN}{token}")
    if cursor.startswith(_TOKEN):
        return LogPage(lines=tuple(lines), cursor=cursor)
    told = tuple(lines[seen : seen + PAGE])
    return LogPage(lines=told, cursor=f"{_SEEN}{seen + len(told)}" if seen or told else "")


def _lines(body: agent_pb2.GetTaskLogsResponseBody) -> Iterable[LogLine]:
    if not body.structured_lines:
        return [LogLine(text=text) for text in body.results]
    return [
        LogLine(
            text=one.message,
            at=one.timestamp.ToNanoseconds() / 1e9 if one.HasField("timestamp") else None,
        )
        for one in body.structured_lines
    ]
