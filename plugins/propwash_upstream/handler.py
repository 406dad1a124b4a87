"""The handler: drives a connector server through Flyte's own protocol, as Flyte would, but from a durable engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pydantic
from flyteidl.admin import agent_pb2
from flyteidl2.connector import connector_pb2
from flyteidl2.core import security_pb2
from grpc import StatusCode

from propwash.sdk import (
    Checked,
    Claim,
    Connection,
    CreateRequest,
    Deletion,
    FlyteDialect,
    FlyteType,
    Handler,
    Job,
    ListedJob,
    LogPage,
    NotOffered,
    Observation,
    Permanent,
    RemoteName,
    RemotePhase,
    Spec,
    Throttled,
    Traits,
    Unavailable,
    pool_name,
)
from propwash_upstream.checking import checked
from propwash_upstream.connection import UpstreamSettings
from propwash_upstream.errors import CallError, of_create, of_look
from propwash_upstream.flyte import PassedOn
from propwash_upstream.keys import META_LIMIT, is_sync, meta_of, read_meta, sync_meta
from propwash_upstream.logs import PAGE, cursor_of, page_of
from propwash_upstream.observing import observed
from propwash_upstream.requests import connection_named, create_request
from propwash_upstream.spec import ConnectorSpec
from propwash_upstream.upstreams import Upstream, Upstreams, settings_of, verdict_of
from propwash_upstream.wire import Protocol

REFUSALS = 3
"""So many times in a row a server that has deleted a job may refuse to say how it is; then the job is gone."""
_PREPARE_S = 10.0
_REFUSING = frozenset({StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.NOT_FOUND})


class UpstreamHandler(Handler[ConnectorSpec]):
    """Runs tasks on servers of Flyte's connector protocol."""

    task_types: ClassVar[tuple[str, ...]] = ("flyte_connector",)
    spec_type: ClassVar[type[Spec]] = ConnectorSpec
    description: ClassVar[str] = "Tasks on a server of Flyte's connector protocol."
    traits: ClassVar[Traits] = Traits(
        has_unique_names=False, can_look_up=False, settle_s=0.0, poll_floor_s=1.0, poll_ceiling_s=30.0
    )
    meta_limit: ClassVar[int] = META_LIMIT
    settings_type: ClassVar[type[pydantic.BaseModel] | None] = UpstreamSettings
    flyte: ClassVar[FlyteDialect | None] = PassedOn()
    answers_within_s: ClassVar[float | None] = 8.0

    def __init__(self) -> None:
        self._upstreams = Upstreams()

    def traits_of(self, connection: Connection) -> Traits:
        """Whether a lost create may be sent again is a matter of the server's connectors."""
        return replace(self.traits, has_unique_names=settings_of(connection).repeats_lost_creates)

    async def create(self, request: CreateRequest[ConnectorSpec]) -> Job:
        """Have the connector begin the job; a synchronous one has ended it then."""
        sent = create_request(request)
        try:
            # What goes wrong before anything is sent has done nothing.
            async with asyncio.timeout(_PREPARE_S):
                upstream, protocol, named, connection = await self._prepared(request, sent)
        except CallError as error:
            before = of_look(error)
            raise Throttled(before.reason, before.message) from error
        except Unavailable as error:
            raise Throttled(error.reason, error.message) from error
        except TimeoutError as error:
            raise Throttled(
                "UPSTREAM_SILENT", "the server answers nothing, and was sent nothing more"
            ) from error
        try:
            if request.spec.is_sync:
                return _ended(request.name, await upstream.wire.execute(sent))
            resource_meta = await upstream.wire.create(protocol, sent, connection)
        except CallError as error:
            if error.code is StatusCode.UNIMPLEMENTED:
                upstream.doubt_protocol()
            raise of_create(error, when_raised=upstream.settings.when_create_raises) from error
        meta = meta_of(_about(sent, resource_meta, named))
        if len(meta) > META_LIMIT:
            raise await _given_up(upstream, meta)
        return Job(meta=meta, observation=Observation(phase=RemotePhase.PENDING))

    async def get_one(self, connection: Connection, meta: bytes) -> Observation:
        """Ask how the job is. No error ends it."""
        upstream = self._upstreams.of(connection)
        try:
            return observed(await _looked(upstream, meta))
        except CallError as error:
            raise verdict_of(upstream, error) from error

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        """Nothing: the protocol has no look-up, and the traits say so."""
        return None

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        """Ask for the end, then ask how the job is: an end is believed only if the server tells of it, or if it takes
        the delete and then refuses, time after time, to say how a job is that it has deleted.
        """
        if meta is None:
            return Deletion.ABSENT
        if is_sync(meta):
            return Deletion.GONE
        upstream = self._upstreams.of(connection)
        refused = await _deleted(upstream, meta)
        try:
            is_over = observed(await _looked(upstream, meta)).phase.is_final
        except CallError as error:
            if refused is None and error.code in _REFUSING and upstream.count_refusal(meta) >= REFUSALS:
                del upstream.refusals[meta]
                return Deletion.GONE
            raise verdict_of(upstream, refused or error) from error
        upstream.refusals.pop(meta, None)
        if is_over:
            return Deletion.GONE
        if refused is not None:
            raise verdict_of(upstream, refused)
        return Deletion.PENDING

    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        """Nothing: the protocol cannot list jobs."""
        return ()

    async def logs(self, connection: Connection, meta: bytes, cursor: str) -> LogPage:
        """The next lines, where the connector gives any."""
        if is_sync(meta):
            raise NotOffered
        upstream, asked = self._upstreams.of(connection), read_meta(meta)
        token, _ = cursor_of(cursor)
        request = connector_pb2.GetTaskLogsRequest(
            task_category=asked.task_category, resource_meta=asked.resource_meta, token=token, lines=PAGE
        )
        try:
            return await page_of(upstream.wire.logs(await upstream.protocol(), request), cursor)
        except CallError as error:
            if error.code is StatusCode.UNIMPLEMENTED or "NotImplementedError" in error.details:
                raise NotOffered from error
            raise of_look(error) from error

    def claims(self, connection: Connection, spec: ConnectorSpec) -> Sequence[Claim]:
        """One unit of the connector's task type on this server."""
        return (Claim(pool=pool_name("upstream", connection.name, spec.task_type)),)

    async def flyte_types(self, connection: Connection) -> Sequence[FlyteType]:
        """What the server lists, but what is hidden. Nothing for the connection that the plugin has where the operator
        configured none.
        """
        if not connection.endpoint and not connection.settings:
            return ()
        upstream = self._upstreams.of(connection)
        try:
            return await upstream.types()
        except CallError as error:
            raise verdict_of(upstream, error) from error

    def stated_flyte_types(self, connection: Connection) -> Sequence[FlyteType]:
        """What the settings state."""
        return settings_of(connection).stated()

    async def check(self, connection: Connection) -> Sequence[Checked]:
        """Settings, the server, its task types and the secrets, in this order."""
        return await checked(self._upstreams, connection)

    async def forget(self, connection: Connection) -> None:
        """Close the channel of a connection that will not be used again."""
        self._upstreams.forget(connection)

    async def close(self) -> None:
        """Close the channels."""
        await self._upstreams.close()

    async def _prepared(
        self, request: CreateRequest[ConnectorSpec], sent: agent_pb2.CreateTaskRequest
    ) -> tuple[Upstream, Protocol, security_pb2.Connection | None, security_pb2.Connection | None]:
        """Whom to ask and in which version; the task's connection with its secrets' names, and with their values."""
        upstream = self._upstreams.of(request.connection)
        protocol = Protocol.V1 if request.spec.is_sync else await upstream.protocol()
        await upstream.awake()
        named = connection_named(sent.template) if protocol is Protocol.V2 else None
        filled = None if named is None else await upstream.with_secrets(named)
        return upstream, protocol, named, filled


