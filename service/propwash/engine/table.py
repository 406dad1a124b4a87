"""The executions in memory: every one that is not terminal, by uid and by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from propwash.core.admission import Census
from propwash.core.events import Deleted, Event, Verb
from propwash.core.model import Execution, ExecutionUid, Instant
from propwash.ports import ExecutionName, TaskRequest


@dataclass(slots=True, eq=False)
class Entry:
    """One execution in memory."""

    name: ExecutionName
    execution: Execution
    """The newest value; durable, but for volatile fields, when pending is 0."""
    version: int
    """The stored version when all pending commits are through."""
    request: TaskRequest | None
    """Kept until the remote job is there, but for one that waits for its pools; otherwise the store has it."""
    pending: int = 0
    """Commits under way."""
    is_stored: bool = True
    """Whether its insert is durable. Until then the store may refuse it, so that nothing may be built on it."""
    deferred: tuple[Event, ...] = ()
    """What happened before its insert was durable; taken up then, or dropped with it."""
    in_flight: set[Verb] = field(default_factory=set)
    """Effects in flight. A verb is in flight once, whichever attempt it is for."""
    deleted: Deleted | None = None
    """The last answer to a delete, for those who ask what a cleanup waits for."""
    is_catching_up: bool = False
    """Loaded at start and not yet stepped since."""


class Table:
    """Entries by uid and by name, and the census of them."""

    def __init__(self) -> None:
        self.census = Census()
        self._by_uid: dict[ExecutionUid, Entry] = {}
        self._by_name: dict[ExecutionName, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Take an entry up."""
        self._by_uid[entry.execution.uid] = entry
        self._by_name.setdefault(entry.name, entry)
        self.census.note(entry.execution, entry.execution.updated_at)

    def moved(self, entry: Entry, now: Instant) -> None:
        """An entry that was taken up has another execution value since."""
        if self._by_uid.get(entry.execution.uid) is entry:
            self.census.note(entry.execution, now)

    def remove(self, entry: Entry) -> None:
        """Forget an entry."""
        self._by_uid.pop(entry.execution.uid, None)
        self.census.forget(entry.execution)
        if self._by_name.get(entry.name) is entry:
            del self._by_name[entry.name]

    def by_uid(self, uid: ExecutionUid) -> Entry | None:
        """The entry of a uid."""
        return self._by_uid.get(uid)

    def by_name(self, name: ExecutionName) -> Entry | None:
        """The entry of a name."""
        return self._by_name.get(name)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._by_uid.values()))

    def __len__(self) -> int:
        return len(self._by_uid)
