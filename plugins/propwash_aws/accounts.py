"""One account for each connection: signed calls of AWS's services, each one HTTP request.

Source: aiobotocore and botocore (signing, serialising and parsing by the services' own models); their retries are
off, since the engine retries.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from propwash.sdk import CREDENTIALS_UNAVAILABLE, Connection, Unavailable
from propwash_aws.connection import (
    AwsSettings,
    SettingsError,
    endpoints_of,
    region_of,
    settings_of,
)
from propwash_aws.credentials import Chain, Keeper, Keys, KeySource, Role, SecretKeys
from propwash_aws.errors import Meaning, RemoteError, verdict
from propwash_aws.wire import Library, ServiceClient

Answer: TypeAlias = Mapping[str, object]
"""An operation's output as its model types it: instants are aware datetimes."""


class Account:
    """What serves one connection."""

    def __init__(
        self,
        connection: Connection,
        settings: AwsSettings,
        *,
        library: Library,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self.settings = settings
        self.region = region_of(connection, settings)
        """The region that calls go to."""
        self._endpoints = endpoints_of(connection, settings)
        self._library = library
        self._base: Keeper | None = None
        self._keys: Keeper | None = None
        if settings.credentials != "none":
            source: KeySource
            if settings.credentials == "keys":
                source = SecretKeys(settings, connection.secrets)
            else:
                source = Chain(lambda: library.search(self.region))
            self._base = self._keys = Keeper(source, name=connection.name, now=now)
            if settings.role_arn is not None:
                self._keys = Keeper(Role(self._assume), name=f"{connection.name}-role", now=now)
        self._clients: dict[tuple[str, bool], asyncio.Task[ServiceClient]] = {}

    def __repr__(self) -> str:
        return f"Account({self.connection.name!r})"

    async def call(self, service: str, operation: str, **params: object) -> Answer:
        """One request; service is botocore's name of it, operation is in CamelCase, params are as its model has them.

        Raises RemoteError for the service's error answers, and Unavailable for no trustworthy answer. A request whose
        credentials are refused did nothing, and is sent once more where there are others.
        """
        return await self._call(service, operation, params, keys=self._keys)

    async def look(self, service: str, operation: str, **params: object) -> Answer:
        """As call, for a request that only looks or cancels; raises verdicts only."""
        try:
            return await self.call(service, operation, **params)
        except RemoteError as error:
            raise verdict(error, is_submitting=False) from error

    async def close(self) -> None:
        """Close every client."""
        tasks = list(self._clients.values())
        self._clients.clear()
        for keeper in (self._keys, self._base):
            if keeper is not None:
                await keeper.close()
        for task in tasks:
            task.cancel()
        for opened in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(opened, BaseException):
                await opened.close()

    async def _assume(self) -> Keys:
        settings = self.settings
        asked: dict[str, object] = {
            "RoleArn": settings.role_arn,
            "RoleSessionName": settings.role_session_name,
            "DurationSeconds": settings.role_duration_s,
        }
        if settings.external_id is not None:
            asked["ExternalId"] = settings.external_id
        try:
            answer = await self._call("sts", "AssumeRole", asked, keys=self._base)
        except RemoteError as error:
            said = f"assuming {settings.role_arn} failed: {error.code}: {error.message}"
            raise Unavailable(CREDENTIALS_UNAVAILABLE, said) from None
        given = answer.get("Credentials")
        match given:
            case {"AccessKeyId": str(key), "SecretAccessKey": str(secret), "SessionToken": str(token)}:
                return Keys(
                    access_key=key,
                    secret_key=secret,
                    token=token,
                    lifetime_s=float(settings.role_duration_s),
                )
            case _:
                raise Unavailable(CREDENTIALS_UNAVAILABLE, "STS answered without credentials")

    async def _call(
        self, service: str, operation: str, params: Mapping[str, object], *, keys: Keeper | None
    ) -> Answer:
        try:
            async with asyncio.timeout(self.settings.request_timeout_s):
                client = await self._client(service, keys)
                generation = 0
                if keys is not None:
                    # Waits for the first keys, so that the generation is that of what signs the request.
                    await keys.get_frozen_credentials()
                    generation = keys.generation
                try:
                    return await client.request(operation, params)
                except RemoteError as error:
                    if keys is None or error.meaning is not Meaning.CREDENTIALS:
                        raise
                    if not await keys.renewed(generation):
                        raise
                return await client.request(operation, params)
        except TimeoutError as error:
            said = f"no answer of {service} {operation} within {self.settings.request_timeout_s:g} s"
            raise Unavailable("NO_ANSWER", said) from error

    async def _client(self, service: str, keys: Keeper | None) -> ServiceClient:
        key = (service, keys is self._base)
        task = self._clients.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            url = self._endpoints.of(service)
            opening = self._library.open(
                service, region=self.region, url=url, settings=self.settings, signer=keys
            )
            task = self._clients[key] = asyncio.create_task(opening, name=f"aws-client-{service}")
        return await asyncio.shield(task)


class Accounts:
    """All connections' accounts. A connection that was changed gets a new one.

    now gives monotonic seconds, wall UTC seconds; handlers take their time from here.
    """

    def __init__(
        self, *, now: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self.now = now
        self.wall = wall
        self._library = Library()
        self._accounts: dict[str, Account] = {}
        self._replaced: list[Account] = []

    def of(self, connection: Connection) -> Account:
        """The connection's account; raises Unavailable for settings that cannot be used: they are the operator's to
        mend, and must not end the users' jobs.
        """
        account = self._accounts.get(connection.name)
        if account is not None and account.connection == connection:
            return account
        try:
            made = Account(connection, settings_of(connection), library=self._library, now=self.now)
        except SettingsError as error:
            raise Unavailable("CONNECTION_INVALID", str(error)) from error
        if account is not None:
            # Calls may still be under way on it: it is closed at the end.
            self._replaced.append(account)
        self._accounts[connection.name] = made
        return made

    async def close(self) -> None:
        """Close every client; safe to repeat, as all handlers of the plugin share the accounts."""
        accounts = [*self._accounts.values(), *self._replaced]
        self._accounts.clear()
        self._replaced.clear()
        await asyncio.gather(*(account.close() for account in accounts))
