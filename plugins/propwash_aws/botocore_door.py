"""All that touches aiobotocore and botocore. Imported only when a call is made, in a thread, since it takes a second.

Source: aiobotocore 3 (AioSession, AioConfig), botocore 1.43 (the event before-parse; parsers, which give the HTTP
status as an error's code where the body is not the service's, and an empty answer for a body that is no JSON).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # aiobotocore has no types
from aiobotocore.credentials import create_credential_resolver  # type: ignore[import-untyped]  # as above
from aiobotocore.session import AioSession  # type: ignore[import-untyped]  # as above
from botocore import UNSIGNED, xform_name  # type: ignore[import-untyped]  # botocore has no types
from botocore.exceptions import (  # type: ignore[import-untyped]  # as above
    BotoCoreError,
    ClientError,
    ParamValidationError,
    UnknownServiceError,
)
from botocore.loaders import create_loader  # type: ignore[import-untyped]  # as above
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]  # as above

from propwash.sdk import Unavailable
from propwash_aws.connection import AwsSettings
from propwash_aws.credentials import Frozen
from propwash_aws.errors import UNEXPECTED_ANSWER, RemoteError, retry_after
from propwash_aws.wire import ServiceClient, Signer

_CONNECT_TIMEOUT_S = 10.0
_LOADER = create_loader()
"""Shared by all connections: what it has read it keeps."""
_MODELS = ("service-2", "endpoint-rule-set-1")
_ENVIRONMENT = ("endpoints", "partitions", "sdk-default-configuration", "_retry")


def load(service: str) -> None:
    """Read a service's model, and what all services need, from disk. Blocks, for a thread."""
    for name in _ENVIRONMENT:
        _LOADER.load_data_with_path(name)
    for kind in _MODELS:
        try:
            _LOADER.load_service_model(service, kind)
        except UnknownServiceError:
            continue


async def open_client(
    service: str, *, region: str, url: str, settings: AwsSettings, signer: Signer | None
) -> ServiceClient:
    """A client of a service at a URL, or where AWS has it for an empty one; signer None sends requests unsigned.

    Raises Unavailable where the machine's AWS configuration cannot be used.
    """
    options: dict[str, object] = {
        "connect_timeout": min(_CONNECT_TIMEOUT_S, settings.request_timeout_s),
        "read_timeout": settings.request_timeout_s,
        "max_pool_connections": settings.connections,
        "retries": {"mode": "standard", "total_max_attempts": 1},
        "user_agent_extra": "propwash",
        # What stands in for S3 need not know the checksums that botocore adds unasked.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    if url:
        # A bucket in the host's name has no address at an endpoint of one's own.
        options["s3"] = {"addressing_style": "path"}
    if signer is None:
        options["signature_version"] = UNSIGNED
    if not settings.uses_environment_proxy:
        options["proxies"] = {}
    session = _Session(signer)
    session.register_component("data_loader", _LOADER)
    try:
        context = session.create_client(
            service, region_name=region, endpoint_url=url or None, config=AioConfig(**options)
        )
        client = await context.__aenter__()
    except BotoCoreError as error:
        raise Unavailable("CONNECTION_INVALID", f"{type(error).__name__}: {error}") from error
    client.meta.events.register("before-parse", _check_body)
    return _Client(service, client)


async def search_credentials(region: str) -> Callable[[], Awaitable[Frozen]] | None:
    """The AWS SDK's own search: environment, files, web identity, container, instance. None where it finds none.

    Raises what the library raises.
    """
    session = AioSession()
    session.register_component("data_loader", _LOADER)
    found = await create_credential_resolver(session, region_name=region).load_credentials()
    if found is None:
        return None
    frozen: Callable[[], Awaitable[Frozen]] = found.get_frozen_credentials
    return frozen


class _Session(AioSession):  # type: ignore[misc]  # its base has no types
    """A session whose credentials are ours, so that they may change from one request to the next."""

    def __init__(self, signer: Signer | None) -> None:
        super().__init__()
        self._signer = signer

    async def get_credentials(self) -> Signer | None:
        return self._signer


class _Client:
    """One service's client."""

    def __init__(self, service: str, client: Any) -> None:
        self._service = service
        self._client = client

    async def request(self, operation: str, params: Mapping[str, object]) -> Mapping[str, object]:
        """See ServiceClient."""
        try:
            answer: dict[str, object] = await getattr(self._client, xform_name(operation))(**params)
        except ClientError as error:
            raise _remote_error(error) from error
        except ParamValidationError as error:
            # Nothing was sent: the model of the service itself refuses it.
            raise RemoteError(status=400, code="ValidationException", message=str(error)) from error
        except (ResponseParserError, AttributeError, KeyError, TypeError, ValueError) as error:
            said = f"the answer of {self._service} {operation} cannot be read: {type(error).__name__}"
            raise Unavailable(UNEXPECTED_ANSWER, said) from error
        except (BotoCoreError, aiohttp.ClientError, OSError) as error:
            said = f"no answer of {self._service} {operation}: {type(error).__name__}"
            raise Unavailable("NO_ANSWER", said) from error
        answer.pop("ResponseMetadata", None)
        return answer

    async def close(self) -> None:
        """See ServiceClient."""
        await self._client.__aexit__(None, None, None)


def _remote_error(error: Any) -> RemoteError:
    said, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, message = str(said.get("Code") or ""), str(said.get("Message") or "")
    headers = metadata.get("HTTPHeaders") or {}
    return RemoteError(
        status=int(metadata.get("HTTPStatusCode") or 0),
        code="" if code.isdecimal() or code == "Unknown" else code,
        message=message[:2000],
        retry_after_s=retry_after(headers.get("retry-after")),
    )


def _check_body(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    # botocore takes a body that is no JSON for an empty answer: a list that way would seem to have no jobs.
    if response_dict["status_code"] >= 300 or "json" not in operation_model.service_model.resolved_protocol:
        return
    output = operation_model.output_shape
    body = response_dict["body"]
    if not body and (output is None or not output.members):
        return
    try:
        parsed: object = json.loads(body)
    except ValueError:
        parsed = None
    missing = (
        () if output is None else [one for one in output.required_members if _lacks(output, one, parsed)]
    )
    if not isinstance(parsed, dict) or missing:
        said = f"the answer of {operation_model.name} is not one of the service's"
        raise Unavailable(UNEXPECTED_ANSWER, said)


def _lacks(output: Any, member: str, parsed: object) -> bool:
    name = output.members[member].serialization.get("name", member)
    return not isinstance(parsed, dict) or parsed.get(name) is None
