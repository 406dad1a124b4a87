"""The building blocks of the spec: what the API's own messages have in common.

Source: BigQuery REST v2, "type and format summary" of Google's discovery service: an int64 travels as a decimal
string, names are in camel case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import pydantic
from pydantic.alias_generators import to_camel

from propwash.sdk import Spec

_DECIMAL = re.compile(r"-?[0-9]{1,19}")
_INT64_LEAST, _INT64_MOST = -(2**63), 2**63 - 1


class ApiModel(Spec):
    """A message of the API. Fields are given by the API's own names or in snake case, not by both at once."""

    model_config = pydantic.ConfigDict(alias_generator=to_camel)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _named_once(cls, data: object) -> object:
        if isinstance(data, Mapping):
            for name, info in cls.model_fields.items():
                if info.alias != name and name in data and info.alias in data:
                    raise ValueError(f"{name} and {info.alias} are the same field: give one of them")
        return data


def _as_int64(value: object) -> object:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not _INT64_LEAST <= value <= _INT64_MOST:
        raise ValueError("must fit 64 bits")
    return value


Int64: TypeAlias = Annotated[
    int,
    pydantic.BeforeValidator(_as_int64),
    pydantic.PlainSerializer(str, return_type=str),
    pydantic.WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]}),
]
"""An int64: an integer, or the decimal string that the API itself uses. It is sent as a string."""


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


JsonObject: TypeAlias = Annotated[dict[str, pydantic.JsonValue], pydantic.BeforeValidator(_plain)]
"""A message that is handed to the API as it is."""

Project: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[a-z][a-z0-9.:-]{2,98}[a-z0-9]$", min_length=4, max_length=100)
]
"""A project id, with its domain before a colon where it has one."""

Location: TypeAlias = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{1,63}$")]
"""A region or multi-region, such as US, EU or europe-west3."""

CreateDisposition: TypeAlias = Literal["CREATE_IF_NEEDED", "CREATE_NEVER"]
WriteDisposition: TypeAlias = Literal["WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA", "WRITE_APPEND", "WRITE_EMPTY"]
SchemaUpdateOption: TypeAlias = Literal["ALLOW_FIELD_ADDITION", "ALLOW_FIELD_RELAXATION"]
