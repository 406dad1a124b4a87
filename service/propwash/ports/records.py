"""What is stored of an execution, and by which name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from propwash.core.model import (
    Execution,
)
from propwash.sdk.handler import Value


@dataclass(frozen=True, slots=True, order=True)
class ExecutionName:
    """projects/{project}/domains/{domain}/executions/{execution}."""

    project: str
    domain: str
    execution: str

    def __str__(self) -> str:
        return f"projects/{self.project}/domains/{self.domain}/executions/{self.execution}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """What the user asked for: never changes."""

    task_type: str
    spec: Mapping[str, Value]
    inputs: Mapping[str, Value] = field(default_factory=dict)
    connection: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    digest: bytes = b""
    """Of all that the user gave but the request id; tells a repeat from a conflict."""
    memo: bytes = b""
    """What the API that took the request wants back with it; nobody else reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One execution as stored."""

    name: ExecutionName
    request: TaskRequest
    execution: Execution
    version: int
    """Grows by one with every stored change; 1 at creation."""
    seq: int = 0
    """The event sequence number of its last public change."""
