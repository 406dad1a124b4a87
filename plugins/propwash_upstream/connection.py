"""A connection's settings: which server, which version of the protocol, and what its connectors may be trusted with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pydantic

from propwash.sdk import FlyteType, SecretRef


class StatedType(pydantic.BaseModel):
    """A task type that the server has, as the operator knows it."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    name: str = pydantic.Field(min_length=1, max_length=127, description="The task type.")
    version: int = pydantic.Field(default=0, ge=0, description="Its version; 0 for all of the SDKs' own.")
    is_sync: bool = pydantic.Field(
        default=False, description="Whether the server ends it in one call, as a synchronous connector does."
    )


class UpstreamSettings(pydantic.BaseModel):
    """What Connection.settings holds."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["auto", "v1", "v2"] = pydantic.Field(
        default="auto",
        description=(
            "The version of the protocol: v1 as flytekit's server speaks it, v2 as flyte-sdk's. auto: the one whose "
            "metadata service answers, version 1 first."
        ),
    )
    tls: bool = pydantic.Field(default=False, description="Whether the server speaks TLS.")
    tls_ca: Path | None = pydantic.Field(
        default=None,
        description="Who signed the server's certificate, a file in PEM; those that the system trusts where not given.",
    )
    task_types: tuple[str | StatedType, ...] = pydantic.Field(
        default=(),
        description=(
            "Task types that are offered to Flyte whether the server has answered yet or not, by name, or with version "
            "and is_sync. What the server lists is offered besides."
        ),
    )
    hidden_task_types: tuple[str, ...] = pydantic.Field(
        default=("sensor", "webhook"),
        description="Task types that are not offered though the server lists them; flytekit's always lists these two.",
    )
    repeats_lost_creates: bool = pydantic.Field(
        default=False,
        description=(
            "Whether a create with the same output prefix is the same job, for every connector of the server. Only "
            "then is a create whose answer was lost sent again."
        ),
    )
    when_create_raises: Literal["retry", "fail", "doubt"] = pydantic.Field(
        default="retry",
        description=(
            "What a create is worth whose connector raised an error. retry: the attempt has failed, and another may "
            "mend it. fail: the execution has failed. doubt: it may have made a job all the same."
        ),
    )
    secrets: dict[str, SecretRef] = pydantic.Field(
        default={},
        description=(
            "References of secrets, by the names under which connectors of version 2 take them. A task gets those that "
            "its template names in custom.secrets."
        ),
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> UpstreamSettings:
        if self.tls_ca is not None and not self.tls:
            raise ValueError("tls_ca needs tls")
        names = [one.name for one in self.stated()]
        if len(set(names)) != len(names):
            raise ValueError("task_types names one task type twice")
        return self

    def stated(self) -> Sequence[FlyteType]:
        """The task types that are stated."""
        return tuple(
            FlyteType(name=one)
            if isinstance(one, str)
            else FlyteType(name=one.name, version=one.version, is_sync=one.is_sync)
            for one in self.task_types
        )
