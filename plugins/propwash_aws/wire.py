"""Opens and uses botocore's clients: what they load is loaded in a thread, what they answer is a verdict or an answer.

Source: aiobotocore 3 and botocore 1.43, which sign, serialise and parse by the services' own models.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, cast

from propwash.sdk import Unavailable
from propwash_aws.connection import AwsSettings
from propwash_aws.credentials import Frozen

EXTRA_MISSING = "EXTRA_MISSING"
_DOOR = "propwash_aws.botocore_door"


class Signer(Protocol):
    """What stands where botocore has its credentials."""

    async def get_frozen_credentials(self) -> Frozen:
        """The keys to sign with; raises Unavailable."""

    async def get_account_id(self) -> str | None:
        """The account of the keys, where it is known."""

    def get_deferred_property(self, name: str) -> Callable[[], Awaitable[str | None]]:
        """A property of the keys that may be known only later."""


class ServiceClient(Protocol):
    """One service's client."""

    async def request(self, operation: str, params: Mapping[str, object]) -> Mapping[str, object]:
        """One HTTP request; raises RemoteError for an error answer, Unavailable for no trustworthy one."""

    async def close(self) -> None:
        """Close the connections."""


class Door(Protocol):
    """What propwash_aws.botocore_door offers; it cannot be imported without the extra."""

    def load(self, service: str) -> None:
        """Read a service's model from disk. Blocks, for a thread."""

    async def open_client(
        self, service: str, *, region: str, url: str, settings: AwsSettings, signer: Signer | None
    ) -> ServiceClient:
        """A client; signer None sends requests unsigned."""

    async def search_credentials(self, region: str) -> Callable[[], Awaitable[Frozen]] | None:
        """The AWS SDK's own search for credentials; None where it finds none."""


class Library:
    """botocore, imported when it is first needed, so that the plugin loads without its extra."""

    def __init__(self) -> None:
        self._door: Door | None = None

    async def open(
        self, service: str, *, region: str, url: str, settings: AwsSettings, signer: Signer | None
    ) -> ServiceClient:
        """A client of a service; raises Unavailable EXTRA_MISSING without the extra."""
        door = await self._opened()
        # Models are compressed JSON of up to a megabyte: reading them takes tenths of a second.
        await asyncio.to_thread(door.load, service)
        return await door.open_client(service, region=region, url=url, settings=settings, signer=signer)

    async def search(self, region: str) -> Callable[[], Awaitable[Frozen]] | None:
        """The AWS SDK's own search for credentials; None where it finds none."""
        return await (await self._opened()).search_credentials(region)

    async def _opened(self) -> Door:
        if self._door is None:
            self._door = await asyncio.to_thread(_import)
        return self._door


def _import() -> Door:
    try:
        return cast(Door, importlib.import_module(_DOOR))
    except ImportError as error:
        raise Unavailable(
            EXTRA_MISSING,
            "EMR needs the extra propwash[aws], which is not installed: pip install 'propwash[aws]'",
        ) from error
