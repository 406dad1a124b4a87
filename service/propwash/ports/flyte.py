"""What the handlers make of Flyte's task templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from propwash.ports.records import Record, TaskRequest
from propwash.sdk.flyte import FlyteTask


class FlyteTasks(Protocol):
    """Translates by whichever handler serves the task type."""

    def task_types(self) -> Sequence[str]:
        """The task types that are offered to Flyte, in alphabetical order."""

    def request(self, task: FlyteTask, *, project: str, domain: str) -> TaskRequest:
        """What the template asks for, its connection named, without a request id; raises Refused."""

    def results(self, record: Record, *, is_v2: bool) -> str:
        """The URI of the structured dataset that a succeeded execution made, or empty."""
