"""The digest of all that a client asked for: the same for the same request on every version of the server."""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from collections.abc import Mapping, Sequence

from propwash.sdk.handler import Value


def digest_of(value: Value) -> bytes:
    """SHA-256 over a canonical encoding: every value with its kind and length, maps in key order.

    Raises TypeError for what is no value.
    """
    parts: list[bytes] = []
    _encode(value, parts)
    return hashlib.sha256(b"".join(parts)).digest()


def _encode(value: Value, parts: list[bytes]) -> None:
    match value:
        case str():
            raw = value.encode("utf-8", "surrogatepass")
            parts += (b"s%d:" % len(raw), raw)
        case bool():
            parts.append(b"b1" if value else b"b0")
        case int():
            parts.append(b"i%d;" % value)
        case float():
            parts += (b"f", struct.pack(">d", value))
        case None:
            parts.append(b"n")
        case bytes():
            parts += (b"x%d:" % len(value), value)
        case dt.datetime():
            utc = value.astimezone(dt.UTC) if value.tzinfo else value
            parts.append(b"t" + utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0").encode())
        case dt.timedelta():
            parts.append(b"d%d;" % (value // dt.timedelta(microseconds=1)))
        case Mapping():
            parts.append(b"m%d:" % len(value))
            for key in sorted(value):
                _encode(key, parts)
                _encode(value[key], parts)
        case Sequence():
            parts.append(b"l%d:" % len(value))
            for item in value:
                _encode(item, parts)
        case _:
            raise TypeError(f"{type(value).__name__} is no value")
