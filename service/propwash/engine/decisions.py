"""Waiting for commits: what was appended to the journal is decided later, or not any more where the engine stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from propwash.ports import CommitResult, NotAccepting


class Decisions:
    """Everybody who waits for a commit of their own."""

    def __init__(self) -> None:
        self._undecided: set[asyncio.Future[CommitResult]] = set()

    async def of(self, begin: Callable[[Callable[[CommitResult], None]], None]) -> CommitResult:
        """Begin something that is given what to call when it is decided, and wait for that. Raises NotAccepting where
        the engine stops first.
        """
        decided: asyncio.Future[CommitResult] = asyncio.get_running_loop().create_future()

        def done(result: CommitResult) -> None:
            if not decided.done():
                decided.set_result(result)

        self._undecided.add(decided)
        try:
            begin(done)
            return await decided
        finally:
            self._undecided.discard(decided)

    def abandon(self) -> None:
        """Refuse what still waits for its commit, which nobody makes any more; a repeat finds out how it went."""
        for decided in self._undecided:
            if not decided.done():
                decided.set_exception(NotAccepting("the server stopped before the commit was answered"))
