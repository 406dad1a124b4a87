"""A stand-in for what the handlers make of Flyte's tasks: every one is a query of the API's fake host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from propwash.core.model import Json
from propwash.ports import NO_SECRETS, AdoptedJob, Record, Refused, TaskRequest
from propwash.sdk import FlyteOutputs, FlyteTask, FlyteType, Secret


class FakeTasks:
    """Implements ports.FlyteTasks: what is offered, how soon synchronous tasks end, and what every task gives."""

    def __init__(
        self,
        *types: FlyteType,
        within_s: Mapping[str, float] | None = None,
        outputs: FlyteOutputs = None,
    ) -> None:
        self.tasks: list[FlyteTask] = []
        """All that arrived."""
        self._types = types or (FlyteType(name="query"),)
        self._within_s = within_s or {}
        self._outputs = outputs or {}

    def types(self) -> Sequence[FlyteType]:
        return self._types

    def answers_within_s(self, task_type: str) -> float | None:
        return self._within_s.get(task_type)

    def is_passed_on(self, task_type: str) -> bool:
        return False

    def request(
        self, task: FlyteTask, *, project: str, domain: str, secrets: Mapping[str, Secret] = NO_SECRETS
    ) -> TaskRequest:
        self.tasks.append(task)
        if not task.statement:
            raise Refused("INVALID_TEMPLATE", "sql.statement: is empty, and should be the query")
        return TaskRequest(task_type="query", spec={"query": task.statement}, inputs=task.inputs)

    def renew(self, record: Record, secrets: Mapping[str, Secret]) -> None:
        return

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
        return None

    def outputs(self, record: Record, *, is_v2: bool) -> FlyteOutputs:
        return self._outputs
