"""Reads the secrets of version 2's requests, so that its stubs are needed for its services alone.

Source: flyteidl2.core, security.proto (Connection); flyteidl2.connector, connector.proto, where it is field 5 of a
create, get and delete. The executor resolves what a template's custom.secrets names, and sends the values in clear.
configs repeat the template's custom.configs, and are not read.
"""

from __future__ import annotations

from typing import TypeVar

from flyteidl.admin import agent_pb2
from flyteidl2.connector import connector_pb2
from google.protobuf.message import Message

from propwash.api.flyte.sent import Reader, Sent
from propwash.ports import NO_SECRETS
from propwash.sdk import Secret

M = TypeVar("M", bound=Message)
_Theirs = (
    type[connector_pb2.CreateTaskRequest]
    | type[connector_pb2.GetTaskRequest]
    | type[connector_pb2.DeleteTaskRequest]
)


def _reader(kind: type[M], theirs: _Theirs) -> Reader[M]:
    def read(data: bytes) -> Sent[M]:
        sent = theirs.FromString(data)
        if not sent.HasField("connection"):
            return Sent(kind.FromString(data), NO_SECRETS)
        secrets = {name: Secret(text) for name, text in sent.connection.secrets.items()}
        # Version 1 would keep what it does not know with the message.
        sent.ClearField("connection")
        return Sent(kind.FromString(sent.SerializeToString()), secrets)

    return read


CREATE = _reader(agent_pb2.CreateTaskRequest, connector_pb2.CreateTaskRequest)
GET = _reader(agent_pb2.GetTaskRequest, connector_pb2.GetTaskRequest)
DELETE = _reader(agent_pb2.DeleteTaskRequest, connector_pb2.DeleteTaskRequest)
