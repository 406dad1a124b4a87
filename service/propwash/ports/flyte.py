"""What the handlers make of Flyte's task templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from propwash.core.model import Json
from propwash.ports.executions import AdoptedJob
from propwash.ports.records import Record, TaskRequest
from propwash.sdk.flyte import FlyteTask


class FlyteTasks(Protocol):
    """Translates by whichever handler serves the task type."""

    def task_types(self) -> Sequence[str]:
        """The task types that are offered to Flyte, in alphabetical order."""

    def request(self, task: FlyteTask, *, project: str, domain: str) -> TaskRequest:
        """What the template asks for, its connection named, without a request id; raises Refused."""

    def adopted(
        self, task_type: str, meta: Mapping[str, Json], *, project: str, domain: str
    ) -> tuple[TaskRequest, AdoptedJob] | None:
        """The job of a resource meta that Flyte's own connector wrote, and what is known of what it runs, without a
        request id; None for no such meta. Raises Refused, NEVER_BEGUN where there is no such job and never will be.
        """

    def results(self, record: Record, *, is_v2: bool) -> str:
        """The URI of the structured dataset that a succeeded execution made, or empty."""
