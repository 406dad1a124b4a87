"""What a user gives for an extract job: every documented field of configuration.extract.

Source: BigQuery REST v2 reference, Job (JobConfigurationExtract, ModelReference, ModelExtractOptions).
"""

from __future__ import annotations

from pydantic import ConfigDict, Field, model_validator

from propwash_bigquery import tables
from propwash_bigquery.api_types import ApiModel, Int64
from propwash_bigquery.job_spec import JobSpec
from propwash_bigquery.load_spec import Uri


class ModelReference(ApiModel):
    """A model."""

    project_id: str | None = Field(
        default=None, min_length=1, description="The model's project; the job's project where not given."
    )
    dataset_id: str = Field(min_length=1, max_length=1024, description="The model's dataset.")
    model_id: str = Field(min_length=1, max_length=1024, description="The model.")


class ModelExtractOptions(ApiModel):
    """How a model is written."""

    trial_id: Int64 | None = Field(
        default=None, description="The trial of a tuned model, counted from 1; the best one by default."
    )


class BigQueryExtractSpec(JobSpec):
    """One extract job: a table or model into files. Fields are taken by the API's own names or in snake case.

    Inputs take the place of {{ .inputs.name }} in any text of the configuration, such as an address or a table.
    """

    model_config = ConfigDict(title="BigQuery extract job")

    source_table: tables.TableReference | None = Field(
        default=None, description="The table; exactly one of this and sourceModel."
    )
    source_model: ModelReference | None = Field(default=None, description="The model.")
    destination_uris: tuple[Uri, ...] | None = Field(
        default=None,
        min_length=1,
        description="Where to, such as gs://bucket/path/*.csv: one * each, for the number of the file. A table of more "
        "than 1 GB needs it.",
    )
    destination_uri: Uri | None = Field(
        default=None, description="One address; deprecated by BigQuery in favour of destinationUris."
    )
    destination_format: str | None = Field(
        default=None,
        min_length=1,
        description="CSV, NEWLINE_DELIMITED_JSON, PARQUET or AVRO, CSV by default; for models ML_TF_SAVED_MODEL, the "
        "default, or ML_XGBOOST_BOOSTER.",
    )
    compression: str | None = Field(
        default=None,
        min_length=1,
        description="NONE by default; GZIP for CSV, JSON and Parquet, SNAPPY for Avro and Parquet, DEFLATE for Avro, "
        "ZSTD for Parquet.",
    )
    field_delimiter: str | None = Field(default=None, min_length=1, description="CSV: a comma by default.")
    print_header: bool | None = Field(
        default=None, description="CSV: whether the first row names the columns; true by default."
    )
    use_avro_logical_types: bool | None = Field(
        default=None, description="Avro: whether logical types are written."
    )
    native_geography_export_enabled: bool | None = Field(
        default=None, description="Parquet: whether GEOGRAPHY is written as Parquet's own type."
    )
    model_extract_options: ModelExtractOptions | None = Field(
        default=None, description="How a model is written."
    )
    secure_context: tables.SecureContext | None = Field(
        default=None, description="Values that row access policies read by SECURE_CONTEXT()."
    )

    @model_validator(mode="after")
    def _agrees(self) -> BigQueryExtractSpec:
        for one, other in (("source_table", "source_model"), ("destination_uris", "destination_uri")):
            if (getattr(self, one) is None) == (getattr(self, other) is None):
                named = [type(self).model_fields[name].alias for name in (one, other)]
                raise ValueError(f"give exactly one of {named[0]} and {named[1]}")
        return self
