"""An access token that something else writes and replaces, such as a sidecar: read again and again, never fetched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from propwash.sdk import SecretReader, Unavailable

_KEPT_S = 30.0


class RotatingToken:
    """The token that a reference names: read every 30 s at most, and at once after it was refused; now gives monotonic
    seconds. What is kept in between is kept here alone, and out of every repr.
    """

    def __init__(
        self, reference: str, secrets: SecretReader, *, name: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._reference = reference
        self._secrets = secrets
        self._name = name
        self._now = now
        self._headers: dict[str, str] | None = None
        self._read_at = 0.0
        self._reading: asyncio.Task[dict[str, str] | Unavailable] | None = None

    def __repr__(self) -> str:
        return f"RotatingToken(name={self._name!r})"

    async def headers(self) -> dict[str, str]:
        """The Authorization header; raises Unavailable CREDENTIALS_UNAVAILABLE where the token cannot be read."""
        if self._headers is not None and self._now() < self._read_at + _KEPT_S:
            return self._headers
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name=f"bigquery-token-{self._name}")
        # Shielded, so that one cancelled call does not take the token away from the others.
        answer = await asyncio.shield(self._reading)
        if isinstance(answer, Unavailable):
            raise Unavailable(answer.reason, answer.message)
        return answer

    def distrust(self, headers: Mapping[str, str]) -> None:
        """The token was refused: read it again for the next call, unless another has taken its place already."""
        if headers == self._headers:
            self._headers = None

    async def close(self) -> None:
        """End what is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> dict[str, str] | Unavailable:
        try:
            secret = await self._secrets.read(self._reference)
        except Unavailable as verdict:
            # Answered and not raised: nobody may be waiting any more.
            return verdict
        finally:
            self._reading = None
        made = self._headers = {"Authorization": f"Bearer {secret.reveal()}"}
        self._read_at = self._now()
        return made
