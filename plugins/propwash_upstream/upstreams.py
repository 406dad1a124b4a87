"""One server for each connection: its settings, its calls, and what it was found to speak."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from flyteidl2.connector import connector_pb2
from flyteidl2.core import security_pb2
from grpc import StatusCode
from pydantic import ValidationError

from propwash.sdk import CREDENTIALS_UNAVAILABLE, Connection, FlyteType, Unavailable, Verdict
from propwash_upstream.connection import UpstreamSettings
from propwash_upstream.errors import CallError, of_look
from propwash_upstream.wire import Protocol, Wire

AWAKE_S = 5.0
_MOST_REFUSALS = 10_000


@dataclass(slots=True, eq=False)
class Upstream:
    """What serves one connection."""

    connection: Connection
    settings: UpstreamSettings
    wire: Wire
    refusals: dict[bytes, int] = field(default_factory=dict)
    """How often in a row the server deleted a job and would not say how it is."""
    _spoken: Protocol | None = None
    _waking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def protocol(self) -> Protocol:
        """The version to speak; the server is asked where the settings leave it open and it has not been yet. Raises
        CallError, and Unavailable PROTOCOL_UNKNOWN.
        """
        if self._spoken is None:
            if self.settings.protocol == "auto":
                await self.types()
            else:
                self._spoken = Protocol[self.settings.protocol.upper()]
        assert self._spoken is not None
        return self._spoken

    async def awake(self) -> None:
        """Return when the server has answered something of late: a server that is stuck takes calls and answers none,
        and a create would be in doubt for it. Raises CallError.
        """
        async with self._waking:
            if self.wire.was_heard(AWAKE_S):
                return
            try:
                await self.wire.list(self._candidates()[0])
            except CallError as error:
                # Any other status is a sign of life.
                if error.is_broken or error.code is StatusCode.RESOURCE_EXHAUSTED:
                    raise

    async def types(self) -> Sequence[FlyteType]:
        """The task types that the server lists and that are not hidden; raises as protocol does."""
        for one in self._candidates():
            try:
                listed = await self.wire.list(one)
            except CallError as error:
                if error.code is not StatusCode.UNIMPLEMENTED:
                    raise
                continue
            self._spoken = one
            found: dict[str, FlyteType] = {}
            for agent in listed.agents:
                named = [(kind.name, kind.version) for kind in agent.supported_task_categories]
                # Servers from before the categories have the names alone.
                for name, version in (*named, *((name, 0) for name in agent.supported_task_types)):
                    if name and name not in self.settings.hidden_task_types:
                        found.setdefault(name, FlyteType(name=name, version=version, is_sync=agent.is_sync))
            return tuple(found.values())
        said = "the server lists its task types in no version of the protocol; state protocol and task_types"
        raise Unavailable("PROTOCOL_UNKNOWN", said)

    def doubt_protocol(self) -> None:
        """The server did not know a method: it may be another than before."""
        self._spoken = None

    async def with_secrets(self, named: security_pb2.Connection) -> security_pb2.Connection:
        """The connection with the values of the secrets that it names. Raises Unavailable CREDENTIALS_UNAVAILABLE where
        the settings do not have one, or it cannot be read.
        """
        filled = security_pb2.Connection()
        filled.CopyFrom(named)
        for name in named.secrets:
            reference = self.settings.secrets.get(name)
            if reference is None:
                said = f"connection {self.connection.name} has no secret {name!r:.100}, which the task names"
                raise Unavailable(CREDENTIALS_UNAVAILABLE, said)
            filled.secrets[name] = (await self.connection.secrets.read(reference)).reveal()
        return filled

    async def about(self, request: connector_pb2.GetTaskRequest) -> connector_pb2.GetTaskRequest:
        """The request with what only the moment of the call has; raises as with_secrets does."""
        if not request.HasField("connection"):
            return request
        filled = connector_pb2.GetTaskRequest()
        filled.CopyFrom(request)
        filled.connection.CopyFrom(await self.with_secrets(request.connection))
        return filled

    def count_refusal(self, meta: bytes) -> int:
        """One more, and how many there are in a row."""
        count = self.refusals.pop(meta, 0) + 1
        self.refusals[meta] = count
        if len(self.refusals) > _MOST_REFUSALS:
            del self.refusals[next(iter(self.refusals))]
        return count

    def _candidates(self) -> Sequence[Protocol]:
        if self.settings.protocol == "auto":
            return (Protocol.V1, Protocol.V2)
        return (Protocol[self.settings.protocol.upper()],)


class Upstreams:
    """All connections' servers. A connection that was changed gets a new one."""

    def __init__(self) -> None:
        self._upstreams: dict[str, Upstream] = {}
        self._replaced: list[Upstream] = []

    def of(self, connection: Connection) -> Upstream:
        """The connection's server. Raises Unavailable for a connection that cannot be used: it is the operator's to
        mend, and must not end the users' tasks.
        """
        there = self._upstreams.get(connection.name)
        if there is not None and there.connection == connection:
            return there
        settings = settings_of(connection)
        if not connection.endpoint:
            said = f"connection {connection.name} has no endpoint; write HOST:PORT or dns:///HOST:PORT"
            raise Unavailable("CONNECTION_INVALID", said)
        if there is not None:
            # Calls may still be under way on it: it is closed at the end.
            self._replaced.append(there)
        made = Upstream(connection, settings, Wire(connection.endpoint, settings))
        self._upstreams[connection.name] = made
        return made

    def forget(self, connection: Connection) -> None:
        """Close the connection's channel, when the calls that are under way on it have had their time."""
        if (there := self._upstreams.pop(connection.name, None)) is not None:
            there.wire.retire()
            self._replaced.append(there)

    async def close(self) -> None:
        """Close every channel."""
        upstreams = [*self._upstreams.values(), *self._replaced]
        self._upstreams.clear()
        self._replaced.clear()
        await asyncio.gather(*(one.wire.close() for one in upstreams))


def settings_of(connection: Connection) -> UpstreamSettings:
    """The settings; raises Unavailable CONNECTION_INVALID."""
    try:
        return UpstreamSettings.model_validate(dict(connection.settings))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(("settings", *map(str, first["loc"])))
        raise Unavailable("CONNECTION_INVALID", f"{where}: {first['msg']}") from error


def verdict_of(upstream: Upstream, error: CallError) -> Verdict:
    """What the status of a call that only looks means."""
    if error.code is StatusCode.UNIMPLEMENTED:
        upstream.doubt_protocol()
    return of_look(error)
