"""How pools are named: parts between colons, so that handlers, configuration and API mean the same pool by a name."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from propwash.core.pool import LONGEST_POOL_NAME

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
