"""The jobs resource over HTTP: insert, get, list, cancel, delete (BigQuery REST v2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from multidict import MultiMapping

from propwash.sandbox import Answer, Call, FaultKind, World
from propwash_bigquery.sandbox.engine import Engine
from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.execution import dry_run
from propwash_bigquery.sandbox.fields import apply_mask, parse_mask
from propwash_bigquery.sandbox.jobs import Job, query_statistics
from propwash_bigquery.sandbox.lifecycle import Jobs
from propwash_bigquery.sandbox.registry import Registry
from propwash_bigquery.sandbox.requests import body_of, checked_configuration

_MOST_LISTED = 1000


def answered(handle: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
    """The handle with BigQuery's errors turned into answers."""

    def guarded(call: Call) -> Answer:
        try:
            return handle(call)
        except BigQueryError as error:
            return error.answer()

    return guarded


def json_answer(value: Any, call: Call, *, status: int = 200) -> Answer:
    """A value as an answer, with the call's `fields` mask applied."""
    mask = call.query.get("fields")
    if mask:
        value = apply_mask(parse_mask(mask), value)
    return Answer(status, json.dumps(value, separators=(",", ":")).encode())


def whole(query: MultiMapping[str], name: str) -> int | None:
    """A query parameter that is a whole number. Raises BigQueryError."""
    text = query.get(name)
    if not text:
        return None
    if not text.isdecimal():
        raise BigQueryError("invalid", f"Invalid value for {name}: {text}", location=name)
    return int(text)


