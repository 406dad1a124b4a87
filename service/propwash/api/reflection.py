"""Server reflection, version 1 and, for older tools, v1alpha: the messages are the same on the wire."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection, reflection_pb2  # type: ignore[import-untyped]
from grpc_reflection.v1alpha._async import ReflectionServicer  # type: ignore[import-untyped]

_OLD = "grpc.reflection.v1alpha"
_NEW = "grpc.reflection.v1"
SERVICE = f"{_NEW}.ServerReflection"


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Serve the descriptors of these services."""
    _describe()
    names = (*services, SERVICE, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    answer = grpc.stream_stream_rpc_method_handler(
        ReflectionServicer(names).ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": answer}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def _describe() -> None:
    """Put the description of version 1 into the pool: the same as v1alpha's under another package."""
    pool = descriptor_pool.Default()
    try:
        pool.FindServiceByName(SERVICE)
    except KeyError:
        described = FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(described)
        described.name = "grpc/reflection/v1/reflection.proto"
        described.package = _NEW
        for message in described.message_type:
            for field in message.field:
                if field.type_name:
                    field.type_name = field.type_name.replace(f".{_OLD}.", f".{_NEW}.")
        for service in described.service:
            for method in service.method:
                method.input_type = method.input_type.replace(f".{_OLD}.", f".{_NEW}.")
                method.output_type = method.output_type.replace(f".{_OLD}.", f".{_NEW}.")
        pool.AddSerializedFile(described.SerializeToString())
