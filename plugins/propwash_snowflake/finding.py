"""Looks statements up by name in the query history: all that are asked for while one query runs, in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from propwash.sdk import RemoteName, Verdict, parse_remote_name
from propwash_snowflake.errors import RemoteError
from propwash_snowflake.history import Entry, History
from propwash_snowflake.keys import drawn_at
from propwash_snowflake.observing import FAILED, SUCCESS
from propwash_snowflake.tagging import name_in
from propwash_snowflake.wire import Client

_CLOCKS_DIFFER_S = 3600.0
_MOST_NAMES = 500
_MULTIPLE = "MULTI_STATEMENT"


class Finder:
    """Finds the statements of one connection; wall gives seconds since the epoch."""

    def __init__(self, client: Client, history: History, *, wall: Callable[[], float]) -> None:
        self._client = client
        self._history = history
        self._wall = wall
        self._waiting: dict[RemoteName, asyncio.Future[list[Entry]]] = {}
        self._runner: asyncio.Task[None] | None = None

    async def find(self, name: RemoteName) -> Entry | None:
        """The statement of a name, or None. Of several the oldest stays, and the others are asked to stop."""
        found = await self.all(name)
        if not found:
            return None
        for one in found[1:]:
            if not has_ended(one):
                await self._stop(one)
        return found[0]

    async def all(self, name: RemoteName) -> list[Entry]:
        """Every submission of a name, oldest first; raises a verdict."""
        if name not in self._waiting:
            self._waiting[name] = asyncio.get_running_loop().create_future()
        answer = self._waiting[name]
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="snowflake-find")
        # Shielded, as another may ask for the same name.
        return await asyncio.shield(answer)

    async def close(self) -> None:
        """End what is under way."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        for answer in self._waiting.values():
            answer.cancel()

    async def _run(self) -> None:
        try:
            while self._waiting:
                names = list(self._waiting)[:_MOST_NAMES]
                taken = {name: self._waiting.pop(name) for name in names}
                try:
                    await self._answer(taken)
                except BaseException:
                    for answer in taken.values():
                        answer.cancel()
                    raise
        finally:
            self._runner = None

    async def _answer(self, taken: dict[RemoteName, asyncio.Future[list[Entry]]]) -> None:
        try:
            entries = await self._history.of_names(list(taken), back_s=self._back_s(list(taken)))
        except Verdict as verdict:
            for answer in taken.values():
                if not answer.done():
                    answer.set_exception(verdict)
                    # Whoever asked may have gone.
                    answer.exception()
            return
        for name, answer in taken.items():
            if not answer.done():
                answer.set_result(submissions([one for one in entries if name_in(one.tag) == name]))

    def _back_s(self, names: Sequence[RemoteName]) -> float:
        drawn = [drawn_at(parsed.uid) for name in names if (parsed := parse_remote_name(name)) is not None]
        return self._wall() - min(drawn, default=0.0) + _CLOCKS_DIFFER_S

    async def _stop(self, entry: Entry) -> None:
        try:
            await self._client.cancel(entry.handle)
        except (RemoteError, Verdict):
            # It is found again by the next look-up, or by the sweep.
            return


def has_ended(entry: Entry) -> bool:
    """Whether the history says so."""
    return entry.status == SUCCESS or entry.status in FAILED


def submissions(entries: Sequence[Entry]) -> list[Entry]:
    """One entry for each submission, oldest first: the statements of one request share its session and its tag, and the
    request itself is the one of type MULTI_STATEMENT, or else the oldest.
    """
    first: dict[str, Entry] = {}
    for one in sorted(entries, key=lambda entry: entry.started_ms):
        kept = first.setdefault(one.session or one.handle, one)
        if one.kind == _MULTIPLE and kept.kind != _MULTIPLE:
            first[one.session or one.handle] = one
    return list(first.values())
