"""What a user gives for a query job: every documented field of configuration.query, and those of the job itself.

Source: BigQuery REST v2 reference, Job (JobConfiguration, JobConfigurationQuery).
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from propwash_bigquery import tables
from propwash_bigquery.api_types import (
    CreateDisposition,
    Int64,
    JsonObject,
    SchemaUpdateOption,
    WriteDisposition,
)
from propwash_bigquery.job_spec import JobSpec
from propwash_bigquery.parameters import QueryParameter


class BigQuerySpec(JobSpec):
    """One query job. Fields are taken by the API's own names (camel case) or in snake case.

    Inputs become named query parameters: an integer INT64, a double FLOAT64, a string STRING, a boolean BOOL, bytes
    BYTES, an instant TIMESTAMP, a duration INTERVAL, a list ARRAY, a map STRUCT, null a STRING that is NULL. Another
    type is declared in queryParameters.
    """

    model_config = ConfigDict(title="BigQuery query job")

    query: str = Field(min_length=1, max_length=1_048_576, description="The SQL text; a script is one, too.")
    destination_table: tables.TableReference | None = Field(
        default=None,
        description="Where the result is stored; an anonymous table of 24 hours where not given.",
    )
    table_definitions: dict[str, JsonObject] | None = Field(
        default=None,
        description="External tables by the name that the query uses, each an ExternalDataConfiguration of the API.",
    )
    user_defined_function_resources: tuple[tables.UserDefinedFunctionResource, ...] | None = Field(
        default=None, description="Code of user-defined functions."
    )
    create_disposition: CreateDisposition | None = Field(
        default=None, description="Whether the destination table may be created; CREATE_IF_NEEDED by default."
    )
    write_disposition: WriteDisposition | None = Field(
        default=None, description="What becomes of a destination table that exists; WRITE_EMPTY by default."
    )
    default_dataset: tables.DatasetReference | None = Field(
        default=None, description="The dataset of table names that name none."
    )
    priority: Literal["INTERACTIVE", "BATCH"] | None = Field(
        default=None, description="BATCH waits for idle slots; INTERACTIVE by default."
    )
    preserve_nulls: bool | None = Field(default=None, description="Deprecated by BigQuery; handed on.")
    allow_large_results: bool | None = Field(
        default=None, description="Legacy SQL only: results of any size. Needs destinationTable."
    )
    use_query_cache: bool | None = Field(
        default=None, description="Whether a cached result may be used; true by default."
    )
    flatten_results: bool | None = Field(
        default=None, description="Legacy SQL only: flatten nested and repeated fields."
    )
    maximum_billing_tier: int | None = Field(
        default=None, ge=1, description="Deprecated by BigQuery; handed on."
    )
    maximum_bytes_billed: Int64 | None = Field(
        default=None, gt=0, description="A query that would be billed for more bytes fails and costs nothing."
    )
    use_legacy_sql: bool = Field(
        default=False, description="Whether the query is in legacy SQL. False by default, unlike in the API."
    )
    parameter_mode: Literal["NAMED", "POSITIONAL"] | None = Field(
        default=None,
        description="How the query names its parameters; follows from queryParameters by default.",
    )
    query_parameters: tuple[QueryParameter, ...] | None = Field(
        default=None, description="Parameters with exact types, all named or all positional."
    )
    schema_update_options: tuple[SchemaUpdateOption, ...] | None = Field(
        default=None, description="How the job may change the schema of the destination table."
    )
    time_partitioning: tables.TimePartitioning | None = Field(
        default=None, description="Partitions of the destination table by time."
    )
    range_partitioning: tables.RangePartitioning | None = Field(
        default=None,
        description="Partitions of the destination table by an integer; not with timePartitioning.",
    )
    clustering: tables.Clustering | None = Field(
        default=None, description="Clustering of the destination table."
    )
    destination_encryption_configuration: tables.EncryptionConfiguration | None = Field(
        default=None, description="The key that encrypts the destination table."
    )
    script_options: tables.ScriptOptions | None = Field(default=None, description="How a script is run.")
    connection_properties: tuple[tables.ConnectionProperty, ...] | None = Field(
        default=None, description="Properties such as session_id and time_zone."
    )
    create_session: bool | None = Field(
        default=None, description="Whether to open a session, whose id is the output session_id."
    )
    continuous: bool | None = Field(default=None, description="Whether this is a continuous query.")
    write_incremental_results: bool | None = Field(
        default=None, description="Whether results may be read while the query still runs."
    )
    secure_context: tables.SecureContext | None = Field(
        default=None, description="Values that the query reads by SECURE_CONTEXT()."
    )

    @field_validator("query")
    @classmethod
    def _says_something(cls, query: str) -> str:
        if not query.strip():
            raise ValueError("must not be blank")
        return query

    @field_validator("query_parameters")
    @classmethod
    def _fit_together(
        cls, parameters: tuple[QueryParameter, ...] | None, info: ValidationInfo
    ) -> tuple[QueryParameter, ...] | None:
        names = [None if one.name is None else one.name.lower() for one in parameters or ()]
        if not names:
            return parameters
        if info.data.get("use_legacy_sql"):
            raise ValueError("legacy SQL takes no query parameters")
        if None in names and len(set(names)) > 1:
            raise ValueError("parameters must be all named or all positional")
        mode = info.data.get("parameter_mode")
        if mode is not None and (mode == "POSITIONAL") is not (None in names):
            raise ValueError(f"parameterMode is {mode}, the parameters are not")
        if None not in names and len(set(names)) < len(names):
            raise ValueError("a parameter's name must be unique; case does not count")
        for number, one in enumerate(parameters or ()):
            if one.name is None and one.parameter_value is None:
                raise ValueError(f"parameter {number} is positional and so needs a parameterValue")
        return parameters

    @field_validator("range_partitioning")
    @classmethod
    def _partitioned_once(
        cls, partitioning: tables.RangePartitioning | None, info: ValidationInfo
    ) -> tables.RangePartitioning | None:
        if partitioning is not None and info.data.get("time_partitioning") is not None:
            raise ValueError("give one of timePartitioning and rangePartitioning")
        return partitioning
