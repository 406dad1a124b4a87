"""One client for each connection, made when it is first used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from propwash.sdk import Connection, SecretReader, Unavailable
from propwash_snowflake.batching import Observer
from propwash_snowflake.connection import SettingsError, SnowflakeSettings, base_url, settings_of
from propwash_snowflake.credentials import Credentials, NoCredentials, ReadToken, TokenSource
from propwash_snowflake.finding import Finder
from propwash_snowflake.history import History
from propwash_snowflake.key_pair import KeyPair
from propwash_snowflake.oauth import KIND, ClientCredentials
from propwash_snowflake.wire import Client, Signer

_SWEPT_AFTER_S = 1800.0
"""How long after the last create, or the start, a submission may still turn up late."""


@dataclass(slots=True, kw_only=True, eq=False)
class Desk:
    """What serves one connection."""

    connection: Connection
    settings: SnowflakeSettings
    client: Client
    history: History
    observer: Observer
    finder: Finder
    created_at: float
    """When the last create went out, or this was made: monotonic seconds."""
    has_live: bool = field(default=True)
    """Whether the last sweep found any."""

    async def close(self) -> None:
        """Close the client."""
        await self.finder.close()
        await self.client.close()

    def wants_sweep(self, now: float) -> bool:
        """Whether there may be statements to be found. A query of the history each minute, for nothing, would keep a
        warehouse awake, and paid for, day and night.
        """
        return self.has_live or now < self.created_at + _SWEPT_AFTER_S


class Desks:
    """All connections' desks. A connection that was changed gets a new one; now gives monotonic seconds, wall those
    since the epoch.
    """

    def __init__(
        self, *, now: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self.now = now
        self._wall = wall
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
        client = Client(
            base, settings=settings, signer=self._signer(connection.name, settings, connection.secrets)
        )
        history = History(client, settings)
        observer = Observer(client, history, settings)
        made = self._desks[connection.name] = Desk(
            connection=connection,
            settings=settings,
            client=client,
            history=history,
            observer=observer,
            finder=Finder(client, history, wall=self._wall),
            created_at=self.now(),
        )
        return made

    async def forget(self, connection: Connection) -> None:
        """Close the connection's client, if there is one."""
        desk = self._desks.pop(connection.name, None)
        if desk is not None:
            await desk.close()

    async def close(self) -> None:
        """Close every client."""
        desks = [*self._desks.values(), *self._replaced]
        self._desks.clear()
        self._replaced.clear()
        await asyncio.gather(*(desk.close() for desk in desks))

    def _signer(self, name: str, settings: SnowflakeSettings, secrets: SecretReader) -> Signer:
        if settings.auth == "none":
            return NoCredentials()
        return Credentials(self._source(settings, secrets), name=name, now=self.now)

    def _source(self, settings: SnowflakeSettings, secrets: SecretReader) -> TokenSource:
        if settings.auth == "key_pair":
            return KeyPair(settings, secrets, wall=self._wall)
        if settings.token is None:
            return ClientCredentials(settings, secrets)
        kind = KIND if settings.auth == "oauth" else "PROGRAMMATIC_ACCESS_TOKEN"
        return ReadToken(settings.token, secrets, kind=kind)
