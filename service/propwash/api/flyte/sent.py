"""Requests about tasks as they arrive, and the secrets that version 2 sends with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from google.protobuf.message import Message

from propwash.ports import NO_SECRETS
from propwash.sdk import Secret

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Sent(Generic[M]):
    """A request in version 1's message, and what it came with by name. No repr of it holds a secret."""

    request: M
    secrets: Mapping[str, Secret]


Reader: TypeAlias = Callable[[bytes], Sent[M]]


def reader(kind: type[M]) -> Reader[M]:
    """Reads requests of version 1, which has no secrets."""
    return lambda data: Sent(kind.FromString(data), NO_SECRETS)
