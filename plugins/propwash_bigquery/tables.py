"""The parts of a job's configuration that are messages of their own.

Source: BigQuery REST v2 reference, Job (JobConfigurationQuery, ScriptOptions), tables (TimePartitioning,
RangePartitioning, Clustering, UserDefinedFunctionResource), EncryptionConfiguration, ConnectionProperty.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from propwash_bigquery.api_types import ApiModel, Int64


class TableReference(ApiModel):
    """A table."""

    project_id: str | None = Field(
        default=None, min_length=1, description="The table's project; the job's project where not given."
    )
    dataset_id: str = Field(min_length=1, max_length=1024, description="The table's dataset.")
    table_id: str = Field(
        min_length=1, max_length=1024, description="The table, with a partition decorator where one is meant."
    )


class DatasetReference(ApiModel):
    """A dataset."""

    project_id: str | None = Field(
        default=None, min_length=1, description="The dataset's project; the job's project where not given."
    )
    dataset_id: str = Field(min_length=1, max_length=1024, description="The dataset.")


class TimePartitioning(ApiModel):
    """Partitions by time."""

    type: Literal["HOUR", "DAY", "MONTH", "YEAR"] = Field(description="How much time one partition spans.")
    expiration_ms: Int64 | None = Field(
        default=None, description="Milliseconds for which a partition is kept; for ever where not given."
    )
    field: str | None = Field(
        default=None, description="The column to partition by; the time of ingestion where not given."
    )
    require_partition_filter: bool | None = Field(
        default=None, description="Whether queries must filter by partition. Deprecated by BigQuery."
    )


class IntegerRange(ApiModel):
    """A range of integers in equal steps."""

    start: Int64 = Field(description="The first value, inclusive.")
    end: Int64 = Field(description="The end, exclusive.")
    interval: Int64 = Field(description="The width of one partition.")


class RangePartitioning(ApiModel):
    """Partitions by an integer column."""

    field: str = Field(min_length=1, description="The top-level INT64 column to partition by.")
    range: IntegerRange = Field(description="The ranges of the partitions.")


class Clustering(ApiModel):
    """Clustering of the destination table."""

    fields: tuple[str, ...] = Field(
        min_length=1, max_length=4, description="The columns to cluster by, the most selective first."
    )


class EncryptionConfiguration(ApiModel):
    """Encryption by a key of the customer's."""

    kms_key_name: str = Field(
        min_length=1, description="The Cloud KMS key; BigQuery's service account must have access to it."
    )


class UserDefinedFunctionResource(ApiModel):
    """Code of user-defined functions: exactly one of the two."""

    resource_uri: str | None = Field(default=None, description="A gs:// address of a file of code.")
    inline_code: str | None = Field(default=None, description="The code itself.")

    @model_validator(mode="after")
    def _has_one(self) -> UserDefinedFunctionResource:
        if (self.resource_uri is None) == (self.inline_code is None):
            raise ValueError("give exactly one of resourceUri and inlineCode")
        return self


class ScriptOptions(ApiModel):
    """How a script of several statements is run."""

    statement_timeout_ms: Int64 | None = Field(default=None, description="Milliseconds for each statement.")
    statement_byte_budget: Int64 | None = Field(
        default=None, description="The most bytes that one statement may be billed for."
    )
    key_result_statement: Literal["KEY_RESULT_STATEMENT_KIND_UNSPECIFIED", "LAST", "FIRST_SELECT"] | None = (
        Field(default=None, description="Which statement's result is the script's; LAST where not given.")
    )


class ConnectionProperty(ApiModel):
    """A property that changes how the query runs."""

    key: str = Field(
        min_length=1,
        description="Such as dataset_project_id, time_zone, session_id, query_label or service_account.",
    )
    value: str = Field(description="The property's value.")


class SecureContext(ApiModel):
    """Values for the SQL function SECURE_CONTEXT()."""

    secure_parameter_entries: dict[str, str] = Field(
        min_length=1,
        description="The values by name. They are kept with the execution's spec, so no secret belongs here.",
    )