async def _looked(upstream: Upstream, meta: bytes) -> agent_pb2.Resource:
    """What the server says of a job; raises CallError and Unavailable."""
    request = await upstream.about(read_meta(meta))
    return await upstream.wire.get(await upstream.protocol(), request)


async def _deleted(upstream: Upstream, meta: bytes) -> CallError | None:
    """Ask for a job's end; the status that the server refused it with. Raises Unavailable."""
    request = await upstream.about(read_meta(meta))
    asked = connector_pb2.DeleteTaskRequest(
        task_category=request.task_category, resource_meta=request.resource_meta
    )
    if request.HasField("connection"):
        asked.connection.CopyFrom(request.connection)
    try:
        await upstream.wire.delete(await upstream.protocol(), asked)
    except CallError as error:
        return error
    return None


async def _given_up(upstream: Upstream, meta: bytes) -> Permanent:
    """End a job whose meta is too long to keep, while it is at hand."""
    refused = await _deleted(upstream, meta)
    ended = (
        "its end was asked for"
        if refused is None
        else f"it may run on, as its end was refused: {refused.said}"
    )
    said = f"the connector's resource meta makes {len(meta)} bytes, and {META_LIMIT} are kept; the job was begun, and"
    return Permanent("META_TOO_LARGE", f"{said} {ended}")


def _about(
    sent: agent_pb2.CreateTaskRequest, resource_meta: bytes, named: security_pb2.Connection | None
) -> connector_pb2.GetTaskRequest:
    """The request that will ask about the job."""
    template = sent.template
    return connector_pb2.GetTaskRequest(
        task_category=connector_pb2.TaskCategory(name=template.type, version=template.task_type_version),
        resource_meta=resource_meta,
        output_prefix=sent.output_prefix,
        connection=named,
    )


def _ended(name: RemoteName, resource: agent_pb2.Resource) -> Job:
    seen = observed(resource)
    if not seen.phase.is_final:
        raise Unavailable("UNEXPECTED_ANSWER", f"a synchronous task was answered as {seen.phase.name}")
    return Job(meta=sync_meta(name), observation=seen)
