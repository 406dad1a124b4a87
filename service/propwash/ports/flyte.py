"""What the handlers make of Flyte's task templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from propwash.core.model import Json
from propwash.ports.executions import AdoptedJob
from propwash.ports.records import Record, TaskRequest
from propwash.sdk.flyte import FlyteOutputs, FlyteTask, FlyteType
from propwash.sdk.secrets import Secret

NO_SECRETS: Mapping[str, Secret] = MappingProxyType({})
"""Of a task that comes without any."""


class FlyteTasks(Protocol):
    """Translates by whichever handler serves the task type."""

    def types(self) -> Sequence[FlyteType]:
        """The task types that are offered to Flyte, each once, in alphabetical order."""

    def answers_within_s(self, task_type: str) -> float | None:
        """How long a caller may wait for the end in one call; None for what is not synchronous, or not offered."""

    def is_passed_on(self, task_type: str) -> bool:
        """Whether a task is passed on as it is, so that nobody here has to understand its inputs."""

    def request(
        self, task: FlyteTask, *, project: str, domain: str, secrets: Mapping[str, Secret] = NO_SECRETS
    ) -> TaskRequest:
        """What the template asks for, its connection named, without a request id. Raises Refused, and NotAccepting
        where it is not known yet which task types are served.

        Secrets that Flyte sent with the task are kept in memory, and the connection is then one that is derived for
        them. Its name is for the draft's plan; the request itself is for the configured one, which account_of tells.
        """

    def renew(self, record: Record, secrets: Mapping[str, Secret]) -> None:
        """Flyte sent a task's secrets again: from now on these are used. Raises nothing."""

    def adopted(
        self,
        task_type: str,
        meta: Mapping[str, Json],
        raw: bytes,
        *,
        project: str,
        domain: str,
        secrets: Mapping[str, Secret] = NO_SECRETS,
    ) -> tuple[TaskRequest, AdoptedJob | None] | None:
        """The job of a resource meta that Flyte's own connector wrote, and what is known of what it runs, as request
        answers it; without a job where the request is to be created; None for no such meta. meta is empty where raw is
        no object in JSON. Raises as request does, and Refused NEVER_BEGUN where there is no such job and never will be.
        """

    def outputs(self, record: Record, *, is_v2: bool) -> FlyteOutputs:
        """What a succeeded execution gave; empty where the handler cannot tell any more."""
