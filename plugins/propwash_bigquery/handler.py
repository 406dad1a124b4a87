"""BigQuery's query jobs in Propwash's words. Retries, deadlines, throttling and cleanup are the engine's.

The remote name is the job's id. BigQuery refuses a second job of one id in a project and location for as long as it
remembers the first (six months), so a create that was lost is repeated safely and adopted on 409.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from propwash.sdk import (
    Connection,
    CreateRequest,
    Deletion,
    Handler,
    Job,
    Link,
    ListedJob,
    NotFound,
    Observation,
    Permanent,
    RemoteName,
    ResultPage,
    Spec,
    Traits,
    Unavailable,
    Verdict,
    parse_remote_name,
)
from propwash_bigquery import labels
from propwash_bigquery.connection import BigQuerySettings, settings_of
from propwash_bigquery.credentials import TokenSource
from propwash_bigquery.desks import Desk, Desks
from propwash_bigquery.google_tokens import GoogleTokens
from propwash_bigquery.keys import JobKey, hint_of, read_hint, read_meta
from propwash_bigquery.observing import failed, failure_of, job_of, key_of, labels_of, state_of
from propwash_bigquery.resources import JsonMap
from propwash_bigquery.rows import page_of
from propwash_bigquery.spec import BigQuerySpec
from propwash_bigquery.submission import job_resource, key_for, own_labels
from propwash_bigquery.wire import NameTaken

_MOST_ROWS = 10_000


class BigQueryHandler(Handler[BigQuerySpec]):
    """Runs query jobs on BigQuery's REST API v2."""

    task_types: ClassVar[tuple[str, ...]] = ("bigquery_query_job_task",)
    spec_type: ClassVar[type[Spec]] = BigQuerySpec
    description: ClassVar[str] = "Query jobs on Google BigQuery."
    traits: ClassVar[Traits] = Traits(
        has_unique_names=True, settle_s=60.0, poll_floor_s=1.0, poll_ceiling_s=5.0
    )
    batch_size: ClassVar[int] = 10_000

    def __init__(self, *, tokens: Callable[[BigQuerySettings], TokenSource] = GoogleTokens) -> None:
        self._desks = Desks(tokens)

    async def create(self, request: CreateRequest[BigQuerySpec]) -> Job:
        """jobs.insert under the request's name; on 409 the job that is there is adopted if its labels are ours."""
        desk = self._desks.of(request.connection)
        key = key_for(request, desk.settings)
        resource = job_resource(request, key, is_dry_run=False)
        try:
            return job_of(await desk.client.insert(key.project, resource), key)
        except NameTaken:
            return await _adopted(desk, key, request)

    async def validate(self, request: CreateRequest[BigQuerySpec]) -> None:
        """A dry run: BigQuery parses and checks the query, and makes no job."""
        desk = self._desks.of(request.connection)
        key = key_for(request, desk.settings)
        resource = job_resource(request, key, is_dry_run=True)
        try:
            answer = await desk.client.insert(key.project, resource)
        except NameTaken as error:
            raise Unavailable("UNEXPECTED_ANSWER", "BigQuery says that a dry run is a duplicate") from error
        failure = failure_of(answer)
        if failure is not None:
            refusal = failed(failure, key)
            raise Permanent(refusal.reason, refusal.message)

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        """Observe by lists where there are many, by jobs.get where there are few or a list cannot tell."""
        return await self._desks.of(connection).observer.observe(metas)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        """jobs.get by id. A job of another's labels is none of ours."""
        desk = self._desks.of(connection)
        key = _key(desk, name, hint)
        resource = await _looked_up(desk, key)
        if resource is None:
            return None
        job = job_of(resource, key)
        return job if _is_named_for_us(resource, name) else None

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        """jobs.cancel, confirmed by the job's state: DONE is GONE, anything else PENDING."""
        desk = self._desks.of(connection)
        key = _key(desk, name, hint) if meta is None else _read(meta)
        try:
            return await _cancelled(desk, key)
        except NotFound:
            found = None if key.location else await desk.listing.search(key.project, name)
        try:
            return Deletion.ABSENT if found is None else await _cancelled(desk, key_of(found, key))
        except NotFound:
            # The list knows a job that cancel does not: that is no confirmation.
            return Deletion.PENDING

    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        """The live jobs whose id carries the owner, in the connection's project and its sweep_projects."""
        desk = self._desks.of(connection)
        projects = dict.fromkeys(
            one for one in (desk.settings.project, *desk.settings.sweep_projects) if one is not None
        )
        keys = [key for project in projects for key in await desk.listing.ours(project, owner)]
        return [ListedJob(name=RemoteName(key.job_id), meta=key.meta()) for key in keys]

    async def results(self, connection: Connection, meta: bytes, cursor: str, limit: int) -> ResultPage:
        """A page of the result's rows, typed by its schema."""
        client = self._desks.of(connection).client
        return page_of(await client.results(_read(meta), token=cursor, limit=max(1, min(limit, _MOST_ROWS))))

    def hint(self, connection: Connection, spec: BigQuerySpec) -> bytes:
        """Project and location, as the spec or the connection has them now; raises SettingsError."""
        settings = settings_of(connection)
        return hint_of(spec.project or settings.project or "", spec.location or settings.location or "")

    def links(self, connection: Connection, name: RemoteName, spec: BigQuerySpec) -> Sequence[Link]:
        """The job in Google's console."""
        settings = settings_of(connection)
        project = spec.project or settings.project
        if project is None:
            return ()
        return (JobKey(project, spec.location or settings.location or "", name).link(),)

    async def close(self) -> None:
        """Close the sessions."""
        await self._desks.close()


