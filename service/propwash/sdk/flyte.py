"""How a handler understands task templates of Flyte's SDKs. Optional: a handler without it is not offered to Flyte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from propwash.core.model import Json, Link
from propwash.sdk.handler import Value


class TemplateError(ValueError):
    """A template that can never run; the message names the field and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyteTask:
    """What arrives: whole numbers of custom are integers again, inputs are values."""

    task_type: str
    statement: str = ""
    """sql.statement; the SDKs have joined its lines."""
    custom: Mapping[str, Json] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyteRequest:
    """What is to be run: spec and inputs as of any client."""

    spec: Mapping[str, Json]
    inputs: Mapping[str, Value] = field(default_factory=dict)
    account: Mapping[str, str] = field(default_factory=dict)
    """Settings that the connection has to have; one that it does not name at all fits. Letters' case does not count."""


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

    def results(self, done: FlyteDone) -> str:
        """The URI of the structured dataset that a succeeded job made, or empty."""

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:
        """The job of a resource meta that Flyte's own connector for the task type wrote; None for no such meta. Raises
        TemplateError for a job that was never begun.
        """
