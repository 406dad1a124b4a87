"""Unique ids of executions: sortable by time, drawn once, never used again."""

from __future__ import annotations

import secrets

from propwash.core.model import ExecutionUid, Instant

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_uid(now: Instant) -> ExecutionUid:
    """26 characters of Crockford base 32 in lower case: 48 bits of milliseconds, then 80 random bits."""
    number = (int(now * 1000) & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return ExecutionUid("".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)))
