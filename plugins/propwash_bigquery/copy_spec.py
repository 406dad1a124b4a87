"""What a user gives for a copy job: every documented field of configuration.copy.

Source: BigQuery REST v2 reference, Job (JobConfigurationTableCopy).
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from propwash_bigquery import tables
from propwash_bigquery.api_types import CreateDisposition, WriteDisposition
from propwash_bigquery.job_spec import JobSpec


class BigQueryCopySpec(JobSpec):
    """One copy job: tables into a table. Fields are taken by the API's own names or in snake case.

    Inputs take the place of {{ .inputs.name }} in any text of the configuration, such as a table.
    """

    model_config = ConfigDict(title="BigQuery copy job")

    source_tables: tuple[tables.TableReference, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=1200,
        description="The tables; exactly one of this and sourceTable.",
    )
    source_table: tables.TableReference | None = Field(
        default=None, description="The table, where it is one."
    )
    destination_table: tables.TableReference = Field(description="The table to copy into.")
    operation_type: Literal["OPERATION_TYPE_UNSPECIFIED", "COPY", "SNAPSHOT", "RESTORE", "CLONE"] | None = (
        Field(
            default=None,
            description="COPY by default; SNAPSHOT makes a snapshot, RESTORE a table of a snapshot, CLONE a clone.",
        )
    )
    create_disposition: CreateDisposition | None = Field(
        default=None, description="Whether the table may be created; CREATE_IF_NEEDED by default."
    )
    write_disposition: WriteDisposition | None = Field(
        default=None, description="What becomes of a table that exists; WRITE_EMPTY by default."
    )
    destination_expiration_time: str | None = Field(
        default=None, min_length=1, description="When the table expires, as RFC 3339 text."
    )
    destination_encryption_configuration: tables.EncryptionConfiguration | None = Field(
        default=None, description="The key that encrypts the table."
    )

    @model_validator(mode="after")
    def _agrees(self) -> BigQueryCopySpec:
        if (self.source_tables is None) == (self.source_table is None):
            raise ValueError("give exactly one of sourceTables and sourceTable")
        return self
