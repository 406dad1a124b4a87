"""BigQuery tasks of Flyte's SDKs.

Source: flytekit's BigQueryTask and flyte-sdk's BigQueryTask: custom has ProjectID, Location and Domain beside the
members of JobConfigurationQuery by the API's own names; the query is sql.statement, inputs are its named parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from propwash.sdk import (
    FlyteDataset,
    FlyteDone,
    FlyteJob,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    Json,
    SentSecret,
    TemplateError,
)
from propwash_bigquery.connection import OTHER_CREDENTIALS
from propwash_bigquery.keys import JobKey

_SCHEME = "bq://"
_OWN = frozenset({"ProjectID", "Location", "Domain", "secrets", "query"})
_CREDENTIALS = "google_application_credentials"
"""What flyte-sdk's task calls its secret, whose value is the JSON of a service account's key."""


class QueryTasks:
    """Templates of query jobs."""

    def request(self, task: FlyteTask) -> FlyteRequest:
        """The query job; raises TemplateError."""
        if not task.statement:
            raise TemplateError("sql.statement: is empty, and should be the query")
        spec: dict[str, Json] = {name: value for name, value in task.custom.items() if name not in _OWN}
        spec["query"] = task.statement
        for field, name in (("project", "ProjectID"), ("location", "Location")):
            value = task.custom.get(name)
            if value is not None and not isinstance(value, str):
                raise TemplateError(f"custom.{name}: should be a text")
            if value:
                spec[field] = value
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
