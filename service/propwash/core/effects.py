"""What a state can want of the world: wishes, in the imperative. Each is idempotent and has a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from propwash.core.events import Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Submit the attempt's job under its name."""

    verb: ClassVar[Verb] = Verb.CREATE
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """Look the attempt's job up by its name."""

    verb: ClassVar[Verb] = Verb.FIND
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Ask how the job is."""

    verb: ClassVar[Verb] = Verb.OBSERVE
    attempt: int
    meta: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Make sure that nothing of the attempt lives, by meta where known, else by name."""

    verb: ClassVar[Verb] = Verb.DELETE
    attempt: int
    meta: bytes | None


Effect: TypeAlias = Create | Find | Observe | Delete
