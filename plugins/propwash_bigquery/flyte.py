"""BigQuery tasks of Flyte's SDKs.

Source: flytekit's BigQueryTask and flyte-sdk's BigQueryTask: custom has ProjectID, Location and Domain beside the
members of JobConfigurationQuery by the API's own names (what to_api_repr() of the Python library's QueryJobConfig has
under "query", and nothing else of it); the query is sql.statement, inputs are its named parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from propwash.sdk import (
    FlyteDataset,
    FlyteDone,
    FlyteInput,
    FlyteJob,
    FlyteKind,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    Json,
    SentSecret,
    TemplateError,
    Value,
)
from propwash_bigquery.connection import OTHER_CREDENTIALS
from propwash_bigquery.keys import JobKey
from propwash_bigquery.placeholders import with_parameters
from propwash_bigquery.sql_types import SqlType

_SCHEME = "bq://"
_PLACES = (("project", "ProjectID"), ("location", "Location"))
_OF_FLYTE = frozenset({"ProjectID", "Location", "Domain", "secrets", "configs", "taskType", "query"})
"""What is no member of the job's configuration. Domain is for the user agent of Flyte's own connector; the execution
has it. secrets, configs and taskType are how Flyte 2 describes its connection.
"""
_CONFIG = frozenset({"primary_container_name"})
"""What flyte-sdk writes of a pod template, which a query has no use for."""
_TYPES = {
    FlyteKind.INTEGER: "INT64",
    FlyteKind.FLOAT: "FLOAT64",
    FlyteKind.STRING: "STRING",
    FlyteKind.BOOLEAN: "BOOL",
    FlyteKind.DATETIME: "TIMESTAMP",
    FlyteKind.DURATION: "INTERVAL",
    FlyteKind.BINARY: "BYTES",
}
_NO_VALUES: tuple[Json, ...] = ({}, {"value": None}, {"arrayValues": ()}, None)
"""What the Python library writes for a parameter whose value is None, or an empty list."""
_CREDENTIALS = "google_application_credentials"
"""What flyte-sdk's task calls its secret, whose value is the JSON of a service account's key."""


class QueryTasks:
    """Templates of query jobs."""

    def request(self, task: FlyteTask) -> FlyteRequest:
        """The query job; raises TemplateError."""
        if not task.statement:
            raise TemplateError("sql.statement: is empty, and should be the query")
        _check(task)
        # A null is what was not set.
        spec: dict[str, Json] = {
            name: value for name, value in task.custom.items() if name not in _OF_FLYTE and value is not None
        }
        for field, name in _PLACES:
            value = task.custom.get(name)
            if value is not None and not isinstance(value, str):
                raise TemplateError(f"custom.{name}: should be a text")
            if value and field in spec:
                raise TemplateError(f"custom.{field}: is what custom.{name} says: give one of them")
            if value:
                spec[field] = value
        spec["query"] = with_parameters(task.statement, task.inputs)
        if parameters := _parameters(task):
            spec["queryParameters"] = parameters
        return FlyteRequest(spec=spec, inputs=task.inputs)

    def outputs(self, done: FlyteDone) -> FlyteOutputs:
        """bq://PROJECT:DATASET.TABLE of the result, as the SDKs read it."""
        table = done.outputs.get("results")
        if not isinstance(table, str) or not table.startswith(_SCHEME):
            return {}
        # A project may have dots in it, datasets and tables have none.
        project, dataset, name = table.removeprefix(_SCHEME).rsplit(".", 2)
        return {"results": FlyteDataset(uri=f"{_SCHEME}{project}:{dataset}.{name}")}

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:
        """The query job of the SDKs' BigQueryMetadata."""
        match meta:
            case {"job_id": str(job_id), "project": str(project), "location": str(location)} if job_id:
                key = JobKey(project, location, job_id)
            case {"job_id": str(job_id), "project": str(project)} if job_id:
                key = JobKey(project, "", job_id)
            case _:
                return None
        spec: dict[str, Json] = {"query": f"-- {job_id}, begun by another connector", "project": key.project}
        if key.location:
            spec["location"] = key.location
        return FlyteJob(meta=key.meta(), request=FlyteRequest(spec=spec), links=(key.link(),))

    def credentials(self, names: Collection[str]) -> Mapping[str, Json]:
        """A service account's key in place of whatever the connection signs in with, and acts as."""
        if unknown := sorted(set(names) - {_CREDENTIALS}):
            raise TemplateError(f"custom.secrets.{unknown[0]:.100}: is not {_CREDENTIALS}")
        return {
            **dict.fromkeys(OTHER_CREDENTIALS),
            "credentials": "default",
            "credentials_json": SentSecret.named(_CREDENTIALS),
        }


def _check(task: FlyteTask) -> None:
    if unknown := sorted(set(task.config) - _CONFIG):
        raise TemplateError(f"config.{unknown[0]}: a query's settings are in custom")
    query = task.custom.get("query")
    if query is not None and str(query).split() != task.statement.split():
        raise TemplateError("custom.query: is another query than sql.statement, which is the one that runs")
    for name, one in task.input_types.items():
        if one.is_pickled:
            raise TemplateError(
                f"interface.inputs.{name}: is pickled by Python, and no parameter can be that"
            )


def _parameters(task: FlyteTask) -> Json:
    """The template's own parameters, and the declared types of inputs that tell none themselves."""
    given = task.custom.get("queryParameters") or ()
    if not isinstance(given, tuple):
        return given
    made = [_declaring(one, task.inputs) for one in given]
    named = {_name(one) for one in given}
    for name, value in task.inputs.items():
        declared = task.input_types.get(name)
        kind = None if declared is None else _sql_type(declared)
        if kind is not None and name.lower() not in named and _is_open(value):
            made.append({"name": name, "parameterType": kind.wire()})  # type: ignore[dict-item]  # JSON
    return tuple(made)


def _declaring(parameter: Json, inputs: Iterable[str]) -> Json:
    """A parameter without a value declares the type of the input of its name; any other is as it is."""
    if not isinstance(parameter, Mapping) or parameter.get("parameterValue") not in _NO_VALUES:
        return parameter
    if _name(parameter) not in {name.lower() for name in inputs}:
        return parameter
    return {key: value for key, value in parameter.items() if key != "parameterValue"}


def _name(parameter: Json) -> str:
    return str(parameter.get("name") or "").lower() if isinstance(parameter, Mapping) else ""


def _is_open(value: Value) -> bool:
    """Whether the value tells no type."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return all(one is None for one in value)
    return value is None


def _sql_type(declared: FlyteInput) -> SqlType | None:
    if declared.kind is FlyteKind.LIST and declared.element is not None:
        element = _sql_type(declared.element)
        return None if element is None or element.name == "ARRAY" else SqlType("ARRAY", element=element)
    name = _TYPES.get(declared.kind)
    return None if name is None else SqlType(name)
