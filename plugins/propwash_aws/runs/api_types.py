"""The building blocks of the specs: what the messages of both APIs have in common.

Source: API references of EMR Serverless and of EMR on EKS: names are in camel case; Configuration and RetryPolicy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

import pydantic
from pydantic import Field
from pydantic.alias_generators import to_camel

from propwash.sdk import Spec
from propwash_aws.names import checked_tags


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


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


NotBlank = pydantic.AfterValidator(_not_blank)
PlaceName: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9._/#-]+$", min_length=1, max_length=64)
]
"""The id or the name of an application or a virtual cluster."""
ReleaseLabel: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9._/-]+$", min_length=1, max_length=64)
]
RoleArn: TypeAlias = Annotated[
    str,
    pydantic.StringConstraints(
        pattern=r"^arn:aws[a-zA-Z0-9-]*:iam::[0-9]{12}:role/.+$", min_length=20, max_length=2048
    ),
]
KeyArn: TypeAlias = Annotated[
    str,
    pydantic.StringConstraints(
        pattern=r"^arn:aws[a-zA-Z0-9-]*:kms:[^:]*:[0-9]{12}:key/.+$", min_length=20, max_length=2048
    ),
]
LogUri: TypeAlias = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=10_280), NotBlank]
LogGroup: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[\w./#-]+$", min_length=1, max_length=512)
]
Arguments: TypeAlias = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=102_400), NotBlank]
"""What follows on a command line, as one string."""
Tags: TypeAlias = Annotated[dict[str, str], pydantic.AfterValidator(checked_tags)]
_Property: TypeAlias = Annotated[str, pydantic.StringConstraints(max_length=1024)]
_PropertyName: TypeAlias = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=1024), NotBlank]


class Configuration(ApiModel):
    """Settings of one component, such as spark-defaults or spark-log4j2."""

    classification: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=1024), NotBlank] = (
        Field(description="Which settings these are, such as spark-defaults.")
    )
    properties: dict[_PropertyName, _Property] | None = Field(
        default=None, max_length=100, description="The settings; {{ .inputs.NAME }} is filled in in values."
    )
    configurations: tuple[Configuration, ...] | None = Field(
        default=None, max_length=100, description="Settings within these."
    )


def exactly_one(model: ApiModel, *names: str) -> None:
    """Raises ValueError where not exactly one of these fields is given."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        raise ValueError(f"give exactly one of {' and '.join(names)}, not {len(given)}")
