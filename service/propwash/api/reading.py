"""Logs and results: what the handler of an execution tells on request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from propwash.api.errors import ApiError, from_fault, invalid, not_found
from propwash.api.feed import Feed
from propwash.api.names import parse_name
from propwash.api.paging import PageTokens, page_limit
from propwash.api.reasons import Reason
from propwash.api.values import fill_instant, fill_value
from propwash.core.model import Cleaning, Done, Fault, Phase, Running
from propwash.pb.v1.execution_service_pb2 import (
    ReadResultsRequest,
    ReadResultsResponse,
    StreamLogsRequest,
    StreamLogsResponse,
)
from propwash.ports import ExecutionName, Handlers, Record, Store
from propwash.sdk.handler import LogPage, ResultPage

_CURSOR_CHARS = 2048


class Reading:
    """Asks handlers. poll_s is how often a followed log is asked for more."""

    def __init__(self, store: Store, handlers: Handlers, feed: Feed, *, poll_s: float) -> None:
        self._store = store
        self._handlers = handlers
        self._feed = feed
        self._poll_s = poll_s
        self._tokens = PageTokens(store.owner, "ReadResults")

    async def logs(self, request: StreamLogsRequest) -> AsyncGenerator[StreamLogsResponse, None]:
        """Log pages.

        Raises ApiError EXECUTION_NOT_FOUND, NO_REMOTE_JOB, LOGS_NOT_OFFERED or with a fault's own reason.
        """
        name = parse_name(request.name)
        check_cursor(request.cursor, "cursor")
        async with aclosing(self.pages(name, request.cursor, follow=request.follow)) as pages:
            async for page in pages:
                yield _log_answer(page)

    async def pages(
        self, name: ExecutionName, cursor: str, *, follow: bool, waits: bool = False
    ) -> AsyncGenerator[LogPage, None]:
        """The log's pages from a cursor on: the first even where it is empty, others as lines come. follow goes on to
        the execution's end; waits is for those who may ask before there is a job. Raises as logs does.
        """
        is_first, meta = True, b""
        with self._feed.interest():
            while True:
                self._feed.check_open()
                with self._feed.waiting_for(name) as ended:
                    # Read before the page: lines that come before the end are then never missed.
                    record = await self._record(name)
                    is_last = record.execution.phase.is_terminal or not follow
                    current = meta_of(record)
                    if current is not None and meta and current != meta:
                        cursor = ""  # another attempt has another log
                    meta = meta if current is None else current
                    if meta or is_last or not waits:
                        page = await self._log_page(record, meta, cursor)
                        if page.lines or is_first:
                            is_first = False
                            yield page
                        has_moved = bool(page.lines) and page.cursor != cursor
                        cursor = page.cursor
                        if has_moved:
                            continue
                        if is_last:
                            return
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._poll_s):
                            await ended

    async def results(self, request: ReadResultsRequest) -> ReadResultsResponse:
        """A page of rows; raises as logs does, and EXECUTION_NOT_SUCCEEDED or RESULTS_NOT_OFFERED."""
        name = parse_name(request.name)
        limit = page_limit(request.page_size)
        cursor = self._tokens.open(request.page_token, str(name)).decode() if request.page_token else ""
        record = await self._record(name)
        phase, meta = record.execution.phase, meta_of(record)
        if phase is not Phase.SUCCEEDED or meta is None:
            raise ApiError(
                Reason.EXECUTION_NOT_SUCCEEDED,
                f"{name} is {phase.name}; only a succeeded execution has results",
                metadata={"name": str(name), "phase": phase.name, "field": "name"},
                resource=str(name),
            )
        plan = record.execution.plan
        page = await self._handlers.results(plan.task_type, plan.connection, meta, cursor, limit)
        if isinstance(page, Fault):
            raise from_fault(page)
        if page is None:
            raise ApiError(
                Reason.RESULTS_NOT_OFFERED, f"the handler of {plan.task_type} does not offer results"
            )
        answer = _result_answer(page)
        if page.next_cursor:
            answer.next_page_token = self._tokens.seal(page.next_cursor.encode(), str(name))
        return answer

    async def _record(self, name: ExecutionName) -> Record:
        (record,) = await self._store.get((name,))
        if record is None:
            raise not_found(str(name))
        return record

    async def _log_page(self, record: Record, meta: bytes, cursor: str) -> LogPage:
        plan = record.execution.plan
        if not meta:
            phase = record.execution.phase.name
            raise ApiError(
                Reason.NO_REMOTE_JOB,
                f"{record.name} is {phase} and has no remote job",
                metadata={"name": str(record.name), "phase": phase, "field": "name"},
                resource=str(record.name),
            )
        page = await self._handlers.logs(plan.task_type, plan.connection, meta, cursor)
        if isinstance(page, Fault):
            raise from_fault(page)
        if page is None:
            raise ApiError(Reason.LOGS_NOT_OFFERED, f"the handler of {plan.task_type} does not offer logs")
        return page


def check_cursor(cursor: str, path: str) -> None:
    """Raises ApiError for one that is too long to be of a page."""
    if len(cursor) > _CURSOR_CHARS:
        raise invalid(path, f"at most {_CURSOR_CHARS} characters")


def meta_of(record: Record) -> bytes | None:
    """By what the handler finds the current attempt's job again; None where there is none."""
    match record.execution.state:
        case Running(meta=meta):
            return meta
        case Cleaning(meta=meta_or_none):
            return meta_or_none
        case Done() as done:
            kept: bytes | None = getattr(done, "meta", None)
            return kept
        case _:
            return None


def _log_answer(page: LogPage) -> StreamLogsResponse:
    answer = StreamLogsResponse(cursor=page.cursor)
    for line in page.lines:
        added = answer.lines.add(text=line.text)
        if line.at is not None:
            fill_instant(added.time, line.at)
    return answer


def _result_answer(page: ResultPage) -> ReadResultsResponse:
    answer = ReadResultsResponse(total_rows=page.total_rows)
    for column in page.columns:
        answer.columns.add(name=column.name, type=column.type, nullable=column.is_nullable)
    for row in page.rows:
        items = answer.rows.add().items
        for cell in row:
            fill_value(items.add(), cell)
    return answer
