"""ConnectionService: how the connections stand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from propwash.api.errors import ApiError, invalid
from propwash.api.paging import PageTokens, page_limit
from propwash.api.reasons import Reason
from propwash.api.values import fill_instant
from propwash.core.model import Instant
from propwash.pb.v1 import connection_service_pb2 as pb
from propwash.pb.v1 import connection_service_pb2_grpc
from propwash.ports import BreakerState, ConnectionStatus, ConnectionStatuses, ThrottleStatus

_PREFIX = "connections/"
_STATES: Final = {
    BreakerState.CLOSED: pb.BREAKER_STATE_CLOSED,
    BreakerState.OPEN: pb.BREAKER_STATE_OPEN,
    BreakerState.HALF_OPEN: pb.BREAKER_STATE_HALF_OPEN,
}
_CLASSES: Final = {
    "read": pb.CALL_CLASS_READ,
    "write": pb.CALL_CLASS_WRITE,
    "delete": pb.CALL_CLASS_DELETE,
}
_Context = grpc.aio.ServicerContext[Any, Any]


class ConnectionService(connection_service_pb2_grpc.ConnectionServiceServicer):
    """Over the engine's statuses. owner is the store's, for the page tokens."""

    def __init__(self, connections: ConnectionStatuses, owner: str) -> None:
        self._connections = connections
        self._pages = PageTokens(owner, "ListConnections")

    async def ListConnections(  # noqa: N802  gRPC's name
        self, request: pb.ListConnectionsRequest, _: _Context
    ) -> pb.ListConnectionsResponse:
        """Read a page, by name."""
        limit = page_limit(request.page_size)
        after = self._pages.open(request.page_token, "").decode() if request.page_token else ""
        left = [one for one in self._all() if one.name > after]
        answer = pb.ListConnectionsResponse(connections=left[:limit])
        if len(left) > limit:
            answer.next_page_token = self._pages.seal(left[limit - 1].name.encode(), "")
        return answer

    async def GetConnection(self, request: pb.GetConnectionRequest, _: _Context) -> pb.Connection:  # noqa: N802  gRPC's name
        """Read one."""
        if not request.name:
            raise invalid("name", "is required, of the form connections/{connection}", Reason.FIELD_REQUIRED)
        if not request.name.startswith(_PREFIX) or request.name == _PREFIX:
            raise invalid("name", "must be connections/{connection}", Reason.NAME_MALFORMED)
        for one in self._all():
            if one.name == request.name:
                return one
        raise ApiError(
            Reason.CONNECTION_NOT_FOUND,
            f"there is no {request.name[:200]}",
            metadata={"name": request.name[:200], "field": "name"},
            resource=request.name[:200],
            resource_type="propwash.dev/Connection",
        )

    def _all(self) -> Sequence[pb.Connection]:
        # They come by connection.
        return [
            connection_message(name, list(uses))
            for name, uses in groupby(self._connections.all(), key=lambda one: one.connection)
        ]


def connection_message(name: str, uses: Sequence[ConnectionStatus]) -> pb.Connection:
    """A connection with all its uses."""
    return pb.Connection(
        name=f"{_PREFIX}{name}",
        plugin=uses[0].plugin,
        endpoint=uses[0].endpoint,
        uses=map(_use, uses),
    )


def _use(status: ConnectionStatus) -> pb.ConnectionUse:
    breaker, fault = status.breaker, status.breaker.fault
    made = pb.ConnectionUse(
        handler=status.handler,
        task_types=status.task_types,
        breaker_state=_STATES[breaker.state],
        reason=fault.reason if fault is not None else "",
        message=fault.message if fault is not None else "",
        openings=breaker.openings,
        throttles=[_throttle(_CLASSES[kind], throttle) for kind, throttle in status.classes],
    )
    _fill(made.breaker_open_time, breaker.since)
    _fill(made.next_try_time, breaker.next_try_at)
    _fill(made.answer_time, status.answered_at)
    return made


def _throttle(kind: pb.CallClass.ValueType, status: ThrottleStatus) -> pb.Throttle:
    waiting = status.waiting
    made = pb.Throttle(
        call_class=kind,
        configured_rate=status.configured_rate,
        configured_burst=status.configured_burst,
        rate=status.rate,
        budget_left=status.left,
        throttled_total=status.throttled,
        waiting=pb.WaitingCalls(
            aborts=waiting.aborts,
            new=waiting.new,
            observations=waiting.observations,
            catching_up=waiting.catching_up,
            sweeps=waiting.sweeps,
        ),
        in_flight=status.in_flight,
    )
    _fill(made.pause_end_time, status.paused_until)
    _fill(made.slow_time, status.slowed_at)
    _fill(made.oldest_wait_start_time, status.oldest_since)
    return made


def _fill(field: Timestamp, at: Instant | None) -> None:
    if at is not None:
        fill_instant(field, at)
