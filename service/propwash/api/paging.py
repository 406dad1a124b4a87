"""Opaque tokens: a payload bound to what it was given for, so that it is refused anywhere else.

A token is no permission; its checksum is keyed with the installation's owner id only so that a token of
another installation, scope or filter is recognised.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from propwash.api.errors import invalid
from propwash.api.reasons import Reason
from propwash.core.model import ExecutionUid
from propwash.ports import Position

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000
PAGE_BYTES = 3 * 1024 * 1024
"""A page ends here: a client takes 4 MiB unless told otherwise."""
_CHECK_BYTES = 8
_LONGEST_TOKEN = 4096


class TokenMismatch(Exception):
    """The token is damaged, or was given for something else."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Makes and opens the tokens of one kind on one installation."""

    owner: str
    kind: str

    def seal(self, payload: bytes, bound_to: str) -> str:
        """A token that only open() with the same bound_to takes."""
        return base64.urlsafe_b64encode(self._check(payload, bound_to) + payload).rstrip(b"=").decode()

    def open(self, token: str, bound_to: str) -> bytes:
        """The payload; raises TokenMismatch."""
        if len(token) > _LONGEST_TOKEN:
            raise TokenMismatch
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise TokenMismatch from None
        check, payload = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        if check != self._check(payload, bound_to):
            raise TokenMismatch
        return payload

    def _check(self, payload: bytes, bound_to: str) -> bytes:
        digest = hashlib.blake2b(key=self.owner.encode()[:64], digest_size=_CHECK_BYTES)
        for part in (self.kind.encode(), bound_to.encode("utf-8", "surrogatepass"), payload):
            digest.update(b"%d:" % len(part))
            digest.update(part)
        return digest.digest()


def page_limit(size: int) -> int:
    """How many items a page has at most; raises ApiError FIELD_INVALID for a negative size."""
    if size < 0:
        raise invalid("page_size", "must not be negative; 0 means 100")
    return min(size or DEFAULT_PAGE, LARGEST_PAGE)


class PageTokens:
    """Page tokens of one method."""

    def __init__(self, owner: str, method: str) -> None:
        self._sealer = Sealer(owner, f"page:{method}")

    def seal(self, payload: bytes, bound_to: str) -> str:
        """A token for the page after the payload."""
        return self._sealer.seal(payload, bound_to)

    def open(self, token: str, bound_to: str) -> bytes:
        """The payload; raises ApiError PAGE_TOKEN_INVALID."""
        try:
            return self._sealer.open(token, bound_to)
        except TokenMismatch:
            raise invalid(
                "page_token",
                "is not a token that this server gave for this request",
                Reason.PAGE_TOKEN_INVALID,
            ) from None


def encode_position(position: Position) -> bytes:
    """A position as a token's payload."""
    return struct.pack(">d", position.created_at) + position.uid.encode()


def decode_position(payload: bytes) -> Position:
    """The reverse; the payload is one that encode_position made."""
    (created_at,) = struct.unpack(">d", payload[:8])
    return Position(created_at=created_at, uid=ExecutionUid(payload[8:].decode()))
