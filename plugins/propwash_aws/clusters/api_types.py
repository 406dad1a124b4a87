"""The building blocks of the specs of EMR on EC2: what the messages of its API have in common.

Source: Amazon EMR API Reference (API version 2009-03-31): names begin with a capital letter, as in HadoopJarStep.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

import pydantic
from pydantic.alias_generators import to_pascal

from propwash.sdk import Spec


class ApiModel(Spec):
    """A message of the API. Fields are given by the API's own names or in snake case, not by both at once."""

    model_config = pydantic.ConfigDict(alias_generator=to_pascal)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _named_once(cls, data: object) -> object:
        if isinstance(data, Mapping):
            for name, info in cls.model_fields.items():
                if info.alias != name and name in data and info.alias in data:
                    raise ValueError(f"{name} and {info.alias} are the same field: give one of them")
        return data


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


JsonObject: TypeAlias = Annotated[dict[str, pydantic.JsonValue], pydantic.BeforeValidator(_plain)]
"""A message that is handed to the API as it is, and so takes the API's own names alone."""

Text: TypeAlias = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=10_280)]
"""A string of the API (XmlString)."""

ShortText: TypeAlias = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=256)]
"""A short string of the API (XmlStringMaxLen256)."""

ClusterId: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^j-[A-Za-z0-9]+$", min_length=3, max_length=64)
]
"""The id of a cluster, such as j-2AXXXXXXGAPLF."""

RoleArn: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^arn:[a-z0-9-]+:iam::[0-9]*:role/.+$", max_length=2048)
]
"""The ARN of an IAM role."""
