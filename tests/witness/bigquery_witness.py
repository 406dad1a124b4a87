"""Handlers against local-bigquery, and what it lacks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from propwash.core.names import remote_name
from propwash.engine.ids import new_uid
from propwash.sdk import Connection, CreateRequest, Deletion, Job, Observation, RemotePhase, Value
from propwash_bigquery import (
    BigQueryCopyHandler,
    BigQueryExtractHandler,
    BigQueryHandler,
    BigQueryLoadHandler,
)
from propwash_bigquery.desks import Desks
from propwash_bigquery.job_handler import BigQueryJobHandler, SpecT

PROJECT = "local"
DATASET = "local"
LONG = (
    "SELECT SUM(MOD(a * b, 7)) AS s FROM UNNEST(GENERATE_ARRAY(1, 300000)) a "
    "CROSS JOIN UNNEST(GENERATE_ARRAY(1, 300000)) b"
)
"""Runs for minutes, unless it is cancelled."""
LACKS: Mapping[str, str] = {
    "the mask `fields` is ignored": "tests/sandbox/test_sandbox_bigquery.py",
    "more than 8 jobs at once; a cancel of others may hang": "tests/plugins/bigquery/test_bigquery_batches.py",
    "refusals for rate and quota (403, 429), and 5xx": "tests/plugins/bigquery/test_bigquery_errors.py",
    "lost answers, late creates and other faults": "tests/plugins/bigquery/test_bigquery_answers.py",
    "locations: every job is in US, whatever it asks for": "tests/plugins/bigquery/test_bigquery_handler.py",
    "jobs that are forgotten, and eventual consistency of its list": "tests/sandbox/test_sandbox_bigquery.py",
    "callers: a token is neither asked for nor checked": "tests/plugins/bigquery/test_bigquery_credentials.py",
    "the reason notFound: a table that is not there fails with accessDenied": "tests/sandbox/test_sandbox_bigquery.py",
    "jobTimeoutMs": "tests/sandbox/test_sandbox_bigquery.py",
}
"""What this witness lacks, and where the sandbox covers it."""


@dataclass(slots=True)
class BigQueryWitness:
    """The handlers of all forms, and the connection to the witness."""

    query: BigQueryHandler
    load: BigQueryLoadHandler
    extract: BigQueryExtractHandler
    copy: BigQueryCopyHandler
    connection: Connection
    owner: str

    def request(
        self,
        handler: BigQueryJobHandler[SpecT],
        *,
        inputs: Mapping[str, Value] | None = None,
        labels: Mapping[str, str] | None = None,
        **spec: object,
    ) -> CreateRequest[SpecT]:
        uid = new_uid(time.time())
        parsed = handler.spec_type.model_validate(spec)
        made: CreateRequest[SpecT] = CreateRequest(
            name=remote_name(owner=self.owner, uid=uid, attempt=1),
            owner=self.owner,
            uid=uid,
            attempt=1,
            spec=parsed,  # type: ignore[arg-type]
            inputs=inputs or {},
            labels=labels or {},
            connection=self.connection,
        )
        return replace(made, hint=handler.hint(self.connection, made.spec))

    async def ended(self, handler: BigQueryJobHandler[SpecT], meta: bytes) -> Observation:
        """The first observation of an end."""
        async with asyncio.timeout(30):
            while True:
                seen = (await handler.get(self.connection, [meta]))[meta]
                assert isinstance(seen, Observation), seen
                if seen.phase in (RemotePhase.SUCCEEDED, RemotePhase.FAILED):
                    return seen
                # The witness tells nobody when a job ends.
                await asyncio.sleep(0.05)

    async def gone(
        self, handler: BigQueryJobHandler[SpecT], request: CreateRequest[SpecT], meta: bytes
    ) -> None:
        """Delete until the system confirms it, as the engine does: this witness may miss a cancel of a job that is
        just about to run.
        """
        async with asyncio.timeout(30):
            while True:
                said = await handler.delete(self.connection, request.name, meta, request.hint)
                if said is Deletion.GONE:
                    return
                assert said is Deletion.PENDING
                await asyncio.sleep(0.05)

    async def done(self, request: CreateRequest[SpecT], handler: BigQueryJobHandler[SpecT]) -> Observation:
        """Create, and observe until the end."""
        job: Job = await handler.create(request)
        return await self.ended(handler, job.meta)


@asynccontextmanager
async def witness(url: str) -> AsyncIterator[BigQueryWitness]:
    """Handlers of one test, under an owner of its own."""
    desks = Desks()
    settings = {"project": PROJECT, "location": "US", "credentials": "none"}
    made = BigQueryWitness(
        BigQueryHandler(desks=desks),
        BigQueryLoadHandler(desks=desks),
        BigQueryExtractHandler(desks=desks),
        BigQueryCopyHandler(desks=desks),
        Connection(name="witness", endpoint=url, settings=settings),
        f"w{time.monotonic_ns() % 10**9}",
    )
    try:
        yield made
    finally:
        for handler in (made.query, made.load, made.extract, made.copy):
            await handler.close()
