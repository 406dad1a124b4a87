"""How a handler understands task templates of Flyte's SDKs. Optional: a handler without it is not offered to Flyte."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
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


class FlyteKind(enum.Enum):
    """What a task's interface says that an input is. Enumerations are texts; files and tables are their addresses."""

    INTEGER = "INTEGER"
    FLOAT = "FLOAT"
    STRING = "STRING"
    BOOLEAN = "BOOLEAN"
    DATETIME = "DATETIME"
    DURATION = "DURATION"
    BINARY = "BINARY"
    LIST = "LIST"
    MAP = "MAP"
    PICKLE = "PICKLE"
    """An object in Python's own form, which nothing but Python reads."""
    OTHER = "OTHER"
    """Such as one of several kinds, or a structure without declared members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyteInput:
    """An input as the task's interface declares it. What is optional is told as what it is where it is given."""

    kind: FlyteKind
    element: FlyteInput | None = None
    """Of a list, and of a map."""

    @property
    def is_pickled(self) -> bool:
        """Whether Python alone can read it, or an element of it."""
        return self.kind is FlyteKind.PICKLE or (self.element is not None and self.element.is_pickled)


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
    input_types: Mapping[str, FlyteInput] = field(default_factory=dict)
    """As the interface declares them: a null and an empty list tell no type themselves."""
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

    meta: bytes | None
    """By which the handler finds it, as its own create would have answered. None for a job that may never have been
    begun: its request is then created as any other, and has to come to that job where it is there.
    """
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
class FlyteCredentials(Protocol):
    """What a dialect has besides, whose tasks may bring their own credentials: the secrets that Flyte 2 resolves for a
    template's custom.secrets. Pure.
    """

    def credentials(self, names: Collection[str]) -> Mapping[str, Json]:
        """The settings by which a connection uses the secrets of these names in place of all credentials of its own:
        SentSecret.named(name) where a secret is referred to, None for a setting that is left out. Raises TemplateError
        for a name that it has no use for, and for one that is missing.
        """


@runtime_checkable
class FlyteRelay(FlyteDialect, Protocol):
    """The translation of a handler that passes tasks on to who served them before (Handler.flyte_types): a resource
    meta that was written there means the same job as ever. Pure.
    """

    def adopted_as_it_is(self, offered: FlyteType, meta: bytes) -> FlyteJob | None:
        """The job of a meta that the remote side wrote, whatever its bytes are; None where it is too long to keep."""
