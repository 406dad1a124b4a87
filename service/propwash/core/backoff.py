"""How long to wait before another try: exponential, capped, with jitter that is a hash and not a dice."""

from __future__ import annotations

import hashlib


def fraction(*key: str | int) -> float:
    """A number in [0, 1) that depends on the key alone."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest()
    return float(int.from_bytes(digest, "big")) / 2.0**64


def backoff_s(*key: str | int, tries: int, first_s: float, cap_s: float) -> float:
    """Seconds to wait after the given number of failed tries (1-based).

    Doubles from first_s to cap_s; the upper half of the interval is jitter, so that many keys do not return together.
    """
    if tries < 1:
        raise ValueError(f"tries must be at least 1, not {tries}")
    ceiling = min(cap_s, first_s * 2.0 ** min(tries - 1, 62))
    return ceiling * (0.5 + 0.5 * fraction(*key, tries))
