"""A BigQuery job and its REST resource (discovery document bigquery:v2, schema Job)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from propwash.sandbox import LedgerJob
from propwash_bigquery.sandbox.engine import Rows, Run
from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.fields import apply_mask, parse_mask
from propwash_bigquery.sandbox.sql import Statement, TableName

ANONYMOUS_DATASET = "_sandbox_anonymous"
UNKNOWN_STATE = "REBALANCING"
_MINIMUM_BILLED_BYTES = 10 * 1024 * 1024
_EMAIL = "sandbox@propwash.invalid"


@dataclass(slots=True, eq=False, kw_only=True)
class Job:
    """One job. Instants are seconds since the Unix epoch; PENDING and RUNNING follow from the clock alone."""

    project: str
    job_id: str
    location: str
    configuration: dict[str, Any]
    labels: dict[str, str]
    ledger: LedgerJob
    created_at: float
    start_at: float
    ended_at: float | None = None
    error: BigQueryError | None = None
    rows: Rows | None = None
    statement: Statement | None = None
    processed_bytes: int = 0
    moved: dict[str, Any] = field(default_factory=dict)
    """The statistics of a load, extract or copy."""
    is_script: bool = False
    text: str = ""
    parent: Job | None = None
    children: list[Job] = field(default_factory=list)
    run: Run | None = None
    # Why the job is being ended from outside; None while it is not.
    stop: str | None = None
    is_stuck: bool = False
    is_deleted: bool = False
    was_cancel_ignored: bool = False
    hidden_until: float = 0.0
    unknown_until: float = 0.0
    waiters: list[asyncio.Future[None]] = field(default_factory=list)
    fragments: dict[str, bytes] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """query, load, extract or copy."""
        return str(self.configuration["jobType"]).lower()

    @property
    def query(self) -> dict[str, Any]:
        """The query configuration; empty for a job of another kind."""
        query: dict[str, Any] = self.configuration.get("query") or {}
        return query

    @property
    def destination(self) -> TableName:
        """The table that the configuration names, or the anonymous one that holds the results."""
        given = self.query.get("destinationTable")
        if given:
            return TableName(given.get("projectId", self.project), given["datasetId"], given["tableId"])
        return TableName(self.project, ANONYMOUS_DATASET, f"anon_{self.ledger.number}")

    def state(self, now: float) -> str:
        """PENDING, RUNNING or DONE."""
        if self.ended_at is not None:
            return "DONE"
        return "RUNNING" if now >= self.start_at else "PENDING"

    def fragment(self, now: float, *, form: str, mask: str = "") -> bytes:
        """The resource as JSON. form is "job" for get and insert, "full" or "minimal" for an entry of a list."""
        state = self.state(now)
        if now < self.unknown_until:
            return self._dump(now, form, mask, UNKNOWN_STATE)
        key = f"{state}|{form}|{mask}"
        made = self.fragments.get(key)
        if made is None:
            made = self.fragments[key] = self._dump(now, form, mask, state)
        return made

    def _dump(self, now: float, form: str, mask: str, state: str) -> bytes:
        resource = self.resource(now, state=state)
        if form != "job":
            resource["state"] = state
            if self.error is not None:
                resource["errorResult"] = self.error.proto()
        if form == "minimal":
            del resource["configuration"]
        if mask:
            resource = apply_mask(parse_mask(mask), resource)
        return json.dumps(resource, separators=(",", ":")).encode()

    def resource(self, now: float, *, state: str) -> dict[str, Any]:
        """The Job resource."""
        status: dict[str, Any] = {"state": state}
        if self.error is not None:
            status["errorResult"] = self.error.proto()
            status["errors"] = [one.proto() for one in (self.error, *self.error.details)]
        return {
            "kind": "bigquery#job",
            "etag": f"{self.ledger.number}-{state}",
            "id": f"{self.project}:{self.location}.{self.job_id}",
            "selfLink": f"/bigquery/v2/projects/{self.project}/jobs/{self.job_id}?location={self.location}",
            "user_email": _EMAIL,
            "principal_subject": f"serviceAccount:{_EMAIL}",
            "jobReference": self.reference,
            "configuration": self._shown_configuration(),
            "statistics": self._statistics(now),
            "status": status,
        }

    @property
    def reference(self) -> dict[str, str]:
        """The JobReference."""
        return {"projectId": self.project, "jobId": self.job_id, "location": self.location}

    def _shown_configuration(self) -> dict[str, Any]:
        if self.is_script or self.kind != "query":
            return self.configuration
        return {**self.configuration, "query": {**self.query, "destinationTable": self.destination.reference}}

    def _statistics(self, now: float) -> dict[str, Any]:
        statistics: dict[str, Any] = {"creationTime": _ms(self.created_at)}
        if self.ended_at is not None or now >= self.start_at:
            statistics["startTime"] = _ms(self.start_at)
        if self.parent is not None:
            statistics["parentJobId"] = self.parent.job_id
            statistics["scriptStatistics"] = {
                "evaluationKind": "STATEMENT",
                "stackFrames": [{"startLine": 1, "startColumn": 1, "text": self.text}],
            }
        if self.children:
            statistics["numChildJobs"] = str(len(self.children))
        if self.ended_at is None:
            return statistics
        statistics["endTime"] = _ms(self.ended_at)
        statistics["totalSlotMs"] = str(int((self.ended_at - self.start_at) * 1000))
        if self.kind != "query":
            if self.error is None:
                statistics[self.kind] = self.moved
            return statistics
        statistics["totalBytesProcessed"] = str(self.processed_bytes)
        statistics["query"] = query_statistics(self.statement, self.rows, self.processed_bytes)
        if self.is_script:
            statistics["query"]["statementType"] = "SCRIPT"
        return statistics


def query_statistics(statement: Statement | None, rows: Rows | None, processed_bytes: int) -> dict[str, Any]:
    """JobStatistics2: what a query did or, in a dry run, would do. A statement that failed to parse has little."""
    shown: dict[str, Any] = {
        "totalBytesProcessed": str(processed_bytes),
        "totalBytesBilled": str(billed_bytes(statement, processed_bytes)),
        "cacheHit": False,
    }
    if statement is None:
        return shown
    shown["statementType"] = statement.kind
    if statement.is_query:
        shown["referencedTables"] = [table.reference for table in statement.tables]
    if rows is None:
        return shown
    if statement.is_dml:
        affected = str(rows.affected or 0)
        counted = {"INSERT": "insertedRowCount", "UPDATE": "updatedRowCount", "DELETE": "deletedRowCount"}
        shown["numDmlAffectedRows"] = affected
        if statement.kind in counted:
            shown["dmlStats"] = {counted[statement.kind]: affected}
    elif statement.kind.partition("_")[0] in {"CREATE", "DROP", "ALTER", "TRUNCATE"}:
        shown["ddlOperationPerformed"] = statement.kind.partition("_")[0]
        if statement.target is not None:
            shown["ddlTargetTable"] = statement.target.reference
    return shown


def billed_bytes(statement: Statement | None, processed_bytes: int) -> int:
    """At least 10 MB for each table that is read; nothing where none is."""
    tables = 0 if statement is None else len(statement.tables)
    return max(processed_bytes, tables * _MINIMUM_BILLED_BYTES) if tables else 0


def _ms(instant: float) -> str:
    return str(int(instant * 1000))
