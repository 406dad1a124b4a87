"""How a handler understands task templates of Flyte's SDKs. Optional: a handler without it is not offered to Flyte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from propwash.core.model import Json, Link
from propwash.sdk.handler import Column, Value


class TemplateError(ValueError):
    """A template that can never run; the message names the field and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyteType:
    """A task type that is offered to Flyte."""

    name: str
    version: int = 0
    """The one that the SDKs register; Flyte keeps one for each task type."""
    is_sync: bool = False
    """Whether Flyte 1 waits for the end of such a task in one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyteContainer:
    """The container that would run the task's Python function; Flyte has filled in its arguments."""

    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyteTask:
    """What arrives: whole numbers of custom are integers again, inputs are values."""

    task_type: str
    version: int = 0
    statement: str = ""
    """sql.statement; the SDKs have joined its lines."""
    custom: Mapping[str, Json] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Value] = field(default_factory=dict)
    container: FlyteContainer | None = None
    output_prefix: str = ""
    """Where Flyte looks for the files of outputs of what writes its own."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What Flyte tells a task's process of the execution that it belongs to: FLYTE_INTERNAL_EXECUTION_ID and so on."""
    request: bytes = b""
    """All of the above as it arrived: a flyteidl.admin.CreateTaskRequest, without secrets. For who passes it on."""
    is_sync: bool = False
    """Whether the task type was offered as one whose end comes in one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyteRequest:
    """What is to be run: spec and inputs as of any client."""

    spec: Mapping[str, Json]
    inputs: Mapping[str, Value] = field(default_factory=dict)
    account: Mapping[str, str] = field(default_factory=dict)
    """Settings that the connection has to have; one that it does not name at all fits. Letters' case does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyteDataset:
    """A table that a job made, which Flyte takes as a structured dataset."""

    uri: str
    columns: tuple[Column, ...] = ()
    """By the remote system's names of types, where it told them; what the task declares goes before them."""


FlyteOutputs: TypeAlias = "Mapping[str, FlyteDataset | Value] | bytes | None"
"""What a succeeded task gives: outputs by name; or a serialized flyteidl.core.LiteralMap; or None where the job itself
wrote a file of outputs under the output prefix.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyteDone:
    """A succeeded execution: its outputs, its spec, and the settings of its connection."""

    outputs: Mapping[str, Json]
    spec: Mapping[str, Value]
    settings: Mapping[str, Json]
    is_v2: bool
    """Whether Flyte 2 asks, whose SDK reads some addresses otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyteJob:
    """A remote job that another connector began."""

    meta: bytes
    """By which the handler finds it, as its own create would have answered."""
    request: FlyteRequest
    """What is known of what it runs. The spec has to be one of the handler's."""
    links: tuple[Link, ...] = ()


class FlyteDialect(Protocol):
    """A handler's translation, both ways. Pure."""

    def request(self, task: FlyteTask) -> FlyteRequest:
        """What a template asks for; raises TemplateError."""

    def outputs(self, done: FlyteDone) -> FlyteOutputs:
        """What a succeeded job gives."""

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:
        """The job of a resource meta that Flyte's own connector for the task type wrote; None for no such meta. Raises
        TemplateError for a job that was never begun.
        """


@runtime_checkable
class FlyteRelay(FlyteDialect, Protocol):
    """The translation of a handler that passes tasks on to who served them before (Handler.flyte_types): a resource
    meta that was written there means the same job as ever. Pure.
    """

    def adopted_as_it_is(self, offered: FlyteType, meta: bytes) -> FlyteJob | None:
        """The job of a meta that the remote side wrote, whatever its bytes are; None where it is too long to keep."""
