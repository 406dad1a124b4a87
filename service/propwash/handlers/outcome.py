"""What came of one call to a handler's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from propwash.core.model import Fault


@dataclass(frozen=True, slots=True)
class Answered:
    """The method returned; the value is not checked yet."""

    value: object


@dataclass(frozen=True, slots=True)
class Raised:
    """The method raised."""

    error: BaseException


Outcome: TypeAlias = Answered | Raised | Fault
"""A Fault is the host's own: no free slot, or the deadline."""
