"""One consistent view of the store, read a part at a time on a connection of its own."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from propwash.ports import ExecutionName, Record, SnapshotPart, StoreUnavailable
from propwash.store.files import open_reader
from propwash.store.reading import Query, by_names, last_seq, to_record

PART = 500
"""How many records a part has at most."""


class Stream:
    """Records of one read transaction. Its methods may be called from any thread, and block."""

    def __init__(self, rows: Callable[[sqlite3.Connection], Iterator[Record]]) -> None:
        self._rows = rows
        self._guard = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._records: Iterator[Record] = iter(())
        self._seq = 0
        self._is_done = False

    @classmethod
    def of_query(cls, query: Query) -> Stream:
        """All rows of a query."""
        return cls(lambda connection: map(to_record, connection.execute(*query)))

    @classmethod
    def of_names(cls, names: Sequence[ExecutionName]) -> Stream:
        """The executions of these names that are there."""
        return cls(
            lambda connection: (found for name in names for found in by_names(connection, (name,)) if found)
        )

    def open(self, file: Path) -> None:
        """Begin the view; raises a StoreError or sqlite3.Error."""
        with self._guard:
            if self._is_done:
                raise StoreUnavailable("the store is closed")
            connection = self._connection = open_reader(file)
            connection.execute("BEGIN")
            self._seq = last_seq(connection)
            self._records = self._rows(connection)

    def read(self) -> SnapshotPart:
        """The next part; one that is not full is the last. Raises a StoreError or sqlite3.Error."""
        with self._guard:
            if self._connection is None:
                raise StoreUnavailable("the store is closed")
            return SnapshotPart(seq=self._seq, records=tuple(islice(self._records, PART)))

    def close(self) -> None:
        """End the view; may be called twice."""
        with self._guard:
            self._is_done = True
            self._records = iter(())
            if self._connection is not None:
                self._connection.close()
                self._connection = None
