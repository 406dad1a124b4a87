"""The handlers: one for each form of job. What they share is in job_handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from propwash.sdk import (
    CallLimits,
    Connection,
    CreateRequest,
    FlyteDialect,
    Permanent,
    Rate,
    ResultPage,
    Spec,
    Unavailable,
)
from propwash_bigquery.binding import bound_parameters
from propwash_bigquery.copy_spec import BigQueryCopySpec
from propwash_bigquery.extract_spec import BigQueryExtractSpec
from propwash_bigquery.flyte import QueryTasks
from propwash_bigquery.forms import COPY, EXTRACT, LOAD, Form
from propwash_bigquery.job_handler import BigQueryJobHandler, SpecT, place_of, read
from propwash_bigquery.load_spec import BigQueryLoadSpec
from propwash_bigquery.observing import failed
from propwash_bigquery.queries import QUERY
from propwash_bigquery.resources import error_of
from propwash_bigquery.rows import page_of
from propwash_bigquery.spec import BigQuerySpec
from propwash_bigquery.submission import own_part
from propwash_bigquery.templates import filled
from propwash_bigquery.wire import NameTaken

_MOST_ROWS = 10_000
_BOUND = frozenset({"query_parameters", "parameter_mode"})


def _limits(per_s: float) -> CallLimits:
    # "Quotas and limits", API requests: 100 a second for each user and method. The four forms share a user, and so
    # share these out: 70 to queries, 10 to each other form, of which a table takes 1,500 a day at most.
    rate = Rate(per_s=per_s, burst=per_s)
    return CallLimits(reads=rate, writes=rate, deletes=rate)


class BigQueryHandler(BigQueryJobHandler[BigQuerySpec]):
    """Runs query jobs; their inputs are query parameters, and their rows can be read."""

    task_types: ClassVar[tuple[str, ...]] = ("bigquery_query_job_task",)
    spec_type: ClassVar[type[Spec]] = BigQuerySpec
    description: ClassVar[str] = "Query jobs on Google BigQuery."
    flyte: ClassVar[FlyteDialect | None] = QueryTasks()
    form: ClassVar[Form] = QUERY
    limits: ClassVar[CallLimits] = _limits(70.0)

    def configuration(self, request: CreateRequest[BigQuerySpec]) -> Mapping[str, object]:
        """The query with its parameters."""
        made = own_part(request.spec, without=_BOUND)
        mode, parameters = bound_parameters(request.spec, request.inputs)
        if mode is not None:
            made["parameterMode"] = mode
        if parameters:
            made["queryParameters"] = parameters
        return made

    def queue_of(self, spec: BigQuerySpec) -> str:
        """interactive or batch."""
        return (spec.priority or "INTERACTIVE").lower()

    async def validate(self, request: CreateRequest[BigQuerySpec]) -> None:
        """A dry run: BigQuery parses and checks the query, and makes no job."""
        desk = self._desks.of(request.connection)
        key = place_of(desk, request)
        resource = self.resource(request, key, is_dry_run=True)
        try:
            answer = await desk.client.insert(key.project, resource, fields=self.form.fields)
        except NameTaken as error:
            raise Unavailable("UNEXPECTED_ANSWER", "BigQuery says that a dry run is a duplicate") from error
        failure = error_of(answer)
        if failure is not None:
            refusal = failed(failure, key)
            raise Permanent(refusal.reason, refusal.message)

    async def results(self, connection: Connection, meta: bytes, cursor: str, limit: int) -> ResultPage:
        """A page of the result's rows, typed by its schema."""
        client = self._desks.of(connection).client
        return page_of(await client.results(read(meta), token=cursor, limit=max(1, min(limit, _MOST_ROWS))))


class _TemplatedHandler(BigQueryJobHandler[SpecT]):
    """Runs jobs whose inputs stand in the texts of the configuration."""

    limits: ClassVar[CallLimits] = _limits(10.0)

    def configuration(self, request: CreateRequest[SpecT]) -> Mapping[str, object]:
        """The spec's part with its placeholders filled in."""
        return filled(own_part(request.spec), request.inputs)


class BigQueryLoadHandler(_TemplatedHandler[BigQueryLoadSpec]):
    """Runs load jobs."""

    task_types: ClassVar[tuple[str, ...]] = ("bigquery_load_job_task",)
    spec_type: ClassVar[type[Spec]] = BigQueryLoadSpec
    description: ClassVar[str] = "Load jobs on Google BigQuery: files into a table."
    form: ClassVar[Form] = LOAD


class BigQueryExtractHandler(_TemplatedHandler[BigQueryExtractSpec]):
    """Runs extract jobs."""

    task_types: ClassVar[tuple[str, ...]] = ("bigquery_extract_job_task",)
    spec_type: ClassVar[type[Spec]] = BigQueryExtractSpec
    description: ClassVar[str] = "Extract jobs on Google BigQuery: a table or model into files."
    form: ClassVar[Form] = EXTRACT


class BigQueryCopyHandler(_TemplatedHandler[BigQueryCopySpec]):
    """Runs copy jobs."""

    task_types: ClassVar[tuple[str, ...]] = ("bigquery_copy_job_task",)
    spec_type: ClassVar[type[Spec]] = BigQueryCopySpec
    description: ClassVar[str] = "Copy jobs on Google BigQuery: tables into a table, snapshots and clones."
    form: ClassVar[Form] = COPY
