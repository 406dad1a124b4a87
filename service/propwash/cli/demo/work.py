"""What a demo has done: one piece of work on one remote system, and what it must come to."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from propwash.client import Phase, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One job, apart from its name. The labels, or the spec itself, tell the sandbox how long it lasts."""

    task_type: str
    spec: Mapping[str, Value]
    inputs: Mapping[str, Value] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    expected: Phase = Phase.SUCCEEDED
    max_attempts: int = 1


Draw = Callable[[int, random.Random, int], Work]
"""Makes the work of an index, drawn from the dice, that lasts so many milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of work: its share of a plan, how it is drawn, and what is run before the first of it."""

    name: str
    share: int
    draw: Draw
    preparation: Work | None = None


DURATION = "sandbox-duration-ms"
FAIL_REASON = "sandbox-fail-reason"
FAIL_ATTEMPTS = "sandbox-fail-attempts"
