"""What a query job produced.

Source: BigQuery REST v2 reference, JobStatistics2, DmlStats, ScriptStatistics.
"""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sdk import Json
from propwash_bigquery.errors import stable_reason
from propwash_bigquery.forms import Form, Outputs, counted
from propwash_bigquery.resources import JsonMap, child_count, error_of, items, mapping, table_of, text, whole

_COUNTS = (
    ("bytes_processed", "totalBytesProcessed"),
    ("bytes_billed", "totalBytesBilled"),
    ("dml_affected_rows", "numDmlAffectedRows"),
)
_DML_COUNTS = (
    ("inserted_rows", "insertedRowCount"),
    ("updated_rows", "updatedRowCount"),
    ("deleted_rows", "deletedRowCount"),
)


def _outputs(resource: JsonMap, children: Sequence[JsonMap]) -> Outputs:
    statistics = mapping(resource, "statistics")
    query = mapping(statistics, "query")
    made: Outputs = {}
    if table := _result_of(resource) or _key_result(resource, children):
        made["results"] = table
    if kind := text(query, "statementType"):
        made["statement_type"] = kind
    for name, field in _COUNTS:
        count = whole(query, field)
        count = whole(statistics, field) if count is None else count
        if count is not None:
            made[name] = count
    if isinstance(query.get("cacheHit"), bool):
        made["is_cache_hit"] = query.get("cacheHit") is True
    if dml := counted(mapping(query, "dmlStats"), _DML_COUNTS):
        made["dml"] = dml
    if operation := text(query, "ddlOperationPerformed"):
        made["ddl_operation"] = operation
    if target := table_of(mapping(query, "ddlTargetTable")):
        made["ddl_target"] = target
    if fields := items(mapping(query, "schema"), "fields"):
        made["schema"] = tuple({"name": text(one, "name"), "type": text(one, "type")} for one in fields)
    if child_count(resource):
        made["child_job_count"] = child_count(resource)
    if children:
        made["child_jobs"] = tuple(_child(one) for one in children)
    return made


def _result_of(resource: JsonMap) -> str:
    return table_of(mapping(resource, "configuration", "query", "destinationTable"))


def _key_result(script: JsonMap, children: Sequence[JsonMap]) -> str:
    """The table of a script's key result: the last statement that has one, or the first SELECT where so asked."""
    options = mapping(script, "configuration", "query", "scriptOptions")
    tables = [
        _result_of(child)
        for child in children
        if text(mapping(child, "statistics", "query"), "statementType") == "SELECT"
        and text(mapping(child, "statistics", "scriptStatistics"), "evaluationKind") != "EXPRESSION"
    ]
    found = [table for table in tables if table]
    if not found:
        return ""
    return found[0] if text(options, "keyResultStatement") == "FIRST_SELECT" else found[-1]


def _child(resource: JsonMap) -> dict[str, Json]:
    made: dict[str, Json] = {
        "job_id": text(mapping(resource, "jobReference"), "jobId"),
        "state": text(resource, "state") or text(mapping(resource, "status"), "state"),
        "statement_type": text(mapping(resource, "statistics", "query"), "statementType"),
    }
    if table := _result_of(resource):
        made["results"] = table
    if failure := error_of(resource):
        made["reason"] = stable_reason(text(failure, "reason"))
    return made


def _is_told_by_list(resource: JsonMap) -> bool:
    # A script's children are to be listed; what has no table is read again, as it may be one that is not counted yet.
    return bool(_result_of(resource)) and not child_count(resource)


QUERY = Form(
    key="query",
    configuration_mask="query(destinationTable,scriptOptions)",
    statistics_mask="totalBytesProcessed,numChildJobs,query(statementType,totalBytesProcessed,totalBytesBilled,cacheHit,"
    "numDmlAffectedRows,dmlStats,ddlOperationPerformed,ddlTargetTable,schema)",
    outputs=_outputs,
    is_told_by_list=_is_told_by_list,
)
