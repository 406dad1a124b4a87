"""One client for each connection, made when it is first used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from propwash.sdk import Connection, SecretReader, SentSecret, Unavailable
from propwash_bigquery.connection import BigQuerySettings, SettingsError, base_url, settings_of
from propwash_bigquery.credentials import Credentials, NoCredentials, TokenSource
from propwash_bigquery.google_tokens import GoogleTokens
from propwash_bigquery.listing import Listing
from propwash_bigquery.rotating import RotatingToken
from propwash_bigquery.sent_keys import SentKeys
from propwash_bigquery.wire import Client, HeaderSource

Tokens = Callable[[BigQuerySettings, SecretReader], TokenSource]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Desk:
    """What serves one connection."""

    connection: Connection
    settings: BigQuerySettings
    client: Client
    listing: Listing


class Desks:
    """All connections' desks. A connection that was changed gets a new one.

    Several handlers may share them, so that they share tokens and sessions; the last that leaves closes them.
    """

    def __init__(self, tokens: Tokens = GoogleTokens) -> None:
        self._tokens = tokens
        self._users: set[int] = set()
        self._desks: dict[str, Desk] = {}
        self._replaced: list[Desk] = []

    def of(self, connection: Connection) -> Desk:
        """The connection's desk; raises Unavailable for settings that cannot be used: they are the operator's to
        mend, and must not end the users' jobs.
        """
        desk = self._desks.get(connection.name)
        if desk is not None and desk.connection == connection:
            return desk
        try:
            settings = settings_of(connection)
            base = base_url(connection, settings)
        except SettingsError as error:
            raise Unavailable("CONNECTION_INVALID", str(error)) from error
        if desk is not None:
            # Calls may still be under way on it: it is closed at the end.
            self._replaced.append(desk)
        client = Client(base, settings=settings, credentials=self._credentials(connection, settings))
        made = self._desks[connection.name] = Desk(
            connection=connection,
            settings=settings,
            client=client,
            listing=Listing(client),
        )
        return made

    async def forget(self, connection: Connection) -> None:
        """Close the connection's client, if there is one."""
        desk = self._desks.pop(connection.name, None)
        if desk is not None:
            await _close(desk)

    def enter(self, user: object) -> None:
        """Count a handler as a user."""
        self._users.add(id(user))

    async def leave(self, user: object) -> None:
        """Count a handler as one no more; with the last one every client is closed."""
        self._users.discard(id(user))
        if self._users:
            return
        desks = [*self._desks.values(), *self._replaced]
        self._desks.clear()
        self._replaced.clear()
        await asyncio.gather(*(_close(desk) for desk in desks))

    def _credentials(self, connection: Connection, settings: BigQuerySettings) -> HeaderSource:
        if settings.credentials == "none":
            return NoCredentials()
        if settings.access_token is not None:
            return RotatingToken(settings.access_token, connection.secrets, name=connection.name)
        secrets = connection.secrets
        if isinstance(settings.credentials_json, SentSecret):
            secrets = SentKeys(secrets, endpoint=connection.endpoint)
        return Credentials(self._tokens(settings, secrets), name=connection.name)


async def _close(desk: Desk) -> None:
    await desk.listing.close()
    await desk.client.close()
