"""The threads of the SQLite store and their connections: one that writes, a few that read."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from propwash.ports import SnapshotPart, StoreError, StoreUnavailable
from propwash.store.files import FILE, Lock, inspect, open_reader, open_writer, translate
from propwash.store.schema import Migration
from propwash.store.streaming import PART, Stream

_T = TypeVar("_T")


class Threads:
    """Runs work on connections off the loop. What was handed to the writer is done, whoever is cancelled."""

    def __init__(self, path: Path, *, readers: int) -> None:
        """path is the data directory."""
        self.file = path / FILE
        self._lock = Lock(path)
        self._readers = readers
        self._writer: sqlite3.Connection | None = None
        self._writing: ThreadPoolExecutor | None = None
        self._reading: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._streams: set[Stream] = set()
        self._closing: asyncio.Future[None] | None = None

    async def open(self, migrations: Sequence[Migration], prepare: Callable[[sqlite3.Connection], _T]) -> _T:
        """Lock, inspect, open; answers what prepare makes of the writer's connection. Raises a StoreError."""
        if self._writing is not None:
            raise StoreUnavailable("the store is open already")

        def begin() -> _T:
            self._lock.acquire()
            inspect(self.file, migrations)
            self._writer = open_writer(self.file)
            return self._translated(lambda: prepare(self._writer_connection()))

        writing = ThreadPoolExecutor(1, thread_name_prefix="propwash-store-writer")
        try:
            prepared = await asyncio.get_running_loop().run_in_executor(writing, begin)
        except BaseException:
            writing.shutdown(wait=True)
            self._shut()
            raise
        self._writing = writing
        self._reading = ThreadPoolExecutor(self._readers, thread_name_prefix="propwash-store-reader")
        self._closing = None
        return prepared

    async def close(self) -> None:
        """Finish what was handed over and close; may be called twice."""
        if self._writing is None:
            return
        if self._closing is None:
            self._closing = asyncio.get_running_loop().run_in_executor(self._writing, self._finish)
        await asyncio.shield(self._closing)
        if self._writing is not None:
            self._writing.shutdown(wait=True)
            self._writing = self._reading = None

    def _finish(self) -> None:
        if self._reading is not None:
            self._reading.shutdown(wait=True)
        self._shut()

    def _shut(self) -> None:
        for stream in list(self._streams):
            stream.close()
        self._streams.clear()
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self._local = threading.local()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._lock.release()

    async def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Have work done on the writer's connection; raises StoreUnavailable where SQLite fails."""
        if self._writing is None or self._closing is not None:
            raise StoreUnavailable("the store is closed")
        done = asyncio.get_running_loop().run_in_executor(self._writing, self._with_writer, work)
        return await asyncio.shield(done)

    def _with_writer(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            return work(self._writer_connection())
        except sqlite3.Error as error:
            if self._writer is not None and self._writer.in_transaction:
                # What cannot even be rolled back is begun anew.
                self._writer.close()
                self._writer = None
            raise StoreUnavailable(f"{self.file} takes no writes now: {error}") from error

    def _writer_connection(self) -> sqlite3.Connection:
        if self._writer is None:
            try:
                self._writer = open_writer(self.file)
            except StoreError as error:
                raise StoreUnavailable(str(error)) from error
        return self._writer

    async def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Have work done on a reader's connection; raises a StoreError."""
        executor = self._readers_now()

        def guarded() -> _T:
            return self._translated(lambda: work(self._reader_connection()))

        return await asyncio.get_running_loop().run_in_executor(executor, guarded)

    async def parts(self, stream: Stream) -> AsyncGenerator[SnapshotPart, None]:
        """The parts of a stream, at least one; raises a StoreError."""
        executor = self._readers_now()
        loop = asyncio.get_running_loop()
        self._streams.add(stream)
        try:
            await loop.run_in_executor(executor, self._translated, lambda: stream.open(self.file))
            is_last = False
            while not is_last:
                part = await loop.run_in_executor(executor, self._translated, stream.read)
                is_last = len(part.records) < PART
                yield part
        finally:
            self._streams.discard(stream)
            # In a thread, since a read that goes on after its awaiter was cancelled holds the stream.
            try:
                executor.submit(stream.close)
            except RuntimeError:
                stream.close()

    def _readers_now(self) -> ThreadPoolExecutor:
        if self._reading is None or self._closing is not None:
            raise StoreUnavailable("the store is closed")
        return self._reading

    def _reader_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = open_reader(self.file)
            self._opened.append(connection)
        return connection

    def _translated(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except sqlite3.Error as error:
            raise translate(error, self.file) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written within, or nothing of it; raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise
