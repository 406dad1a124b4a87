"""What names a statement: the meta that the engine keeps for us, a small JSON list that begins with its version."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass

from propwash.sdk import RemoteName

_META_VERSION = 1
_NAMESPACE = uuid.UUID("6c3c5f0e-2f2e-5b53-9d0d-6a1a4f0b7c11")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_CHARACTERS = 10


@dataclass(frozen=True, slots=True)
class StatementKey:
    """A statement: its handle, which is its query id too, and its creation in milliseconds since the epoch, or 0."""

    handle: str
    created_ms: int = 0

    def meta(self) -> bytes:
        """The resource meta, without a secret."""
        return json.dumps([_META_VERSION, self.handle, self.created_ms], separators=(",", ":")).encode()


def read_meta(meta: bytes) -> StatementKey:
    """The statement that a meta names; raises ValueError for one that is not ours."""
    try:
        parts: object = json.loads(meta)
    except ValueError:
        parts = None
    match parts:
        case [1, str(handle), int(created_ms)] if handle:
            return StatementKey(handle, created_ms)
        case _:
            raise ValueError("not a meta of a Snowflake statement")


def request_id(name: RemoteName) -> str:
    """The requestId of a name's submission: the same each time, so that it is known before anything was sent."""
    return str(uuid.uuid5(_NAMESPACE, name))


def drawn_at(uid: str) -> float:
    """When an execution's id was drawn, in seconds since the epoch: its first ten characters hold the milliseconds."""
    number = 0
    for character in uid[:_TIME_CHARACTERS]:
        number = number << 5 | _ALPHABET.index(character)
    return number / 1000
