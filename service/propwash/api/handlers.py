"""HandlerService: which handlers there are, and what their specs look like."""

from __future__ import annotations

import json
from typing import Any

import grpc

from propwash.api.errors import ApiError
from propwash.api.names import parse_handler
from propwash.api.paging import PageTokens, page_limit
from propwash.api.reasons import Reason
from propwash.pb.v1 import handler_service_pb2_grpc
from propwash.pb.v1.handler_service_pb2 import (
    HANDLER_STATE_BROKEN,
    HANDLER_STATE_SERVING,
    GetHandlerRequest,
    Handler,
    ListHandlersRequest,
    ListHandlersResponse,
)
from propwash.ports import HandlerInfo, Handlers

_Context = grpc.aio.ServicerContext[Any, Any]


class HandlerService(handler_service_pb2_grpc.HandlerServiceServicer):
    """Reads the host's catalogue."""

    def __init__(self, handlers: Handlers, owner: str) -> None:
        self._handlers = handlers
        self._pages = PageTokens(owner, "ListHandlers")

    async def ListHandlers(self, request: ListHandlersRequest, _: _Context) -> ListHandlersResponse:  # noqa: N802
        """A page, by name."""
        limit = page_limit(request.page_size)
        after = self._pages.open(request.page_token, "").decode() if request.page_token else ""
        left = [info for info in self._sorted() if handler_name(info) > after]
        answer = ListHandlersResponse(handlers=(_message(info, with_schema=False) for info in left[:limit]))
        if len(left) > limit:
            answer.next_page_token = self._pages.seal(handler_name(left[limit - 1]).encode(), "")
        return answer

    async def GetHandler(self, request: GetHandlerRequest, _: _Context) -> Handler:  # noqa: N802
        """One handler, with the schema of its spec."""
        parse_handler(request.name)
        for info in self._handlers.catalogue():
            if handler_name(info) == request.name:
                return _message(info, with_schema=True)
        raise ApiError(
            Reason.HANDLER_NOT_FOUND,
            f"there is no {request.name}",
            metadata={"name": request.name, "field": "name"},
        )

    def _sorted(self) -> list[HandlerInfo]:
        return sorted(self._handlers.catalogue(), key=handler_name)


def handler_name(info: HandlerInfo) -> str:
    """The resource name; a broken plugin that never told its task types goes by its own name."""
    return f"handlers/{info.task_type or info.plugin}"


def _message(info: HandlerInfo, *, with_schema: bool) -> Handler:
    return Handler(
        name=handler_name(info),
        task_type=info.task_type,
        plugin=info.plugin,
        distribution=info.distribution,
        description=info.description,
        state=HANDLER_STATE_SERVING if info.is_serving else HANDLER_STATE_BROKEN,
        message=info.message,
        spec_schema=json.dumps(info.spec_schema, sort_keys=True) if with_schema and info.spec_schema else "",
        has_logs=info.has_logs,
        has_results=info.has_results,
    )
