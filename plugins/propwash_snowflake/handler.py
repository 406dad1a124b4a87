"""Snowflake statements in Propwash's words. Retries, deadlines, throttling and cleanup are the engine's.

Snowflake has no names for statements. Ours is in the query tag, by which the query history is asked after doubt, and in
the requestId, which is derived from it; see the decision on query tags for why the latter alone is not trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pydantic

from propwash.sdk import (
    CallLimits,
    Checked,
    Claim,
    Connection,
    CreateRequest,
    Deletion,
    FlyteDialect,
    Handler,
    Job,
    ListedJob,
    NotFound,
    Observation,
    Rate,
    RemoteName,
    ResultPage,
    Spec,
    Traits,
    Unavailable,
    Verdict,
    pool_name,
)
from propwash_snowflake.checking import checked
from propwash_snowflake.connection import SnowflakeSettings, console_of, folded, settings_of
from propwash_snowflake.desks import Desk, Desks
from propwash_snowflake.errors import RemoteError, verdict
from propwash_snowflake.finding import has_ended, submissions
from propwash_snowflake.flyte import StatementTasks
from propwash_snowflake.keys import StatementKey, read_meta, request_id
from propwash_snowflake.observing import link_of, of_statement
from propwash_snowflake.results import page_of
from propwash_snowflake.spec import SnowflakeSpec
from propwash_snowflake.submission import body_of
from propwash_snowflake.tagging import name_in

# Snowflake documents no figure for the SQL API, but its 429: these are ours, and a 429 slows each down.
_RATE = Rate(per_s=50.0, burst=50.0)


class SnowflakeHandler(Handler[SnowflakeSpec]):
    """Runs statements on Snowflake's SQL API v2."""

    task_types: ClassVar[tuple[str, ...]] = ("snowflake",)
    spec_type: ClassVar[type[Spec]] = SnowflakeSpec
    description: ClassVar[str] = "SQL statements on Snowflake."
    traits: ClassVar[Traits] = Traits(settle_s=30.0, poll_floor_s=1.0, poll_ceiling_s=10.0)
    batch_size: ClassVar[int] = 10_000
    limits: ClassVar[CallLimits] = CallLimits(reads=_RATE, writes=_RATE, deletes=_RATE)
    settings_type: ClassVar[type[pydantic.BaseModel] | None] = SnowflakeSettings
    flyte: ClassVar[FlyteDialect | None] = StatementTasks()

    def __init__(self, *, desks: Desks | None = None) -> None:
        self._desks = Desks() if desks is None else desks

    async def create(self, request: CreateRequest[SnowflakeSpec]) -> Job:
        """Submit asynchronously, under the requestId of the name."""
        desk = self._desks.of(request.connection)
        body = body_of(request, desk.settings)
        desk.created_at = self._desks.now()
        try:
            found = await desk.client.submit(
                body, request_id=request_id(request.name), is_nullable=request.spec.nullable
            )
        except RemoteError as error:
            raise verdict(error, is_submitting=True) from error
        key = StatementKey(found.handle, found.created_ms)
        links = (link_of(console_of(desk.settings.account), key.handle),)
        return Job(meta=key.meta(), observation=of_statement(found, links))

    async def validate(self, request: CreateRequest[SnowflakeSpec]) -> None:
        """Builds the request and sends nothing: the API has no dry run."""
        body_of(request, self._desks.of(request.connection).settings)

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        """Few are read one by one, many by one query of the history, as the connection's settings say."""
        return await self._desks.of(connection).observer.observe(metas)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        """The query history by tag. Of several submissions the oldest stays."""
        desk = self._desks.of(connection)
        entry = await desk.finder.find(name)
        if entry is None:
            return None
        key = StatementKey(entry.handle, entry.started_ms)
        answer: Observation | Verdict = desk.observer.of_entry(entry)
        if has_ended(entry):
            answer = await desk.observer.one(key)
        told = answer if isinstance(answer, Observation) else desk.observer.of_entry(entry)
        return Job(meta=key.meta(), observation=told)

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        """Cancel, confirmed by the statement's state: one that has ended is GONE, anything else PENDING."""
        desk = self._desks.of(connection)
        if meta is not None:
            return await _ended(desk, _read(meta))
        found = await desk.finder.all(name)
        if not found:
            return Deletion.ABSENT
        told = [await _ended(desk, StatementKey(one.handle)) for one in found if not has_ended(one)]
        return Deletion.PENDING if any(one is not Deletion.GONE for one in told) else Deletion.GONE

    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        """The owner's live statements by the history; not asked for long after the last create, when none was live."""
        desk = self._desks.of(connection)
        if not desk.wants_sweep(self._desks.now()):
            return ()
        live = submissions(await desk.history.live(owner))
        desk.has_live = bool(live)
        return [
            ListedJob(name=RemoteName(name_in(one.tag)), meta=StatementKey(one.handle, one.started_ms).meta())
            for one in live
        ]

    async def results(self, connection: Connection, meta: bytes, cursor: str, limit: int) -> ResultPage:
        """Rows of the result, typed by its columns."""
        try:
            return await page_of(self._desks.of(connection).client, _read(meta), cursor=cursor, limit=limit)
        except RemoteError as error:
            raise verdict(error, is_submitting=True) from error

    def claims(self, connection: Connection, spec: SnowflakeSpec) -> Sequence[Claim]:
        """One unit of the warehouse, as the spec or the connection names it."""
        warehouse = spec.warehouse or settings_of(connection).warehouse
        place = () if warehouse is None else (folded(warehouse),)
        return (Claim(pool=pool_name("snowflake", connection.name, *place)),)

    async def check(self, connection: Connection) -> Sequence[Checked]:
        """Settings, token, a statement, and the query history, in this order."""
        return await checked(self._desks, connection)

    async def forget(self, connection: Connection) -> None:
        """Close the connection's session."""
        await self._desks.forget(connection)

    async def close(self) -> None:
        """Close the sessions."""
        await self._desks.close()


async def _ended(desk: Desk, key: StatementKey) -> Deletion:
    try:
        await desk.client.cancel(key.handle)
    except RemoteError as error:
        # Of one that has ended, or that nobody knows: its state says which.
        if error.status not in (400, 404, 422):
            raise verdict(error, is_submitting=False) from error
    answer = (await desk.observer.observe([key.meta()]))[key.meta()]
    if isinstance(answer, NotFound):
        return Deletion.ABSENT
    if isinstance(answer, Verdict):
        raise answer
    return Deletion.GONE if answer.phase.is_final else Deletion.PENDING


def _read(meta: bytes) -> StatementKey:
    try:
        return read_meta(meta)
    except ValueError as error:
        raise Unavailable("META_UNREADABLE", str(error)) from error
