"""BigQuery's jobs in Propwash's words, of any form. Retries, deadlines, throttling and cleanup are the engine's.

The remote name is the job's id. BigQuery refuses a second job of one id in a project and location for as long as it
remembers the first (six months), so a create that was lost is repeated safely and adopted on 409.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar

import pydantic

from propwash.sdk import (
    Checked,
    Claim,
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
    Traits,
    Unavailable,
    Verdict,
    parse_remote_name,
    pool_name,
)
from propwash_bigquery import labels
from propwash_bigquery.batching import Observer
from propwash_bigquery.checking import checked
from propwash_bigquery.connection import BigQuerySettings, location_of, settings_of
from propwash_bigquery.desks import Desk, Desks
from propwash_bigquery.forms import Form
from propwash_bigquery.job_spec import JobSpec
from propwash_bigquery.keys import JobKey, hint_of, read_hint, read_meta
from propwash_bigquery.observing import job_of, key_of, labels_of, state_of
from propwash_bigquery.resources import JsonMap
from propwash_bigquery.sql_types import InputError
from propwash_bigquery.submission import job_resource, key_for, own_labels
from propwash_bigquery.wire import NameTaken

SpecT = TypeVar("SpecT", bound=JobSpec)


class BigQueryJobHandler(Handler[SpecT]):
    """Runs jobs of one form on BigQuery's REST API v2."""

    form: ClassVar[Form]
    traits: ClassVar[Traits] = Traits(
        has_unique_names=True, settle_s=60.0, poll_floor_s=1.0, poll_ceiling_s=5.0
    )
    batch_size: ClassVar[int] = 10_000
    settings_type: ClassVar[type[pydantic.BaseModel] | None] = BigQuerySettings

    def __init__(self, *, desks: Desks | None = None) -> None:
        self._desks = Desks() if desks is None else desks
        self._desks.enter(self)

    @abc.abstractmethod
    def configuration(self, request: CreateRequest[SpecT]) -> Mapping[str, object]:
        """The form's own part of the job's configuration; raises InputError for inputs that do not fit."""

    async def create(self, request: CreateRequest[SpecT]) -> Job:
        """jobs.insert under the request's name, where the hint says; on 409 the job that is there is adopted if its
        labels are ours.
        """
        desk = self._desks.of(request.connection)
        key = place_of(desk, request)
        resource = self.resource(request, key)
        try:
            return job_of(
                await desk.client.insert(key.project, resource, fields=self.form.fields), key, self.form
            )
        except NameTaken:
            return await self._adopted(desk, key, request)

    async def validate(self, request: CreateRequest[SpecT]) -> None:
        """Builds the job and sends nothing: BigQuery has a dry run of queries alone."""
        self.resource(request, place_of(self._desks.of(request.connection), request))

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        """Observe by lists where there are many, by jobs.get where there are few or a list cannot tell."""
        desk = self._desks.of(connection)
        return await Observer(desk.client, desk.listing, self.form).observe(metas)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        """jobs.get by id. A job of another's labels is none of ours."""
        desk = self._desks.of(connection)
        key = _key(desk, name, hint)
        resource = await self._looked_up(desk, key)
        if resource is None:
            return None
        job = job_of(resource, key, self.form)
        return job if _is_named_for_us(resource, name) else None

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        """jobs.cancel, confirmed by the job's state: DONE is GONE, anything else PENDING."""
        desk = self._desks.of(connection)
        key = _key(desk, name, hint) if meta is None else read(meta)
        try:
            return await self._cancelled(desk, key)
        except NotFound:
            found = None if key.location else await desk.listing.search(key.project, name, self.form)
        try:
            return Deletion.ABSENT if found is None else await self._cancelled(desk, key_of(found, key))
        except NotFound:
            # The list knows a job that cancel does not: that is no confirmation.
            return Deletion.PENDING

    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        """The live jobs of this form whose id carries the owner, in the connection's project and its sweep_projects."""
        desk = self._desks.of(connection)
        projects = dict.fromkeys(
            one for one in (desk.settings.project, *desk.settings.sweep_projects) if one is not None
        )
        keys = [key for project in projects for key in await desk.listing.ours(project, owner, self.form)]
        return [ListedJob(name=RemoteName(key.job_id), meta=key.meta()) for key in keys]

    def hint(self, connection: Connection, spec: SpecT) -> bytes:
        """Project and location, as the spec or the connection has them now; raises SettingsError."""
        settings = settings_of(connection)
        return hint_of(spec.project or settings.project or "", spec.location or settings.location or "")

    def queue_of(self, spec: SpecT) -> str:  # noqa: ARG002  a query's priority is in its spec
        """Which of BigQuery's own queues such a job waits in, by the name that its pool has."""
        return self.form.key

    def claims(self, connection: Connection, spec: SpecT) -> Sequence[Claim]:
        """One unit of the job's queue in its project and location."""
        settings = settings_of(connection)
        project, location = spec.project or settings.project, spec.location or settings.location
        if project is None:
            return ()
        place = (project, location_of(location or "default"), self.queue_of(spec))
        return (Claim(pool=pool_name("bigquery", *place)),)

    def links(self, connection: Connection, name: RemoteName, spec: SpecT) -> Sequence[Link]:
        """The job in Google's console."""
        settings = settings_of(connection)
        project = spec.project or settings.project
        if project is None:
            return ()
        return (JobKey(project, spec.location or settings.location or "", name).link(),)

    async def check(self, connection: Connection) -> Sequence[Checked]:
        """Settings, token, jobs.list and a dry run of SELECT 1 by jobs.insert, in this order."""
        return await checked(self._desks, connection)

    async def forget(self, connection: Connection) -> None:
        """Close the connection's session."""
        await self._desks.forget(connection)

    async def close(self) -> None:
        """Close the sessions, once no other form uses them."""
        await self._desks.leave(self)

    def resource(self, request: CreateRequest[SpecT], key: JobKey, *, is_dry_run: bool = False) -> JsonMap:
        """The job to insert; raises Permanent for inputs that do not fit."""
        try:
            configuration = self.configuration(request)
        except InputError as error:
            raise Permanent("INVALID_INPUTS", str(error)) from error
        return job_resource(request, key, self.form, configuration, is_dry_run=is_dry_run)

    async def _adopted(self, desk: Desk, key: JobKey, request: CreateRequest[SpecT]) -> Job:
        resource = await self._looked_up(desk, key)
        if resource is None:
            # BigQuery may deny a job for a while after it called its id a duplicate (python-bigquery issue 2134).
            raise Unavailable(
                "DUPLICATE_NOT_FOUND", "BigQuery calls the job a duplicate, and does not know it yet"
            )
        job, theirs = job_of(resource, key, self.form), labels_of(resource)
        if any(theirs.get(label) != value for label, value in own_labels(request).items()):
            raise Permanent("NAME_TAKEN", f"there is a job {key.job_id} that is not this execution's")
        return job

    async def _cancelled(self, desk: Desk, key: JobKey) -> Deletion:
        # A cancel that BigQuery refuses, as of a job that has just ended, is answered without a job.
        fields = self.form.fields
        resource = await desk.client.cancel(key, fields=fields) or await desk.client.get(key, fields=fields)
        return Deletion.GONE if state_of(resource) == "DONE" else Deletion.PENDING

    async def _looked_up(self, desk: Desk, key: JobKey) -> JsonMap | None:
        try:
            return await desk.client.get(key, fields=self.form.fields)
        except NotFound:
            if key.location:
                return None
        return await desk.listing.search(key.project, RemoteName(key.job_id), self.form)


