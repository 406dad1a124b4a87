"""The handler with a connection to a fake server, and requests for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl2.connector import connector_pb2
from google.protobuf import json_format

from propwash.core.model import ExecutionUid
from propwash.core.names import remote_name
from propwash.sdk import Connection, CreateRequest, Job, Value
from propwash_upstream import UpstreamHandler
from propwash_upstream.keys import meta_of
from propwash_upstream.spec import ConnectorSpec
from tests.plugins.upstream.connector_fake import Connectors, FakeServer, serving

NEVER_MADE = meta_of(
    connector_pb2.GetTaskRequest(
        task_category=connector_pb2.TaskCategory(name="spark"), resource_meta=b'{"job_id": "never"}'
    )
)
UID = ExecutionUid("0123456789abcdefghjkmnpqrs")


def template(task_type: str = "spark", **custom: Any) -> tasks_pb2.TaskTemplate:
    """A template as the SDKs write it."""
    made = json_format.ParseDict({"custom": custom}, tasks_pb2.TaskTemplate())
    made.type = task_type
    made.id.project, made.id.domain, made.id.name, made.id.version = "sales", "prod", "t", "v1"
    return made


def spec(task_type: str = "spark", **custom: Any) -> dict[str, Value]:
    """A native client's spec."""
    return {"task_type": task_type, "template": template(task_type, **custom).SerializeToString()}


@dataclass(slots=True, eq=False)
class UpstreamRig:
    handler: UpstreamHandler
    server: FakeServer
    connection: Connection

    @property
    def connectors(self) -> Connectors:
        return self.server.connectors

    def request(
        self,
        given: Mapping[str, Value] | None = None,
        *,
        attempt: int = 1,
        inputs: Mapping[str, Value] | None = None,
        **custom: Any,
    ) -> CreateRequest[ConnectorSpec]:
        return CreateRequest(
            name=remote_name(owner="us", uid=UID, attempt=attempt),
            owner="us",
            uid=UID,
            attempt=attempt,
            spec=ConnectorSpec.model_validate(dict(given or spec(**custom))),
            inputs=inputs or {},
            labels={"team": "sales"},
            connection=self.connection,
        )

    def channel(self) -> grpc.aio.Channel:
        """The one that calls go over."""
        channel = self.handler._upstreams.of(self.connection).wire._channel
        assert channel is not None
        return channel

    async def reconnected(self) -> None:
        """Return when there is a connection again: gRPC's first wait is half a second."""
        channel = self.channel()
        while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            await channel.wait_for_state_change(state)

    async def create(self, **custom: Any) -> Job:
        return await self.handler.create(self.request(**custom))

    def passed_on(self, **fields: Any) -> CreateRequest[ConnectorSpec]:
        """The request of a Flyte task."""
        whole = agent_pb2.CreateTaskRequest(
            **{"template": template(), "output_prefix": "s3://x/n0/0", **fields}
        )
        given: dict[str, Value] = {"task_type": "spark", "request": whole.SerializeToString()}
        return self.request(given)


@asynccontextmanager
async def upstream_rig(*versions: str, **settings: Any) -> AsyncIterator[UpstreamRig]:
    """A handler whose only connection is to a fake server of these versions, 1 where none is given."""
    async with serving(*versions) as server:
        handler = UpstreamHandler()
        connection = Connection(name="spark-prod", endpoint=server.endpoint, settings=settings)
        try:
            yield UpstreamRig(handler, server, connection)
        finally:
            await handler.close()