class HttpJobs:
    """Answers calls on jobs."""

    def __init__(self, world: World, engine: Engine, registry: Registry, jobs: Jobs) -> None:
        self._world = world
        self._engine = engine
        self._registry = registry
        self._jobs = jobs

    async def insert(self, call: Call) -> Answer:
        """jobs.insert. A dry run is answered with what it would do, and leaves no job."""
        try:
            body = body_of(call.body)
            configuration = checked_configuration(body)
            project = call.path["project"]
            if configuration.get("dryRun"):
                return await self._dry_run(call, project, configuration)
            reference = body.get("jobReference") or {}
            if reference.get("projectId", project) != project:
                raise BigQueryError("invalid", "Value mismatch: projectId in the path and in jobReference")
            job = self._jobs.create(project, reference, configuration, fault=call.fault)
        except BigQueryError as error:
            return error.answer()
        return Answer(200, job.fragment(self._jobs.now(), form="job", mask=call.query.get("fields", "")))

    def get(self, call: Call) -> Answer:
        """jobs.get."""
        job, now = self.find(call), self._jobs.now()
        self._show_unknown(job, call, now)
        return Answer(200, job.fragment(now, form="job", mask=call.query.get("fields", "")))

    def cancel(self, call: Call) -> Answer:
        """jobs.cancel: answers at once; the job ends later."""
        job = self.find(call)
        self._jobs.cancel(job, fault=call.fault)
        mask = parse_mask(call.query["fields"]) if call.query.get("fields") else {}
        shown = job.fragment(self._jobs.now(), form="job", mask=_text(mask.get("job", {})))
        return Answer(200, b'{"kind":"bigquery#jobCancelResponse","job":' + shown + b"}")

    def delete(self, call: Call) -> Answer:
        """jobs.delete: removes the metadata of a job that is done and of its children. The id stays taken."""
        job = self.find(call)
        if job.ended_at is None:
            raise BigQueryError("invalid", f"Cannot delete job {job.job_id}: it is not done")
        for gone in (job, *job.children):
            gone.is_deleted = True
            gone.rows = None
        return Answer(204)

    def list_jobs(self, call: Call) -> Answer:
        """jobs.list: newest first, top-level jobs only unless parentJobId is given."""
        query, now = call.query, self._jobs.now()
        size = min(whole(query, "maxResults") or _MOST_LISTED, _MOST_LISTED)
        wanted = {state.upper() for state in query.getall("stateFilter", ())}
        if not wanted <= {"DONE", "PENDING", "RUNNING"}:
            raise BigQueryError("invalid", f"Invalid value for stateFilter: {', '.join(sorted(wanted))}")
        entries, token = self._matching(call, wanted, size, now)
        if call.fault is not None and call.fault.kind is FaultKind.LIST_MISSES_NEWEST:
            known_at = now - call.fault.duration_s
            entries = [job for job in entries if job.created_at <= known_at]
        if entries:
            self._show_unknown(entries[0], call, now)
        form = "full" if query.get("projection", "").lower() == "full" else "minimal"
        mask = parse_mask(query["fields"]) if query.get("fields") else None
        per_job = "" if mask is None or not mask.get("jobs") else _text(mask["jobs"])
        head: dict[str, Any] = {"kind": "bigquery#jobList", "etag": str(int(now * 1000))}
        if token is not None:
            head["nextPageToken"] = str(token)
        if mask is not None:
            head = apply_mask(
                {name: below for name, below in mask.items() if name != "jobs"} or {"-": {}}, head
            )
        if not entries or (mask is not None and "jobs" not in mask and "*" not in mask):
            return Answer(200, json.dumps(head).encode())
        listed = b",".join([job.fragment(now, form=form, mask=per_job) for job in entries])
        opened = json.dumps(head, separators=(",", ":")).encode()[:-1]
        return Answer(200, opened + (b"," if head else b"") + b'"jobs":[' + listed + b"]}")

    def find(self, call: Call) -> Job:
        """The job that a call's path and location name. Raises BigQueryError (notFound)."""
        jobs = self._registry.project(call.path["project"])
        return jobs.find(call.path["job"], call.query.get("location"), self._jobs.now())

    def _matching(self, call: Call, wanted: set[str], size: int, now: float) -> tuple[list[Job], int | None]:
        query = call.query
        parent_id = query.get("parentJobId")
        jobs = self._registry.project(call.path["project"])
        if parent_id:
            children = jobs.find(parent_id, query.get("location"), now).children
            found = [child for child in reversed(children) if not wanted or child.state(now) in wanted]
            return found[:size], None
        entries: list[Job] = []
        for position, job in jobs.newest_first(
            before=whole(query, "pageToken"),
            min_ms=whole(query, "minCreationTime"),
            max_ms=whole(query, "maxCreationTime"),
            now=now,
        ):
            if wanted and job.state(now) not in wanted:
                continue
            if len(entries) == size:
                return entries, position + 1
            entries.append(job)
        return entries, None

    def _show_unknown(self, job: Job, call: Call, now: float) -> None:
        if call.fault is not None and call.fault.kind is FaultKind.UNKNOWN_STATE:
            job.unknown_until = now + call.fault.duration_s

    async def _dry_run(self, call: Call, project: str, configuration: dict[str, Any]) -> Answer:
        if configuration["jobType"] != "QUERY":
            return json_answer(self._would_be(project, configuration, {}), call)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._world.workers, dry_run, self._engine, project, configuration["query"]
        )
        statistics = query_statistics(found.statement, None, found.processed_bytes)
        if found.statement.is_query:
            statistics["schema"] = {"fields": found.schema}
        told = {"totalBytesProcessed": str(found.processed_bytes), "query": statistics}
        return json_answer(self._would_be(project, configuration, told), call)

    def _would_be(self, project: str, configuration: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        return {
            "kind": "bigquery#job",
            "id": f"{project}:US.",
            "jobReference": {"projectId": project, "location": "US"},
            "configuration": configuration,
            "statistics": {"creationTime": str(int(self._jobs.now() * 1000)), **told},
            "status": {"state": "DONE"},
        }


def _text(mask: dict[str, Any]) -> str:
    return ",".join(f"{name}({_text(below)})" if below else name for name, below in mask.items())