def read(meta: bytes) -> JobKey:
    """The job of a meta; raises Unavailable for one that cannot be read."""
    try:
        return read_meta(meta)
    except ValueError as error:
        raise Unavailable("META_UNREADABLE", str(error)) from error


def place_of(desk: Desk, request: CreateRequest[SpecT]) -> JobKey:
    """Where the job goes: as the hint of the admission says, which find and delete are given too."""
    project, location = _place(request.hint)
    if request.hint:
        return key_for(project or desk.settings.project or "", location, request.name)
    spec, settings = request.spec, desk.settings
    return key_for(
        spec.project or settings.project or "", spec.location or settings.location or "", request.name
    )


def _key(desk: Desk, name: RemoteName, hint: bytes) -> JobKey:
    project, location = _place(hint)
    project = project or desk.settings.project or ""
    if not project:
        raise Unavailable("PROJECT_MISSING", "neither the hint nor the connection names a project")
    return JobKey(project, location or ("" if hint else desk.settings.location or ""), name)


def _place(hint: bytes) -> tuple[str, str]:
    try:
        return read_hint(hint)
    except ValueError as error:
        raise Unavailable("HINT_UNREADABLE", str(error)) from error


def _is_named_for_us(resource: JsonMap, name: RemoteName) -> bool:
    parsed = parse_remote_name(name)
    if parsed is None:
        return True
    mark = labels.mark(owner=parsed.owner, uid=parsed.uid, attempt=parsed.attempt)
    theirs = labels_of(resource)
    return all(theirs.get(label) == value for label, value in mark.items())
