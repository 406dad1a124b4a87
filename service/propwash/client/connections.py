"""How a server's connections stand, as the client sees it."""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass

from propwash.client.calling import Caller
from propwash.client.translate import instant
from propwash.pb.v1 import connection_service_pb2 as pb
from propwash.pb.v1 import connection_service_pb2_grpc

_PAGE_SIZE = 1000


class BreakerState(enum.Enum):
    """Whether calls go; in the order of the contract's numbers."""

    UNSPECIFIED = "UNSPECIFIED"
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class CallClass(enum.Enum):
    """The classes of calls; in the order of the contract's numbers."""

    UNSPECIFIED = "UNSPECIFIED"
    READ = "READ"
    WRITE = "WRITE"
    DELETE = "DELETE"


_STATES = dict(enumerate(BreakerState))
_CLASSES = dict(enumerate(CallClass))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Calls that wait, by urgency."""

    aborts: int
    new: int
    observations: int
    catching_up: int
    sweeps: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.aborts + self.new + self.observations + self.catching_up + self.sweeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """One class of calls; rates are calls a second."""

    call_class: CallClass
    configured_rate: float
    configured_burst: float
    rate: float
    budget_left: float
    pause_end_time: dt.datetime | None
    slow_time: dt.datetime | None
    throttled_total: int
    waiting: Waiting
    oldest_wait_start_time: dt.datetime | None
    in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionUse:
    """A connection as one handler uses it."""

    handler: str
    task_types: tuple[str, ...]
    breaker_state: BreakerState
    breaker_open_time: dt.datetime | None
    next_try_time: dt.datetime | None
    reason: str
    message: str
    openings: int
    answer_time: dt.datetime | None
    throttles: tuple[Throttle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as the server last told."""

    name: str
    plugin: str
    endpoint: str
    uses: tuple[ConnectionUse, ...]

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.partition("/")[2]


class ConnectionCalls:
    """A part of the client. A connection is named by its last part, or by its resource name."""

    _caller: Caller
    _connections: connection_service_pb2_grpc.ConnectionServiceAsyncStub

    async def connections(self) -> tuple[Connection, ...]:
        """Every connection, by name."""
        request = pb.ListConnectionsRequest(page_size=_PAGE_SIZE)
        found: tuple[Connection, ...] = ()
        while True:
            answer = await self._caller.call(self._connections.ListConnections, request)
            found += tuple(map(_connection, answer.connections))
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token

    async def connection(self, name: str) -> Connection:
        """One connection."""
        full = name if name.startswith("connections/") else f"connections/{name}"
        request = pb.GetConnectionRequest(name=full)
        return _connection(await self._caller.call(self._connections.GetConnection, request))


def _connection(message: pb.Connection) -> Connection:
    return Connection(
        name=message.name,
        plugin=message.plugin,
        endpoint=message.endpoint,
        uses=tuple(map(_use, message.uses)),
    )


def _use(message: pb.ConnectionUse) -> ConnectionUse:
    return ConnectionUse(
        handler=message.handler,
        task_types=tuple(message.task_types),
        breaker_state=_STATES.get(message.breaker_state, BreakerState.UNSPECIFIED),
        breaker_open_time=instant(message.breaker_open_time),
        next_try_time=instant(message.next_try_time),
        reason=message.reason,
        message=message.message,
        openings=message.openings,
        answer_time=instant(message.answer_time),
        throttles=tuple(map(_throttle, message.throttles)),
    )


def _throttle(message: pb.Throttle) -> Throttle:
    waiting = message.waiting
    return Throttle(
        call_class=_CLASSES.get(message.call_class, CallClass.UNSPECIFIED),
        configured_rate=message.configured_rate,
        configured_burst=message.configured_burst,
        rate=message.rate,
        budget_left=message.budget_left,
        pause_end_time=instant(message.pause_end_time),
        slow_time=instant(message.slow_time),
        throttled_total=message.throttled_total,
        waiting=Waiting(
            aborts=waiting.aborts,
            new=waiting.new,
            observations=waiting.observations,
            catching_up=waiting.catching_up,
            sweeps=waiting.sweeps,
        ),
        oldest_wait_start_time=instant(message.oldest_wait_start_time),
        in_flight=message.in_flight,
    )
