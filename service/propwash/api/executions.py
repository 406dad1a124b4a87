"""ExecutionService: requests in, the engine's and the store's answers out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import grpc

from propwash.api.drafts import Drafter, check_batch
from propwash.api.errors import from_collision, from_refused, invalid, not_found
from propwash.api.feed import Feed
from propwash.api.filters import parse_filter
from propwash.api.hinting import Hinting
from propwash.api.names import parse_name, parse_scope
from propwash.api.paging import PAGE_BYTES, PageTokens, decode_position, encode_position, page_limit
from propwash.api.reading import Reading
from propwash.api.translate import Translator, buried
from propwash.api.waiting import wait_for_end
from propwash.api.waits import told
from propwash.api.watching import Watching, parse_names
from propwash.pb.v1 import execution_service_pb2_grpc
from propwash.pb.v1.execution_pb2 import Execution
from propwash.pb.v1.execution_service_pb2 import (
    AbortExecutionRequest,
    BatchCreateExecutionsRequest,
    BatchCreateExecutionsResponse,
    BatchGetExecutionsRequest,
    BatchGetExecutionsResponse,
    CreateExecutionRequest,
    GetExecutionRequest,
    HintExecutionRequest,
    HintExecutionResponse,
    ListExecutionsRequest,
    ListExecutionsResponse,
    ReadResultsRequest,
    ReadResultsResponse,
    StreamLogsRequest,
    StreamLogsResponse,
    WaitExecutionRequest,
    WatchExecutionsRequest,
    WatchExecutionsResponse,
)
from propwash.ports import (
    AlreadyExists,
    Draft,
    Executions,
    Handlers,
    NoSuchExecution,
    Position,
    Record,
    Refused,
    Scope,
    Store,
)

LONGEST_WAIT_S = 3600.0
_ABORT_MESSAGE_CHARS = 1024
_ANSWER_MARGIN_S = 0.5
_Context = grpc.aio.ServicerContext[Any, Any]


class ExecutionService(execution_service_pb2_grpc.ExecutionServiceServicer):
    """Reads the store, writes through the engine. Errors are raised as ApiError or as the ports' own."""

    def __init__(
        self,
        *,
        store: Store,
        executions: Executions,
        handlers: Handlers,
        feed: Feed,
        drafter: Drafter,
        translator: Translator,
        watching: Watching,
        reading: Reading,
        hinting: Hinting,
    ) -> None:
        self._store = store
        self._executions = executions
        self._handlers = handlers
        self._feed = feed
        self._drafter = drafter
        self._translator = translator
        self._watching = watching
        self._reading = reading
        self._hinting = hinting
        self._pages = PageTokens(store.owner, "ListExecutions")

    async def CreateExecution(self, request: CreateExecutionRequest, _: _Context) -> Execution:  # noqa: N802
        """Accept one execution, or only check it."""
        draft = self._drafter.one(request)
        if request.validate_only:
            return self._translator.execution(await self._executions.validate(draft))
        (record,) = await self._executions.create((draft,))
        return self._translator.execution(record)

    async def BatchCreateExecutions(  # noqa: N802
        self, request: BatchCreateExecutionsRequest, _: _Context
    ) -> BatchCreateExecutionsResponse:
        """Accept all or none."""
        drafts = self._drafter.batch(request)
        try:
            if request.requests[0].validate_only:
                records: Sequence[Record] = await self._validate_all(drafts)
            else:
                records = await self._executions.create(drafts)
        except Refused as refused:
            raise from_refused(refused, at=self._refused_at(drafts)) from refused
        except AlreadyExists as collision:
            raise from_collision(collision, at=f"requests[{collision.index}].") from collision
        return BatchCreateExecutionsResponse(executions=map(self._translator.execution, records))

    async def GetExecution(self, request: GetExecutionRequest, _: _Context) -> Execution:  # noqa: N802
        """Read one."""
        (record,) = await self._store.get((parse_name(request.name),))
        if record is None:
            raise not_found(request.name)
        return self._now(record)

    async def BatchGetExecutions(  # noqa: N802
        self, request: BatchGetExecutionsRequest, _: _Context
    ) -> BatchGetExecutionsResponse:
        """Read many, in the order of the names."""
        check_batch(request.names, "names")
        names = parse_names(request.names, parse_scope(request.parent) if request.parent else Scope())
        answer = BatchGetExecutionsResponse()
        for index, record in enumerate(await self._store.get(names)):
            if record is None:
                raise not_found(request.names[index], f"names[{index}]")
            answer.executions.append(self._now(record))
        return answer

    async def ListExecutions(  # noqa: N802
        self, request: ListExecutionsRequest, _: _Context
    ) -> ListExecutionsResponse:
        """Read a page, newest first."""
        scope = parse_scope(request.parent)
        limit = page_limit(request.page_size)
        where = parse_filter(request.filter)
        bound_to = f"{request.parent}\n{request.filter}"
        after = (
            decode_position(self._pages.open(request.page_token, bound_to)) if request.page_token else None
        )
        records = await self._store.list(scope, where=where, after=after, limit=limit + 1)
        answer, size = ListExecutionsResponse(), 0
        for index, record in enumerate(records[:limit]):
            message = self._translator.execution(record)
            size += message.ByteSize()
            if index and size > PAGE_BYTES:
                break
            answer.executions.append(message)
        shown = len(answer.executions)
        if shown < len(records):
            last = records[shown - 1].execution
            position = Position(created_at=last.created_at, uid=last.uid)
            answer.next_page_token = self._pages.seal(encode_position(position), bound_to)
        return answer

    async def WatchExecutions(  # noqa: N802
        self, request: WatchExecutionsRequest, _: _Context
    ) -> AsyncIterator[WatchExecutionsResponse]:
        """Stream changes."""
        async with aclosing(self._watching.watch(request)) as answers:
            async for answer in answers:
                yield answer

    async def WaitExecution(self, request: WaitExecutionRequest, context: _Context) -> Execution:  # noqa: N802
        """Answer at the end, or when the time is over."""
        name = parse_name(request.name)
        timeout_s = LONGEST_WAIT_S
        if request.HasField("timeout"):
            timeout_s = request.timeout.seconds + request.timeout.nanos / 1e9
            if not 0 <= timeout_s <= LONGEST_WAIT_S:
                raise invalid("timeout", f"must be 0 to {LONGEST_WAIT_S:g} seconds")
        remaining: float | None = context.time_remaining()
        if remaining is not None:
            # A little before the call's own deadline, so that the client gets the state and not an error.
            timeout_s = min(timeout_s, remaining - min(_ANSWER_MARGIN_S, remaining * 0.1))
        return self._now(await wait_for_end(self._store, self._feed, name, timeout_s=timeout_s))

    async def AbortExecution(self, request: AbortExecutionRequest, _: _Context) -> Execution:  # noqa: N802
        """Record the wish to end."""
        name = parse_name(request.name)
        if len(request.message) > _ABORT_MESSAGE_CHARS:
            raise invalid("message", f"at most {_ABORT_MESSAGE_CHARS} characters")
        try:
            record = await self._executions.abort(
                name, message=request.message, allow_missing=request.allow_missing
            )
        except NoSuchExecution as missing:
            raise not_found(request.name) from missing
        return buried(name, request.message) if record is None else self._translator.execution(record)

    async def HintExecution(  # noqa: N802
        self, request: HintExecutionRequest, context: _Context
    ) -> HintExecutionResponse:
        """Have one asked for soon."""
        return await self._hinting.hint(request, context)

    async def StreamLogs(  # noqa: N802
        self, request: StreamLogsRequest, _: _Context
    ) -> AsyncIterator[StreamLogsResponse]:
        """Stream log lines."""
        async with aclosing(self._reading.logs(request)) as pages:
            async for page in pages:
                yield page

    async def ReadResults(self, request: ReadResultsRequest, _: _Context) -> ReadResultsResponse:  # noqa: N802
        """Read rows of a result."""
        return await self._reading.results(request)

    def _now(self, record: Record) -> Execution:
        """With what it waits for at this moment."""
        return self._translator.execution(record, told(record.execution, self._executions.waits(record)))

    async def _validate_all(self, drafts: Sequence[Draft]) -> list[Record]:
        records: list[Record] = []
        for index, draft in enumerate(drafts):
            try:
                records.append(await self._executions.validate(draft))
            except Refused as refused:
                raise from_refused(refused, at=f"requests[{index}].") from refused
            except AlreadyExists as collision:
                raise from_collision(collision, at=f"requests[{index}].") from collision
        return records

    def _refused_at(self, drafts: Sequence[Draft]) -> str:
        """Which draft of a batch is refused: the engine names none, and to ask the handlers costs no call."""
        for index, draft in enumerate(drafts):
            try:
                self._handlers.admit(draft.request, project=draft.name.project, domain=draft.name.domain)
            except Refused:
                return f"requests[{index}]."
        return ""
