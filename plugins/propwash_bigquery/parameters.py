"""Explicit query parameters: any type that BigQuery knows, named or positional.

Source: BigQuery REST v2 reference, QueryParameter.
"""

from __future__ import annotations

import base64
import datetime as dt
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema

from propwash_bigquery.api_types import ApiModel
from propwash_bigquery.texts import interval_text, timestamp_text


def _as_text(value: object) -> object:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode()
        case dt.datetime():
            return timestamp_text(value)
        case dt.timedelta():
            return interval_text(value)
        case _:
            return value


Scalar: TypeAlias = Annotated[
    str,
    BeforeValidator(_as_text),
    WithJsonSchema({"anyOf": [{"type": kind} for kind in ("string", "integer", "number", "boolean")]}),
]
"""A scalar in the text that the API takes; typed values are put into that text."""


class QueryParameterStructType(ApiModel):
    """The type of one field of a STRUCT."""

    name: str | None = Field(default=None, description="The field's name.")
    type: QueryParameterType = Field(description="The field's type.")
    description: str | None = Field(default=None, description="For people.")


class QueryParameterType(ApiModel):
    """The type of a parameter."""

    type: str = Field(
        min_length=1,
        description="INT64, FLOAT64, NUMERIC, BIGNUMERIC, BOOL, STRING, BYTES, DATE, DATETIME, TIME, TIMESTAMP, "
        "INTERVAL, JSON, GEOGRAPHY, RANGE, ARRAY or STRUCT.",
    )
    array_type: QueryParameterType | None = Field(
        default=None, description="The type of the elements of an ARRAY."
    )
    struct_types: tuple[QueryParameterStructType, ...] | None = Field(
        default=None, description="The fields of a STRUCT, in order."
    )
    range_element_type: QueryParameterType | None = Field(
        default=None, description="DATE, DATETIME or TIMESTAMP: the type of the ends of a RANGE."
    )


class RangeValue(ApiModel):
    """A range; an end that is not given is unbounded."""

    start: QueryParameterValue | None = Field(default=None, description="The start, inclusive.")
    end: QueryParameterValue | None = Field(default=None, description="The end, exclusive.")


class QueryParameterValue(ApiModel):
    """The value of a parameter; one without any field is NULL."""

    value: Scalar | None = Field(
        default=None, description="A scalar, as text in the form of its type (BYTES in base64) or typed."
    )
    array_values: tuple[QueryParameterValue, ...] | None = Field(
        default=None, description="The elements of an ARRAY."
    )
    struct_values: dict[str, QueryParameterValue] | None = Field(
        default=None, description="The fields of a STRUCT by name."
    )
    range_value: RangeValue | None = Field(default=None, description="A RANGE.")


class QueryParameter(ApiModel):
    """A parameter: with a value, or as the declaration of the type of the input of the same name."""

    name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$",
        description="For @name; a parameter without a name is positional, for ?.",
    )
    parameter_type: QueryParameterType = Field(description="The parameter's exact type.")
    parameter_value: QueryParameterValue | None = Field(
        default=None,
        description="The value. Where it is not given, the value is the input of the same name, read as this type.",
    )
