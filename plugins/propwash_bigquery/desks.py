"""One client for each connection, made when it is first used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from propwash.sdk import Connection, Unavailable
from propwash_bigquery.batching import Observer
from propwash_bigquery.connection import BigQuerySettings, SettingsError, base_url, settings_of
from propwash_bigquery.credentials import Credentials, NoCredentials, TokenSource
from propwash_bigquery.google_tokens import GoogleTokens
from propwash_bigquery.listing import Listing
from propwash_bigquery.wire import Client


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Desk:
    """What serves one connection."""

    connection: Connection
    settings: BigQuerySettings
    client: Client
    listing: Listing
    observer: Observer


class Desks:
    """All connections' desks. A connection that was changed gets a new one."""

    def __init__(self, tokens: Callable[[BigQuerySettings], TokenSource] = GoogleTokens) -> None:
        self._tokens = tokens
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
        if settings.credentials == "none":
            client = Client(base, settings=settings, credentials=NoCredentials())
        else:
            source = Credentials(self._tokens(settings), name=connection.name)
            client = Client(base, settings=settings, credentials=source)
        made = self._desks[connection.name] = Desk(
            connection=connection,
            settings=settings,
            client=client,
            listing=Listing(client),
            observer=Observer(client),
        )
        return made

    async def close(self) -> None:
        """Close every client."""
        desks = [*self._desks.values(), *self._replaced]
        self._desks.clear()
        self._replaced.clear()
        await asyncio.gather(*(desk.client.close() for desk in desks))
