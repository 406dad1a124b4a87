"""Access tokens: fetched off the hot path, kept until they expire, never shown.

Theory: calls use the cached token. Once it is past its refresh time, the next call starts one named task that fetches
another, and goes on with the old one; so only the very first call, and the first after a long silence, waits. A
failed fetch keeps the old token until it expires and is tried again after a pause; after that calls are Unavailable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from propwash.sdk import CREDENTIALS_UNAVAILABLE, Unavailable

_REFRESH_AT = 0.5
"""The part of a token's life after which another is fetched."""
_MARGIN_S = 30.0
"""A token counts as expired so long before it does, for the way there and for clocks that differ."""
_PAUSE_S = 10.0
"""Between two failed fetches."""
_FETCH_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token, kept out of every repr, and how many seconds it lives."""

    value: str = field(repr=False)
    lifetime_s: float


class TokenSource(Protocol):
    """Where tokens come from."""

    async def fetch(self) -> AccessToken:
        """A new token; raises anything."""

    async def close(self) -> None:
        """Release what is held."""


class CredentialsError(Exception):
    """No token can be had; the message is fit to be shown."""


class NoCredentials:
    """For emulators: no token is sent."""

    async def headers(self) -> dict[str, str]:
        """No headers."""
        return {}

    def distrust(self, headers: Mapping[str, str]) -> None:
        """Nothing to distrust."""

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
        self._failed_at: float | None = None
        self._complaint = ""
        self._is_distrusted = False
        self._fetching: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Credentials(name={self._name!r})"

    async def headers(self) -> dict[str, str]:
        """The Authorization header; raises Unavailable with CREDENTIALS_UNAVAILABLE where there is no valid token."""
        now = self._now()
        if self._wants_another(now):
            self._begin()
        if not self._is_valid(now) and self._fetching is not None:
            # Shielded, so that one cancelled call does not take the token away from the others.
            await asyncio.shield(self._fetching)
        if self._token is None or not self._is_valid(self._now()):
            raise Unavailable(CREDENTIALS_UNAVAILABLE, self._complaint or "there is no access token")
        return _signed(self._token)

    def distrust(self, headers: Mapping[str, str]) -> None:
        """The token was refused: fetch another, and use the old one until then, as the refusal may be a passing one."""
        if self._token is not None and headers == _signed(self._token):
            self._is_distrusted = True

    async def close(self) -> None:
        """End what is under way and release the source."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._source.close()

    def _is_valid(self, now: float) -> bool:
        return self._token is not None and now < self._fetched_at + self._token.lifetime_s - _MARGIN_S

    def _wants_another(self, now: float) -> bool:
        if self._fetching is not None:
            return False
        if self._failed_at is not None and now < self._failed_at + _PAUSE_S:
            return False
        if self._token is None or (self._is_distrusted and now >= self._fetched_at + _PAUSE_S):
            return True
        return now >= self._fetched_at + self._token.lifetime_s * _REFRESH_AT

    def _begin(self) -> None:
        self._fetching = asyncio.create_task(self._fetch(), name=f"bigquery-token-{self._name}")

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_S):
                token = await self._source.fetch()
        except CredentialsError as error:
            self._fail(str(error))
        except Unavailable as verdict:
            self._fail(verdict.message)
        except Exception as error:  # noqa: BLE001  whatever goes wrong with a source, calls are told so
            # The text of such an error may quote a request with an assertion in it.
            status = getattr(error, "status", None)
            said = f"{type(error).__name__} {status}" if isinstance(status, int) else type(error).__name__
            self._fail(f"fetching an access token failed: {said}")
        else:
            self._token, self._fetched_at, self._failed_at = token, self._now(), None
            self._is_distrusted = False
        finally:
            self._fetching = None

    def _fail(self, complaint: str) -> None:
        self._failed_at, self._complaint = self._now(), complaint


def _signed(token: AccessToken) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.value}"}
