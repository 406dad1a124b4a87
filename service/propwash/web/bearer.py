"""The bearer token of a hook: known by reference, read anew as it changes, and compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from propwash.core.model import Instant
from propwash.sdk import Secret, SecretReader, Unavailable

FRESH_S = 1.0
"""How old a token that was read may be: a rotated one holds after so long, and a flood of guesses reads no file."""


class Bearer:
    """Says whether a request carries the token. A token that cannot be read admits nobody."""

    def __init__(
        self,
        reference: str,
        *,
        secrets: SecretReader,
        now: Callable[[], Instant],
        trouble: Callable[[str], None],
    ) -> None:
        """reference is env:NAME or file:/absolute/path; trouble is told, once a change, why it cannot be read."""
        self._reference = reference
        self._secrets = secrets
        self._now = now
        self._trouble = trouble
        self._read_at: Instant | None = None
        self._secret: Secret | None = None
        self._why = ""

    async def admits(self, authorization: str) -> bool:
        """Whether an Authorization header carries the token."""
        scheme, _, token = authorization.strip().partition(" ")
        return scheme.lower() == "bearer" and await self.is_token(token.strip())

    async def is_token(self, token: str) -> bool:
        """Whether this is the token."""
        secret = await self._current()
        if secret is None or not token:
            return False
        return hmac.compare_digest(token.encode(), secret.reveal().encode())

    async def _current(self) -> Secret | None:
        if self._read_at is None or self._now() - self._read_at >= FRESH_S:
            self._read_at = self._now()
            try:
                self._secret, why = await self._secrets.read(self._reference), ""
            except Unavailable as unavailable:
                self._secret, why = None, unavailable.message
            if why and why != self._why:
                self._trouble(why)
            self._why = why
        return self._secret
