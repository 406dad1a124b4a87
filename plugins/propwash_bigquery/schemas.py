"""The schema of a table, as a load job takes it.

Source: BigQuery REST v2 reference, tables (TableSchema, TableFieldSchema).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from propwash_bigquery.api_types import ApiModel, Int64, JsonObject


class TableFieldSchema(ApiModel):
    """One column, or one field of a RECORD."""

    name: str = Field(min_length=1, max_length=300, description="The column's name.")
    type: str = Field(
        min_length=1,
        description="STRING, BYTES, INTEGER, FLOAT, NUMERIC, BIGNUMERIC, BOOLEAN, TIMESTAMP, DATE, TIME, DATETIME, "
        "INTERVAL, GEOGRAPHY, JSON, RANGE, RECORD, or their names in SQL.",
    )
    mode: Literal["NULLABLE", "REQUIRED", "REPEATED"] | None = Field(
        default=None, description="NULLABLE by default."
    )
    fields: tuple[TableFieldSchema, ...] | None = Field(default=None, description="The fields of a RECORD.")
    description: str | None = Field(default=None, max_length=1024, description="For people.")
    max_length: Int64 | None = Field(default=None, description="The most characters or bytes.")
    precision: Int64 | None = Field(default=None, description="The digits of a NUMERIC or BIGNUMERIC.")
    scale: Int64 | None = Field(default=None, description="The digits after its point.")
    timestamp_precision: Int64 | None = Field(
        default=None, description="The digits of a TIMESTAMP's fraction of a second: 6 or 12."
    )
    rounding_mode: (
        Literal["ROUNDING_MODE_UNSPECIFIED", "ROUND_HALF_AWAY_FROM_ZERO", "ROUND_HALF_EVEN"] | None
    ) = Field(default=None, description="How a NUMERIC or BIGNUMERIC is rounded.")
    collation: str | None = Field(default=None, description="und:ci for a STRING that ignores case.")
    default_value_expression: str | None = Field(
        default=None, description="An SQL expression for a value that is not given."
    )
    range_element_type: JsonObject | None = Field(default=None, description="The element type of a RANGE.")
    policy_tags: JsonObject | None = Field(default=None, description="Policy tags of the column.")
    data_policies: tuple[JsonObject, ...] | None = Field(
        default=None, description="Data policies of the column."
    )
    data_policy_list: JsonObject | None = Field(
        default=None, description="Data policies of the column; wins over dataPolicies."
    )
    data_governance_tags_info: JsonObject | None = Field(
        default=None, description="Data governance tags of the column."
    )
    generated_column: JsonObject | None = Field(
        default=None, description="How BigQuery generates the column's values."
    )
    foreign_type_definition: str | None = Field(default=None, description="The definition of a FOREIGN type.")
    categories: JsonObject | None = Field(default=None, description="Deprecated by BigQuery; handed on.")

    @model_validator(mode="after")
    def _is_record_with_fields(self) -> TableFieldSchema:
        if (self.type.upper() in ("RECORD", "STRUCT")) is not bool(self.fields):
            raise ValueError(f"{self.name}: a RECORD has fields, and nothing else has")
        return self


class ForeignTypeInfo(ApiModel):
    """The system that foreign types are of."""

    type_system: Literal["TYPE_SYSTEM_UNSPECIFIED", "HIVE"] = Field(description="The system.")


class TableSchema(ApiModel):
    """The columns of a table."""

    fields: tuple[TableFieldSchema, ...] = Field(min_length=1, description="The columns, in order.")
    foreign_type_info: ForeignTypeInfo | None = Field(
        default=None, description="The system of foreign types."
    )
