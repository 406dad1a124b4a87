"""The stand-in itself: its routes, and what they stand on."""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sandbox import Answer, Call, Fault, Handle, MethodClass, Route, Standing, World
from propwash_bigquery.sandbox.engine import Engine
from propwash_bigquery.sandbox.errors import BigQueryError, denial, refusal
from propwash_bigquery.sandbox.http_jobs import HttpJobs, answered
from propwash_bigquery.sandbox.http_objects import HttpObjects
from propwash_bigquery.sandbox.http_results import HttpResults
from propwash_bigquery.sandbox.http_tables import HttpTables
from propwash_bigquery.sandbox.lifecycle import SYSTEM, Jobs
from propwash_bigquery.sandbox.objects import ObjectStore
from propwash_bigquery.sandbox.registry import Registry

_ROOT = "/bigquery/v2/projects/{project}"


class BigQueryStandIn:
    """BigQuery's REST API v2 in this process, and behind it a store of the objects that gs:// addresses name."""

    name = SYSTEM

    def __init__(self, world: World) -> None:
        self._engine = Engine()
        self._registry = Registry()
        self._store = ObjectStore()
        self.jobs = Jobs(world, self._engine, self._registry, self._store)
        self._objects = HttpObjects(self._store)
        self._http_jobs = HttpJobs(world, self._engine, self._registry, self.jobs)
        self._results = HttpResults(world, self._engine, self._http_jobs, self.jobs)
        self._tables = HttpTables(world, self._engine, self.jobs.anonymous_rows)

    def routes(self) -> Sequence[Route]:
        """Every method, the often used first."""
        jobs, results, tables = self._http_jobs, self._results, self._tables
        create, get, listing, delete = (
            MethodClass.CREATE,
            MethodClass.GET,
            MethodClass.LIST,
            MethodClass.DELETE,
        )
        datasets = f"{_ROOT}/datasets"
        table = f"{datasets}/{{dataset}}/tables"
        other = MethodClass.OTHER
        plain: tuple[tuple[str, str, str, MethodClass, Handle], ...] = (
            ("GET", f"{_ROOT}/jobs/{{job}}", "jobs.get", get, answered(jobs.get)),
            ("POST", f"{_ROOT}/jobs", "jobs.insert", create, jobs.insert),
            ("GET", f"{_ROOT}/jobs", "jobs.list", listing, answered(jobs.list_jobs)),
            ("POST", f"{_ROOT}/jobs/{{job}}/cancel", "jobs.cancel", delete, answered(jobs.cancel)),
            ("DELETE", f"{_ROOT}/jobs/{{job}}/delete", "jobs.delete", delete, answered(jobs.delete)),
            ("GET", f"{_ROOT}/queries/{{job}}", "jobs.getQueryResults", get, results.get),
            ("POST", f"{_ROOT}/queries", "jobs.query", create, results.query),
            ("POST", datasets, "datasets.insert", other, tables.handle(tables.insert_dataset)),
            ("GET", datasets, "datasets.list", other, tables.handle(tables.list_datasets)),
            ("GET", f"{datasets}/{{dataset}}", "datasets.get", other, tables.handle(tables.get_dataset)),
            (
                "DELETE",
                f"{datasets}/{{dataset}}",
                "datasets.delete",
                other,
                tables.handle(tables.delete_dataset),
            ),
            ("POST", table, "tables.insert", other, tables.handle(tables.insert_table)),
            ("GET", table, "tables.list", other, tables.handle(tables.list_tables)),
            ("GET", f"{table}/{{table}}", "tables.get", other, tables.handle(tables.get_table)),
            ("DELETE", f"{table}/{{table}}", "tables.delete", other, tables.handle(tables.delete_table)),
            ("GET", f"{table}/{{table}}/data", "tabledata.list", other, tables.handle(tables.list_rows)),
            ("*", "/bigquery/{rest:.*}", "unknown", other, answered(_unknown)),
        )
        return [
            *(
                Route(verb=verb, path=path, name=name, method=method, handle=handle)
                for verb, path, name, method, handle in plain
            ),
            *self._objects.routes(),
        ]

    def refuse(self, fault: Fault) -> Answer:
        """BigQuery's own words for throttling, quota and failure."""
        return refusal(fault)

    def identity(self, call: Call) -> str | None:
        """The bearer token."""
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" and token else None

    def deny(self, standing: Standing) -> Answer:
        """401 for a token that does not count, 403 for an account without permission."""
        return denial(standing)

    def reset(self) -> None:
        """Forget all jobs and data; what runs is interrupted."""
        self.jobs.clear()
        self._registry.clear()
        self._results.clear()
        self._tables.clear()
        self._store.clear()
        self._engine.clear()

    async def close(self) -> None:
        """Let long polls go and interrupt what runs."""
        self.jobs.let_go()
        self._engine.close()


def _unknown(call: Call) -> Answer:
    raise BigQueryError("notFound", f"Not Found: /bigquery/{call.path['rest']}")
