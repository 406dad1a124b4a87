"""Observes many statements in few calls.

Few are read one by one, which wakes no warehouse. Many are looked up in one query of the history; of those that it says
to have succeeded each is read once, for its outputs. The history may be late or cut off, so that what is not in it is
read, and only a statement that neither knows counts as gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from propwash.sdk import NotFound, Observation, Throttled, Unavailable, Verdict
from propwash_snowflake.connection import SnowflakeSettings, console_of
from propwash_snowflake.errors import RemoteError
from propwash_snowflake.history import LONGEST_S, Entry, History
from propwash_snowflake.keys import StatementKey, read_meta
from propwash_snowflake.observing import SUCCESS, link_of, of_entry, of_error, of_statement
from propwash_snowflake.wire import Client

_READERS = 16
_RECENT_S = 600.0
"""How far back what has ended is asked for with what runs; what ended before is read one by one."""
Answer = Observation | Verdict


class Observer:
    """Observes statements on one connection."""

    def __init__(self, client: Client, history: History, settings: SnowflakeSettings) -> None:
        self._client = client
        self._history = history
        self._settings = settings
        self._console = console_of(settings.account)

    async def observe(self, metas: Sequence[bytes]) -> Mapping[bytes, Answer]:
        """An answer for each meta."""
        answers: dict[bytes, Answer] = {}
        keys: dict[StatementKey, bytes] = {}
        for meta in metas:
            try:
                keys[read_meta(meta)] = meta
            except ValueError as error:
                answers[meta] = Unavailable("META_UNREADABLE", str(error))
        entries: dict[str, Entry] = {}
        if self._uses_history(len(keys)):
            entries = await self._entries(None, back_s=_RECENT_S)
        told = {key: self.of_entry(entries[key.handle]) for key in keys if key.handle in entries}
        ended = {key for key in told if entries[key.handle].status == SUCCESS}
        found: dict[StatementKey, Answer] = {key: answer for key, answer in told.items() if key not in ended}
        found.update(await self._read(key for key in keys if key not in found))
        for key in ended:
            # The result may have expired; that the statement succeeded is known.
            if not isinstance(found[key], Observation):
                found[key] = told[key]
        await self._confirm_missing(found)
        answers.update({keys[key]: answer for key, answer in found.items()})
        return answers

    async def one(self, key: StatementKey) -> Answer:
        """One statement, read by its handle."""
        links = (link_of(self._console, key.handle),)
        try:
            return of_statement(await self._client.status(key.handle), links)
        except RemoteError as error:
            return of_error(error, links)
        except Verdict as verdict:
            return verdict

    def of_entry(self, entry: Entry) -> Observation:
        """What the history says of a statement."""
        return of_entry(entry, (link_of(self._console, entry.handle),))

    def _uses_history(self, count: int) -> bool:
        settings = self._settings
        if settings.observe == "auto":
            has_warehouse = (settings.history_warehouse or settings.warehouse) is not None
            return has_warehouse and count > settings.history_above
        return settings.observe == "history"

    async def _entries(self, handles: Sequence[str] | None, *, back_s: float) -> dict[str, Entry]:
        try:
            return {one.handle: one for one in await self._history.of_handles(handles, back_s=back_s)}
        except Throttled:
            raise
        except Verdict:
            if handles is not None:
                raise
            # Where the history cannot be read, each statement can.
            return {}

    async def _confirm_missing(self, found: dict[StatementKey, Answer]) -> None:
        missing = [key for key, answer in found.items() if isinstance(answer, NotFound)]
        if not missing:
            return
        try:
            entries = await self._entries([key.handle for key in missing], back_s=LONGEST_S)
        except Verdict as verdict:
            found.update(dict.fromkeys(missing, verdict))
            return
        found.update({key: self.of_entry(entries[key.handle]) for key in missing if key.handle in entries})

    async def _read(self, keys: Iterable[StatementKey]) -> dict[StatementKey, Answer]:
        waiting = iter(list(keys))
        answers: dict[StatementKey, Answer] = {}
        throttled: list[Throttled] = []

        async def read() -> None:
            for key in waiting:
                # Once Snowflake asks to slow down, the rest is not asked for.
                answer = throttled[0] if throttled else await self.one(key)
                if isinstance(answer, Throttled):
                    throttled.append(answer)
                answers[key] = answer

        async with asyncio.TaskGroup() as group:
            for number in range(_READERS):
                group.create_task(read(), name=f"snowflake-read-{number}")
        return answers
