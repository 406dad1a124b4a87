"""HintExecution: who may hint, and at what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc

from propwash.api.errors import ApiError, invalid, not_found
from propwash.api.names import parse_name
from propwash.api.reasons import Reason
from propwash.core.names import parse_remote_name
from propwash.pb.v1.execution_service_pb2 import HintExecutionRequest, HintExecutionResponse
from propwash.ports import ExecutionName, Executions, Hearing

Admits: TypeAlias = Callable[[str], Awaitable[bool]]
"""Takes an authorization header; answers whether it carries the token."""
_Context = grpc.aio.ServicerContext[Any, Any]
_CERTIFICATE = "x509_pem_cert"
"""gRPC's name for the client's certificate among the properties of a call's transport."""


class Hinting:
    """Hears hints; admits is None where no token is configured, and who may call at all may then hint."""

    def __init__(self, executions: Executions, *, admits: Admits | None) -> None:
        self._executions = executions
        self._admits = admits

    async def hint(self, request: HintExecutionRequest, context: _Context) -> HintExecutionResponse:
        """Pass a hint on; raises ApiError."""
        await self._check(context)
        path = "remote_name" if request.remote_name else "name"
        (hearing,) = await self._executions.hint((_target(request),))
        if hearing is Hearing.UNKNOWN:
            raise not_found(request.remote_name or request.name, path)
        return HintExecutionResponse(heard=hearing is Hearing.HEARD)

    async def _check(self, context: _Context) -> None:
        if self._admits is None or _CERTIFICATE in context.auth_context():
            return
        given = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
        if len(given) != 1 or not await self._admits(str(given[0])):
            raise ApiError(
                Reason.TOKEN_REFUSED, "the call needs the token for hints, or a client certificate"
            )


def _target(request: HintExecutionRequest) -> ExecutionName | str:
    if not request.remote_name:
        return parse_name(request.name)
    if request.name:
        raise invalid("remote_name", "either this or name, not both")
    if parse_remote_name(request.remote_name) is None:
        raise invalid("remote_name", "must be pw-{owner}-{uid}-{attempt}", Reason.NAME_MALFORMED)
    return request.remote_name
