"""What requests are signed with: fetched off the hot path, kept until it expires or is refused, never shown.

Theory: one task at a time fetches, and every call that needs its outcome waits for it. From half of a token's life on
the next call starts a fetch and goes on with the old one, so that only the very first call waits. A refused token is
thrown away at once, as its key may have been rotated; while refusals go on, another is fetched once in a pause at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from propwash.sdk import CREDENTIALS_UNAVAILABLE, SecretReader, Unavailable

TYPE_HEADER = "X-Snowflake-Authorization-Token-Type"
_REFRESH_AT = 0.5
"""The part of a token's life after which another is fetched."""
_MARGIN_S = 30.0
"""A token counts as expired so long before it does, for the way there and for clocks that differ."""
_PAUSE_S = 5.0
"""Between two fetches while tokens are refused, or cannot be had."""
_FETCH_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token, kept out of every repr; its type as Snowflake names it; how many seconds it lives."""

    value: str = field(repr=False)
    type: str
    lifetime_s: float

    def headers(self) -> dict[str, str]:
        """The headers of a request."""
        return {"Authorization": f"Bearer {self.value}", TYPE_HEADER: self.type}


class TokenSource(Protocol):
    """Where tokens come from."""

    async def fetch(self) -> AccessToken:
        """A new token; raises Unavailable, or anything."""

    async def close(self) -> None:
        """Release what is held."""


class NoCredentials:
    """For emulators: nothing is sent."""

    async def headers(self) -> dict[str, str]:
        """No headers."""
        return {}

    def distrust(self, headers: Mapping[str, str]) -> None:
        """Nothing to distrust."""

    async def close(self) -> None:
        """Nothing to release."""


class ReadToken:
    """A token that something else writes and replaces: read every 30 s, and after a refusal."""

    _KEPT_S = 2 * 30.0

    def __init__(self, reference: str, secrets: SecretReader, *, kind: str) -> None:
        self._reference = reference
        self._secrets = secrets
        self._kind = kind

    async def fetch(self) -> AccessToken:
        """The token as it is now; raises Unavailable."""
        secret = await self._secrets.read(self._reference)
        return AccessToken(value=secret.reveal(), type=self._kind, lifetime_s=self._KEPT_S + _MARGIN_S)

    async def close(self) -> None:
        """Nothing to release."""


class Credentials:
    """Keeps one source's token fresh; now gives monotonic seconds."""

    def __init__(self, source: TokenSource, *, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._name = name
        self._now = now
        self._token: AccessToken | None = None
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._complaint = "there is no access token"
        self._fetching: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Credentials(name={self._name!r})"

    async def headers(self) -> dict[str, str]:
        """The headers; raises Unavailable CREDENTIALS_UNAVAILABLE where there is no valid token."""
        now = self._now()
        if self._wants_another(now):
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch(), name=f"snowflake-token-{self._name}")
        if not self._is_valid(now) and self._fetching is not None:
            # Shielded, so that one cancelled call does not take the token away from the others.
            await asyncio.shield(self._fetching)
        token = self._token
        if token is None or not self._is_valid(self._now()):
            raise Unavailable(CREDENTIALS_UNAVAILABLE, self._complaint)
        return token.headers()

    def distrust(self, headers: Mapping[str, str]) -> None:
        """The token was refused: it counts no more, unless another has taken its place already."""
        if self._token is not None and headers == self._token.headers():
            self._token = None
            self._complaint = "Snowflake refused the token, and another is not had yet"

    async def close(self) -> None:
        """End what is under way and release the source."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._source.close()

    def _is_valid(self, now: float) -> bool:
        return self._token is not None and now < self._fetched_at + self._token.lifetime_s - _MARGIN_S

    def _wants_another(self, now: float) -> bool:
        if self._fetching is not None or (self._tried_at is not None and now < self._tried_at + _PAUSE_S):
            return False
        if self._token is None:
            return True
        return now >= self._fetched_at + (self._token.lifetime_s - _MARGIN_S) * _REFRESH_AT

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_S):
                token = await self._source.fetch()
        except Unavailable as verdict:
            self._complaint = verdict.message
        except Exception as error:  # noqa: BLE001  whatever goes wrong with a source, calls are told so
            # The text of such an error may quote a request with a secret in it.
            self._complaint = f"no access token can be had: {type(error).__name__}"
        else:
            self._token, self._fetched_at = token, self._now()
        finally:
            self._fetching = None
