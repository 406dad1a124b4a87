"""Watch: a snapshot, then every change, resumable from the token of any answer without a gap or a repeat."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import struct
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass

from propwash.api.drafts import LARGEST_BATCH
from propwash.api.errors import ApiError, invalid
from propwash.api.feed import Feed, FeedEntry
from propwash.api.names import is_in, parse_name, parse_scope
from propwash.api.paging import Sealer, TokenMismatch
from propwash.api.reasons import Reason
from propwash.api.values import fill_instant
from propwash.pb.v1 import execution_pb2
from propwash.pb.v1.execution_service_pb2 import WatchExecutionsRequest, WatchExecutionsResponse
from propwash.ports import Compacted, ExecutionName, Record, Scope, Store

_STRETCH = 256
_SNAPSHOT = WatchExecutionsResponse.KIND_SNAPSHOT
_BEHIND_PAUSE_S = 0.05
"""Before another look at a store whose readers do not yet see what its writer told of."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What one watch is about."""

    scope: Scope
    names: frozenset[ExecutionName]
    bound_to: str
    """What its tokens are bound to."""


class Watching:
    """Serves watches from one feed. bookmark_s is how long a stream may be silent."""

    def __init__(
        self,
        store: Store,
        feed: Feed,
        translate: Callable[[Record], execution_pb2.Execution],
        *,
        bookmark_s: float,
    ) -> None:
        self._store = store
        self._feed = feed
        self._translate = translate
        self._bookmark_s = bookmark_s
        self._sealer = Sealer(store.owner, "watch")

    async def watch(self, request: WatchExecutionsRequest) -> AsyncGenerator[WatchExecutionsResponse, None]:
        """The stream; raises ApiError for a bad request or token, and SERVER_DRAINING at the end."""
        subject = _subject(request)
        after = self._resumed(request.resume_token, subject) if request.resume_token else None
        with self._feed.interest():
            self._feed.check_open()
            newest = await self._store.last_seq() if after is not None or request.changes_only else 0
            if after is None and request.changes_only:
                after = newest
                yield self._mark(WatchExecutionsResponse.KIND_SYNCED, subject, after)
            elif after is not None and after > newest:
                # The store is older than the token (a copy): the client's picture is of another past.
                after = None
                yield WatchExecutionsResponse(kind=WatchExecutionsResponse.KIND_RESET)
            while True:
                if after is None:
                    async with aclosing(self._snapshot(subject)) as parts:
                        async for answer, seq in parts:
                            after = seq
                            yield answer
                assert after is not None
                try:
                    async with aclosing(self._changes(subject, after)) as changes:
                        async for answer in changes:
                            yield answer
                except Compacted:
                    after = None
                    yield WatchExecutionsResponse(kind=WatchExecutionsResponse.KIND_RESET)

    async def _snapshot(self, subject: Subject) -> AsyncGenerator[tuple[WatchExecutionsResponse, int], None]:
        seq = 0
        parts = self._store.snapshot(subject.scope, names=tuple(subject.names))
        try:
            async for part in parts:
                seq = part.seq
                for record in part.records:
                    self._feed.check_open()
                    yield WatchExecutionsResponse(kind=_SNAPSHOT, execution=self._translate(record)), seq
        finally:
            # Left to the garbage collector, a snapshot not read to its end holds the store's view open.
            if isinstance(parts, AsyncGenerator):
                await parts.aclose()
        yield self._mark(WatchExecutionsResponse.KIND_SYNCED, subject, seq), seq

    async def _changes(self, subject: Subject, after: int) -> AsyncGenerator[WatchExecutionsResponse, None]:
        """Changes for ever, and a bookmark where none came for bookmark_s."""
        now = asyncio.get_running_loop().time
        bookmark_at = now() + self._bookmark_s
        with self._feed.moves() as moved:
            while True:
                moved.clear()
                self._feed.check_open()
                seen, until = after, bookmark_at
                if self._feed.cursor > after:
                    stretch = await self._feed.read(
                        subject.scope, after=after, limit=_STRETCH, names=subject.names
                    )
                    for entry in stretch.entries:
                        yield self._change(entry, subject)
                        self._feed.check_open()
                        bookmark_at = now() + self._bookmark_s
                    seen = max(after, stretch.last_seq)
                    until = min(bookmark_at, now() + _BEHIND_PAUSE_S)
                if seen == after:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout_at(until):
                            await moved.wait()
                after = seen
                if now() >= bookmark_at:
                    yield self._mark(WatchExecutionsResponse.KIND_BOOKMARK, subject, after)
                    bookmark_at = now() + self._bookmark_s

    def _change(self, entry: FeedEntry, subject: Subject) -> WatchExecutionsResponse:
        change = entry.change
        answer = WatchExecutionsResponse(
            kind=WatchExecutionsResponse.KIND_CHANGE,
            execution=entry.message(self._translate),
            resume_token=self._token(change.seq, subject),
        )
        fill_instant(answer.commit_time, change.committed_at)
        return answer

    def _mark(
        self, kind: WatchExecutionsResponse.Kind.ValueType, subject: Subject, seq: int
    ) -> WatchExecutionsResponse:
        return WatchExecutionsResponse(kind=kind, resume_token=self._token(seq, subject))

    def _token(self, seq: int, subject: Subject) -> str:
        return self._sealer.seal(struct.pack(">Q", seq), subject.bound_to)

    def _resumed(self, token: str, subject: Subject) -> int:
        try:
            (seq,) = struct.unpack(">Q", self._sealer.open(token, subject.bound_to))
        except (TokenMismatch, struct.error):
            raise _foreign_token() from None
        return int(seq)


def _foreign_token() -> ApiError:
    message = "is not a token that this server gave for this parent and these names"
    return invalid("resume_token", message, Reason.RESUME_TOKEN_INVALID)


def _subject(request: WatchExecutionsRequest) -> Subject:
    scope = parse_scope(request.parent)
    names = parse_names(request.names, scope)
    digest = (
        hashlib.blake2b("\n".join(sorted(map(str, names))).encode(), digest_size=16).hexdigest()
        if names
        else ""
    )
    return Subject(scope=scope, names=frozenset(names), bound_to=f"{request.parent}\n{digest}")


def parse_names(texts: Collection[str], scope: Scope) -> list[ExecutionName]:
    """Names that must be in the scope, at most 1,000; raises ApiError with names[i]."""
    if len(texts) > LARGEST_BATCH:
        raise invalid("names", f"at most {LARGEST_BATCH} names, not {len(texts)}", Reason.BATCH_TOO_LARGE)
    names: list[ExecutionName] = []
    for index, text in enumerate(texts):
        name = parse_name(text, f"names[{index}]")
        if not is_in(name, scope):
            raise invalid(f"names[{index}]", "is not in the parent", Reason.PARENT_MISMATCH)
        names.append(name)
    return names
