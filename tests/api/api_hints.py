"""Hints as an engine would hear them, for the tests of the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from propwash.ports import ExecutionName, Hearing


@dataclass(kw_only=True)
class FakeHints:
    """Answers what the test says; what it does not speak of is unknown."""

    hearings: dict[ExecutionName | str, Hearing] = field(default_factory=dict)
    hinted: list[ExecutionName | str] = field(default_factory=list)
    deaf: Exception | None = None

    async def hint(self, targets: Sequence[ExecutionName | str]) -> Sequence[Hearing]:
        """See ports.Executions."""
        if self.deaf is not None:
            raise self.deaf
        self.hinted.extend(targets)
        return [self.hearings.get(target, Hearing.UNKNOWN) for target in targets]
