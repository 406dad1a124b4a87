"""How pools are named: parts between colons, so that handlers, configuration and API mean the same pool by a name."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

LONGEST_POOL_NAME = 200
POOL_NAME_FORM = (
    f"1 to {LONGEST_POOL_NAME} of letters, digits and . _ ~ - %, in parts between colons, none of them empty"
)
"""The grammar in words, for faults."""
_PART = r"[A-Za-z0-9._~%-]+"
_NAME = re.compile(rf"{_PART}(?::{_PART})*")
_DIGEST_CHARS = 16


def pool_name(*parts: str) -> str:
    """The name of a pool from its parts; what is no letter, digit or . _ ~ - is percent-encoded, as UTF-8.

    A name that would be longer than 200 characters is cut, and ends in ~ and 16 digits of the SHA-256 of the whole.
    Raises ValueError where there is no part, or an empty one.
    """
    if not parts or not all(parts):
        raise ValueError("a pool's name needs at least one part, and no part may be empty")
    name = ":".join(quote(part, safe="") for part in parts)
    if len(name) <= LONGEST_POOL_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{name[: LONGEST_POOL_NAME - _DIGEST_CHARS - 1].rstrip(':')}~{digest}"


def is_pool_name(name: str) -> bool:
    """Whether a text is a pool's name: 1 to 200 of letters, digits and . _ ~ - %, in parts between colons."""
    return len(name) <= LONGEST_POOL_NAME and _NAME.fullmatch(name) is not None
