"""Turns what Snowflake says of a statement into what the engine wants to know.

Sources: Snowflake documentation, "Snowflake SQL API reference" (202 while it runs, 200 with the result, 422 when it has
failed) and "QUERY_HISTORY" (EXECUTION_STATUS). What is in neither ends nothing.
"""

from __future__ import annotations

from propwash.sdk import Json, Link, NotFound, Observation, RemotePhase, Verdict
from propwash_snowflake.errors import RemoteError, rule_of, verdict
from propwash_snowflake.history import Entry
from propwash_snowflake.resources import JsonMap, text, whole
from propwash_snowflake.wire import Statement

_MOST_MESSAGE = 4000
_MOST_COLUMNS = 200
"""Outputs are stored with the execution: a wider result has no schema among them, as a part of one would mislead."""
_IN_PROGRESS = frozenset({"333333", "333334"})
_WAITS = {
    "QUEUED": "the statement waits for the warehouse",
    "RESUMING_WAREHOUSE": "the warehouse is being resumed",
    "QUEUED_REPARING_WAREHOUSE": "the warehouse is being repaired",
    "QUEUED_REPAIRING_WAREHOUSE": "the warehouse is being repaired",
}
_RUNS = {
    "RUNNING": "Snowflake runs the statement",
    "BLOCKED": "the statement waits for a lock that another holds",
}
FAILED = frozenset({"FAILED_WITH_ERROR", "FAILED_WITH_INCIDENT", "ABORTED"})
SUCCESS = "SUCCESS"


def link_of(console: str, handle: str) -> Link:
    """The statement's page in Snowsight."""
    return Link(title="Snowflake query", uri=f"{console}/#/compute/history/queries/{handle}/detail")


def of_statement(found: Statement, links: tuple[Link, ...]) -> Observation:
    """What an answer of 200 or 202 says."""
    if not found.is_running:
        return Observation(phase=RemotePhase.SUCCEEDED, links=links, outputs=_outputs(found))
    said = "Snowflake runs the statement"
    if found.code not in _IN_PROGRESS:
        said = f"Snowflake's code is {found.code[:20]}, which is not known here: {found.message[:200]}"
    return Observation(phase=RemotePhase.RUNNING, message=said, links=links)


def of_error(error: RemoteError, links: tuple[Link, ...]) -> Observation | Verdict:
    """What an error answer to a look says: 422 and 408 that a statement has failed, others nothing of it."""
    if error.is_unknown_statement:
        return NotFound(error.message)
    if error.status not in (408, 422) or not error.code:
        return verdict(error, is_submitting=False)
    return _failed(error.code, error.sql_state, error.message, links)


def of_entry(entry: Entry, links: tuple[Link, ...]) -> Observation:
    """What the history says."""
    if entry.status in FAILED:
        if not entry.code and entry.status == "ABORTED":
            return _failed("000604", "57014", entry.message, links)
        state = "XX" if entry.status == "FAILED_WITH_INCIDENT" else ""
        return _failed(entry.code, state, entry.message, links)
    if entry.status == SUCCESS:
        made: dict[str, Json] = {"statement_handle": entry.handle, "ended_ms": entry.ended_ms}
        if entry.row_count is not None:
            made["row_count"] = entry.row_count
        return Observation(phase=RemotePhase.SUCCEEDED, links=links, outputs=made)
    if said := _WAITS.get(entry.status):
        return Observation(phase=RemotePhase.PENDING, message=said, links=links)
    unknown = f"Snowflake's state is {entry.status[:40]}, which is not known here"
    return Observation(phase=RemotePhase.RUNNING, message=_RUNS.get(entry.status, unknown), links=links)


def _failed(code: str, sql_state: str, message: str, links: tuple[Link, ...]) -> Observation:
    rule = rule_of(code, sql_state)
    return Observation(
        phase=RemotePhase.FAILED,
        reason=rule.reason,
        message=f"{code}: {message}"[:_MOST_MESSAGE],
        is_retryable=rule.is_retryable,
        links=links,
    )


def _outputs(found: Statement) -> dict[str, Json]:
    made: dict[str, Json] = {"statement_handle": found.handle, "created_ms": found.created_ms}
    if found.row_count is not None:
        made["row_count"] = found.row_count
    if 0 < len(found.columns) <= _MOST_COLUMNS:
        made["schema"] = tuple(_column(one) for one in found.columns)
    stats = found.answer.get("stats")
    if isinstance(stats, dict):
        made["stats"] = {str(name): value for name, value in stats.items() if isinstance(value, int)}
    if found.children:
        made["child_handles"] = found.children
    return made


def _column(column: JsonMap) -> dict[str, Json]:
    made: dict[str, Json] = {"name": text(column, "name"), "type": text(column, "type")}
    scale = whole(column, "scale")
    return {**made, "scale": scale} if scale and text(column, "type").upper() == "FIXED" else made
