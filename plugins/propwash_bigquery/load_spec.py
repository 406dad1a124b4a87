"""What a user gives for a load job: every documented field of configuration.load.

Source: BigQuery REST v2 reference, Job (JobConfigurationLoad, HivePartitioningOptions, ParquetOptions,
DestinationTableProperties).
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from propwash_bigquery import tables
from propwash_bigquery.api_types import ApiModel, CreateDisposition, SchemaUpdateOption, WriteDisposition
from propwash_bigquery.job_spec import JobSpec
from propwash_bigquery.schemas import TableSchema

Uri: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=8192)]


class HivePartitioningOptions(ApiModel):
    """Partition keys in the paths of the files."""

    mode: Literal["AUTO", "STRINGS", "CUSTOM"] | None = Field(
        default=None, description="How the keys' names and types are found."
    )
    source_uri_prefix: str | None = Field(
        default=None,
        min_length=1,
        description="What all addresses begin with, up to the first partition key.",
    )
    require_partition_filter: bool | None = Field(
        default=None, description="Whether queries of the table must filter by partition."
    )


class ParquetOptions(ApiModel):
    """How Parquet files are read."""

    enum_as_string: bool | None = Field(default=None, description="Whether an ENUM is STRING and not BYTES.")
    enable_list_inference: bool | None = Field(
        default=None, description="Whether the schema of a LIST is inferred."
    )
    map_target_type: Literal["MAP_TARGET_TYPE_UNSPECIFIED", "ARRAY_OF_STRUCT"] | None = Field(
        default=None, description="How a MAP is stored."
    )


class DestinationTableProperties(ApiModel):
    """Properties of a table that the job creates."""

    friendly_name: str | None = Field(default=None, description="The table's name for people.")
    description: str | None = Field(default=None, description="The table's description.")
    labels: dict[str, str] | None = Field(default=None, description="The table's labels.")
    expiration_time: str | None = Field(default=None, description="Internal to BigQuery; handed on.")


class BigQueryLoadSpec(JobSpec):
    """One load job: files of a store into a table. Fields are taken by the API's own names or in snake case.

    Inputs take the place of {{ .inputs.name }} in any text of the configuration, such as an address or a table.
    """

    model_config = ConfigDict(title="BigQuery load job")

    source_uris: tuple[Uri, ...] = Field(
        min_length=1,
        max_length=10_000,
        description="The files, such as gs://bucket/path/*.csv: one * each, after the bucket. "
        "{{ .inputs.files }} alone takes a list of addresses.",
    )
    destination_table: tables.TableReference = Field(description="The table to load into.")
    source_format: str | None = Field(
        default=None,
        min_length=1,
        description="CSV, NEWLINE_DELIMITED_JSON, AVRO, PARQUET, ORC or DATASTORE_BACKUP; CSV by default.",
    )
    table_schema: TableSchema | None = Field(
        default=None,
        alias="schema",
        description="The table's columns; not needed where the table exists, the files tell, or autodetect is true.",
    )
    autodetect: bool | None = Field(
        default=None,
        description="Whether options and schema of CSV and JSON are found by looking at the data.",
    )
    create_disposition: CreateDisposition | None = Field(
        default=None, description="Whether the table may be created; CREATE_IF_NEEDED by default."
    )
    write_disposition: WriteDisposition | None = Field(
        default=None, description="What becomes of a table that exists; WRITE_APPEND by default."
    )
    schema_update_options: tuple[SchemaUpdateOption, ...] | None = Field(
        default=None, description="How the job may change the table's schema."
    )
    max_bad_records: int | None = Field(
        default=None, ge=0, description="The most records that may be bad before the job fails; 0 by default."
    )
    ignore_unknown_values: bool | None = Field(
        default=None, description="Whether values that the schema does not have are left out, and no fault."
    )
    field_delimiter: str | None = Field(default=None, min_length=1, description="CSV: a comma by default.")
    quote: str | None = Field(default=None, description='CSV: " by default; empty where nothing is quoted.')
    skip_leading_rows: int | None = Field(default=None, ge=0, description="CSV: rows to skip; 0 by default.")
    allow_quoted_newlines: bool | None = Field(
        default=None, description="CSV: whether a quoted value may hold newlines."
    )
    allow_jagged_rows: bool | None = Field(
        default=None, description="CSV: whether rows may end early; what is missing is null."
    )
    null_marker: str | None = Field(
        default=None, description="CSV: the text that stands for null; empty by default."
    )
    null_markers: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="CSV: several such texts; not with nullMarker."
    )
    preserve_ascii_control_characters: bool | None = Field(
        default=None, description="CSV: whether control characters are kept."
    )
    encoding: str | None = Field(
        default=None, description="UTF-8 by default; ISO-8859-1, UTF-16BE, UTF-16LE, UTF-32BE or UTF-32LE."
    )
    source_column_match: Literal["SOURCE_COLUMN_MATCH_UNSPECIFIED", "POSITION", "NAME"] | None = Field(
        default=None, description="CSV: whether columns are matched by position or by name."
    )
    date_format: str | None = Field(default=None, description="How a DATE is written.")
    datetime_format: str | None = Field(default=None, description="How a DATETIME is written.")
    time_format: str | None = Field(default=None, description="How a TIME is written.")
    timestamp_format: str | None = Field(default=None, description="How a TIMESTAMP is written.")
    time_zone: str | None = Field(default=None, description="The zone of instants that have none.")
    timestamp_target_precision: tuple[int, ...] | None = Field(
        default=None, description="The precisions that a detected TIMESTAMP may have: 6 and 12."
    )
    json_extension: Literal["JSON_EXTENSION_UNSPECIFIED", "GEOJSON"] | None = Field(
        default=None, description="GEOJSON: newline-delimited GeoJSON."
    )
    parquet_options: ParquetOptions | None = Field(default=None, description="How Parquet is read.")
    use_avro_logical_types: bool | None = Field(
        default=None, description="Avro: whether logical types become BigQuery's own."
    )
    decimal_target_types: (
        tuple[Literal["DECIMAL_TARGET_TYPE_UNSPECIFIED", "NUMERIC", "BIGNUMERIC", "STRING"], ...] | None
    ) = Field(default=None, description="The types that decimal values of the files may become.")
    projection_fields: tuple[str, ...] | None = Field(
        default=None, description="DATASTORE_BACKUP: the properties to load; all by default."
    )
    hive_partitioning_options: HivePartitioningOptions | None = Field(
        default=None, description="Partition keys in the files' paths."
    )
    file_set_spec_type: (
        Literal["FILE_SET_SPEC_TYPE_FILE_SYSTEM_MATCH", "FILE_SET_SPEC_TYPE_NEW_LINE_DELIMITED_MANIFEST"]
        | None
    ) = Field(default=None, description="Whether the addresses are of files, or of lists of files.")
    reference_file_schema_uri: str | None = Field(
        default=None, min_length=1, description="Avro, ORC, Parquet: the file whose schema counts."
    )
    column_name_character_map: (
        Literal["COLUMN_NAME_CHARACTER_MAP_UNSPECIFIED", "STRICT", "V1", "V2"] | None
    ) = Field(
        default=None, description="How names are treated that BigQuery does not take; STRICT by default."
    )
    copy_files_only: bool | None = Field(
        default=None, description="Experimental: copy files to a BigLake managed table as they are."
    )
    time_partitioning: tables.TimePartitioning | None = Field(
        default=None, description="Partitions of the table by time."
    )
    range_partitioning: tables.RangePartitioning | None = Field(
        default=None, description="Partitions of the table by an integer; not with timePartitioning."
    )
    clustering: tables.Clustering | None = Field(default=None, description="Clustering of the table.")
    destination_encryption_configuration: tables.EncryptionConfiguration | None = Field(
        default=None, description="The key that encrypts the table."
    )
    destination_table_properties: DestinationTableProperties | None = Field(
        default=None, description="Properties of a table that the job creates."
    )
    connection_properties: tuple[tables.ConnectionProperty, ...] | None = Field(
        default=None, description="session_id, for a table of a session."
    )
    create_session: bool | None = Field(
        default=None, description="Whether to open a session, whose id is the output session_id."
    )
    schema_inline: str | None = Field(default=None, description="Deprecated by BigQuery; handed on.")
    schema_inline_format: str | None = Field(default=None, description="Deprecated by BigQuery; handed on.")

    @model_validator(mode="after")
    def _agrees(self) -> BigQueryLoadSpec:
        for one, other in (
            ("time_partitioning", "range_partitioning"),
            ("null_marker", "null_markers"),
            ("table_schema", "schema_inline"),
        ):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                named = [type(self).model_fields[name].alias for name in (one, other)]
                raise ValueError(f"give one of {named[0]} and {named[1]}")
        return self
