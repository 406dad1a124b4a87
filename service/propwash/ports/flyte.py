"""What the handlers make of Flyte's task templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from propwash.core.model import Json
from propwash.ports.executions import AdoptedJob
from propwash.ports.records import Record, TaskRequest
from propwash.sdk.flyte import FlyteOutputs, FlyteTask, FlyteType


class FlyteTasks(Protocol):
    """Translates by whichever handler serves the task type."""

    def types(self) -> Sequence[FlyteType]:
        """The task types that are offered to Flyte, each once, in alphabetical order."""

    def answers_within_s(self, task_type: str) -> float | None:
        """How long a caller may wait for the end in one call; None for what is not synchronous, or not offered."""

    def is_passed_on(self, task_type: str) -> bool:
        """Whether a task is passed on as it is, so that nobody here has to understand its inputs."""

    def request(self, task: FlyteTask, *, project: str, domain: str) -> TaskRequest:
        """What the template asks for, its connection named, without a request id. Raises Refused, and NotAccepting
        where it is not known yet which task types are served.
        """

    def adopted(
        self, task_type: str, meta: Mapping[str, Json], raw: bytes, *, project: str, domain: str
    ) -> tuple[TaskRequest, AdoptedJob] | None:
        """The job of a resource meta that Flyte's own connector wrote, and what is known of what it runs, without a
        request id; None for no such meta. meta is empty where raw is no object in JSON. Raises as request does, and
        Refused NEVER_BEGUN where there is no such job and never will be.
        """

    def outputs(self, record: Record, *, is_v2: bool) -> FlyteOutputs:
        """What a succeeded execution gave; empty where the handler cannot tell any more."""
