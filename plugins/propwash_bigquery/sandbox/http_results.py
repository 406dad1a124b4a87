"""Results over HTTP: getQueryResults with its long poll and paging, and jobs.query (BigQuery REST v2)."""

from __future__ import annotations

import asyncio
from typing import Any

from multidict import MultiDict

from propwash.sandbox import Answer, Call, World
from propwash_bigquery.sandbox.engine import Engine, Rows
from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.execution import dry_run
from propwash_bigquery.sandbox.http_jobs import HttpJobs, json_answer, whole
from propwash_bigquery.sandbox.jobs import Job
from propwash_bigquery.sandbox.lifecycle import Jobs
from propwash_bigquery.sandbox.requests import body_of, checked_configuration
from propwash_bigquery.sandbox.types import TimestampForm, wire_row

# getQueryResults and jobs.query wait 10 s unless timeoutMs says otherwise, and never longer than this.
_DEFAULT_WAIT_MS = 10_000
_LONGEST_WAIT_MS = 200_000
_MOST_ROWS = 10_000
_REMEMBERED_S = 15 * 60.0


def timestamp_form(options: dict[str, Any]) -> TimestampForm:
    """The form of instants that DataFormatOptions ask for."""
    if str(options.get("timestampOutputFormat", "")).upper() == "ISO8601_STRING":
        return TimestampForm.ISO8601
    if str(options.get("useInt64Timestamp", "")).lower() == "true":
        return TimestampForm.INT64_MICROSECONDS
    return TimestampForm.FLOAT_SECONDS


def format_options(call: Call) -> dict[str, str]:
    """The formatOptions.* parameters of a query string."""
    return {
        name.partition(".")[2]: value
        for name, value in call.query.items()
        if name.startswith("formatOptions.")
    }


def page_of(rows: Rows, call: Call, form: TimestampForm) -> dict[str, Any]:
    """The rows that startIndex, pageToken and maxResults name, with the total and the token to go on from."""
    start = whole(call.query, "pageToken")
    if start is None:
        start = whole(call.query, "startIndex") or 0
    asked = whole(call.query, "maxResults")
    size = _MOST_ROWS if asked is None else min(asked, _MOST_ROWS)
    page: dict[str, Any] = {"totalRows": str(len(rows.rows))}
    taken = rows.rows[start : start + size]
    if taken:
        page["rows"] = [wire_row(row, rows.schema, form) for row in taken]
    if size and start + size < len(rows.rows):
        page["pageToken"] = str(start + size)
    return page


class HttpResults:
    """Answers calls for results."""

    def __init__(self, world: World, engine: Engine, http_jobs: HttpJobs, jobs: Jobs) -> None:
        self._world = world
        self._engine = engine
        self._http_jobs = http_jobs
        self._jobs = jobs
        self._by_request_id: dict[tuple[str, str], Job] = {}

    def clear(self) -> None:
        """Forget request ids."""
        self._by_request_id.clear()

    async def get(self, call: Call) -> Answer:
        """jobs.getQueryResults."""
        try:
            job = self._http_jobs.find(call)
            wait_ms = whole(call.query, "timeoutMs")
            answer = await self._results(job, call, wait_ms, timestamp_form(format_options(call)))
        except BigQueryError as error:
            return error.answer()
        return json_answer({"kind": "bigquery#getQueryResultsResponse", **answer}, call)

    async def query(self, call: Call) -> Answer:
        """jobs.query: insert, wait and the first page in one. The same requestId within 15 minutes is the same job."""
        try:
            answer = await self._query(call)
        except BigQueryError as error:
            return error.answer()
        return json_answer({"kind": "bigquery#queryResponse", **answer}, call)

    async def _query(self, call: Call) -> dict[str, Any]:
        project, body = call.path["project"], body_of(call.body)
        of_job = {name: body[name] for name in ("labels", "jobTimeoutMs") if name in body}
        known = ("query", "defaultDataset", "useLegacySql", "parameterMode", "queryParameters", "maximumBytesBilled",
                 "useQueryCache", "createSession", "connectionProperties", "destinationEncryptionConfiguration",
                 "continuous", "writeIncrementalResults")  # fmt: skip
        query = {name: body[name] for name in known if name in body}
        configuration = checked_configuration({"configuration": {**of_job, "query": query}})
        location = body.get("location") or "US"
        if body.get("dryRun"):
            return await self._dry_run(project, location, configuration)
        job = self._remembered(project, body.get("requestId"))
        if job is None:
            job = self._jobs.create(project, {"location": location}, configuration, fault=call.fault)
            if body.get("requestId"):
                self._by_request_id[project, str(body["requestId"])] = job
        paging = MultiDict(
            {"maxResults": str(body["maxResults"])} if body.get("maxResults") is not None else {}
        )
        form = timestamp_form(body.get("formatOptions") or {})
        wait_ms = body.get("timeoutMs")
        within = Call(path=call.path, query=paging)
        answer = await self._results(job, within, None if wait_ms is None else int(wait_ms), form)
        return {**answer, "location": job.location, "jobCreationReason": {"code": "REQUESTED"}}

    def _remembered(self, project: str, request_id: object) -> Job | None:
        job = self._by_request_id.get((project, str(request_id))) if request_id else None
        return job if job is not None and self._jobs.now() - job.created_at < _REMEMBERED_S else None

    async def _results(
        self, job: Job, call: Call, wait_ms: int | None, form: TimestampForm
    ) -> dict[str, Any]:
        wait_s = min(_DEFAULT_WAIT_MS if wait_ms is None else wait_ms, _LONGEST_WAIT_MS) / 1000
        answer: dict[str, Any] = {"jobReference": job.reference}
        if not await self._jobs.done(job, timeout_s=wait_s):
            return {**answer, "jobComplete": False}
        if job.error is not None:
            raise job.error
        answer |= {
            "jobComplete": True,
            "cacheHit": False,
            "totalBytesProcessed": str(job.processed_bytes),
        }
        rows, statement = job.rows, job.statement
        if rows is None or statement is None:
            return {**answer, "totalRows": "0"}
        if statement.is_dml:
            return {**answer, "numDmlAffectedRows": str(rows.affected or 0), "totalRows": "0"}
        if not statement.is_query:
            return {**answer, "totalRows": "0"}
        return {**answer, "schema": {"fields": rows.schema}, **page_of(rows, call, form)}

    async def _dry_run(self, project: str, location: str, configuration: dict[str, Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        query = configuration["query"]
        found = await loop.run_in_executor(self._world.workers, dry_run, self._engine, project, query)
        return {
            "jobReference": {"projectId": project, "location": location},
            "jobComplete": True,
            "schema": {"fields": found.schema},
            "totalRows": "0",
            "totalBytesProcessed": str(found.processed_bytes),
            "cacheHit": False,
        }