async def _adopted(desk: Desk, key: JobKey, request: CreateRequest[BigQuerySpec]) -> Job:
    resource = await _looked_up(desk, key)
    if resource is None:
        # BigQuery may deny a job for a while after it called its id a duplicate (python-bigquery issue 2134).
        raise Unavailable(
            "DUPLICATE_NOT_FOUND", "BigQuery calls the job a duplicate, and does not know it yet"
        )
    job, theirs = job_of(resource, key), labels_of(resource)
    if any(theirs.get(label) != value for label, value in own_labels(request).items()):
        raise Permanent("NAME_TAKEN", f"there is a job {key.job_id} that is not this execution's")
    return job


async def _cancelled(desk: Desk, key: JobKey) -> Deletion:
    # A cancel that BigQuery refuses, as of a job that has just ended, is answered without a job.
    resource = await desk.client.cancel(key) or await desk.client.get(key)
    return Deletion.GONE if state_of(resource) == "DONE" else Deletion.PENDING


async def _looked_up(desk: Desk, key: JobKey) -> JsonMap | None:
    try:
        return await desk.client.get(key)
    except NotFound:
        if key.location:
            return None
    return await desk.listing.search(key.project, RemoteName(key.job_id))


def _key(desk: Desk, name: RemoteName, hint: bytes) -> JobKey:
    try:
        project, location = read_hint(hint)
    except ValueError as error:
        raise Unavailable("HINT_UNREADABLE", str(error)) from error
    project = project or desk.settings.project or ""
    if not project:
        raise Unavailable("PROJECT_MISSING", "neither the hint nor the connection names a project")
    return JobKey(project, location or ("" if hint else desk.settings.location or ""), name)


def _read(meta: bytes) -> JobKey:
    try:
        return read_meta(meta)
    except ValueError as error:
        raise Unavailable("META_UNREADABLE", str(error)) from error


def _is_named_for_us(resource: JsonMap, name: RemoteName) -> bool:
    parsed = parse_remote_name(name)
    if parsed is None:
        return True
    mark = labels.mark(owner=parsed.owner, uid=parsed.uid, attempt=parsed.attempt)
    theirs = labels_of(resource)
    return all(theirs.get(label) == value for label, value in mark.items())
