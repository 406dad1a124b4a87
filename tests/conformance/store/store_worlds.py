"""The two adapters, and what a test can do to each from outside."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from propwash.ports import Store
from propwash.store.files import FILE
from propwash.store.memory import MemoryStore
from propwash.store.sqlite import SqliteStore


class World:
    """A store and what a test can do to it from outside."""

    store: Store

    async def reopen(self) -> Store:
        """Close and open again, as a restart does."""
        raise NotImplementedError

    async def supersede(self) -> None:
        """Let another opening come in between."""
        raise NotImplementedError


class MemoryWorld(World):
    """The fake."""

    def __init__(self) -> None:
        self._memory = MemoryStore()
        self.store = self._memory

    async def reopen(self) -> Store:
        await self.store.close()
        self._memory = self._memory.crash()
        self.store = self._memory
        await self.store.open()
        return self.store

    async def supersede(self) -> None:
        self._memory.crash()


class SqliteWorld(World):
    """The embedded store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.store = SqliteStore(path)

    async def reopen(self) -> Store:
        await self.store.close()
        self.store = SqliteStore(self._path)
        await self.store.open()
        return self.store

    async def supersede(self) -> None:
        with closing(sqlite3.connect(self._path / FILE)) as connection, connection:
            connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'term'")
