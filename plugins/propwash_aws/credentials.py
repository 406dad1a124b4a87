"""Access keys: fetched off the hot path, kept while they are good, never shown.

Theory: calls are signed with the cached keys. Once these are past half of their life, the next call starts one named
task that fetches others, and goes on with the old ones; so only the first call, and the first after a long silence,
waits. A failed fetch keeps the old keys until they expire and is tried again after a pause; after that calls are
Unavailable. Keys that a service refused are fetched anew at once, but not more often than the pause allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from propwash.sdk import CREDENTIALS_UNAVAILABLE, SecretReader, Unavailable, Verdict
from propwash_aws.connection import AwsSettings

_REFRESH_AT = 0.5
_PAUSE_S = 5.0
"""Between two fetches that failed, or that a refusal asked for."""
_FETCH_TIMEOUT_S = 20.0
_SECRETS_LIFETIME_S = 60.0
_CHAIN_LIFETIME_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What signs requests, in the attributes that botocore's signers read; kept out of every repr."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False, default=None)
    lifetime_s: float = field(compare=False)


class KeySource(Protocol):
    """Where keys come from."""

    async def fetch(self, *, is_refused: bool) -> Keys:
        """Keys as they are now; is_refused says that a service refused the last ones. Raises anything."""


class SecretKeys:
    """Keys that the settings name as secrets."""

    def __init__(self, settings: AwsSettings, secrets: SecretReader) -> None:
        self._settings = settings
        self._secrets = secrets

    async def fetch(self, *, is_refused: bool) -> Keys:  # noqa: ARG002  secrets are read as they are, refused or not
        """The secrets as they are now; raises Unavailable."""
        settings = self._settings
        token = settings.session_token
        return Keys(
            access_key=(await self._secrets.read(settings.access_key_id or "")).reveal(),
            secret_key=(await self._secrets.read(settings.secret_access_key or "")).reveal(),
            token=None if token is None else (await self._secrets.read(token)).reveal(),
            lifetime_s=_SECRETS_LIFETIME_S,
        )


class Frozen(Protocol):
    """Keys, in the attributes that botocore's frozen credentials have."""

    @property
    def access_key(self) -> str:
        """The access key id."""

    @property
    def secret_key(self) -> str:
        """The secret access key."""

    @property
    def token(self) -> str | None:
        """The session token of temporary keys."""


class Chain:
    """The AWS SDK's own search; what it found refreshes itself. load makes the search, and raises anything."""

    def __init__(self, load: Callable[[], Awaitable[Callable[[], Awaitable[Frozen]] | None]]) -> None:
        self._load = load
        self._found: Callable[[], Awaitable[Frozen]] | None = None

    async def fetch(self, *, is_refused: bool) -> Keys:
        """What the search found; it is made again where that was refused. Raises Unavailable where it finds nothing."""
        if self._found is None or is_refused:
            self._found = await self._load()
        if self._found is None:
            raise Unavailable(CREDENTIALS_UNAVAILABLE, "the AWS SDK's search found no credentials")
        frozen = await self._found()
        return Keys(
            access_key=frozen.access_key,
            secret_key=frozen.secret_key,
            token=frozen.token,
            lifetime_s=_CHAIN_LIFETIME_S,
        )


class Role:
    """A role's session; assume makes the call, and raises a verdict."""

    def __init__(self, assume: Callable[[], Awaitable[Keys]]) -> None:
        self._assume = assume

    async def fetch(self, *, is_refused: bool) -> Keys:  # noqa: ARG002  a session is always made anew
        """A new session; raises a verdict."""
        return await self._assume()


class Keeper:
    """Keeps one source's keys fresh; now gives monotonic seconds.

    It stands where botocore has its credentials object, so every request is signed with what is good at that moment.
    """

    def __init__(self, source: KeySource, *, name: str, now: Callable[[], float]) -> None:
        self._source = source
        self._name = name
        self._now = now
        self._keys: Keys | None = None
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._complaint: Unavailable | None = None
        self._fetching: asyncio.Task[None] | None = None
        self.generation = 0
        """Grows with each fetch that brought other keys."""

    def __repr__(self) -> str:
        return f"Keeper(name={self._name!r})"

    async def get_frozen_credentials(self) -> Keys:
        """The keys to sign with; raises Unavailable with CREDENTIALS_UNAVAILABLE where there are none."""
        keys, now = self._keys, self._now()
        if (keys is None or now >= self._fetched_at + keys.lifetime_s * _REFRESH_AT) and self._may_try(now):
            self._begin(is_refused=False)
        if (keys is None or now >= self._fetched_at + keys.lifetime_s) and self._fetching is not None:
            # Shielded, so that one cancelled call does not take the keys away from the others.
            await asyncio.shield(self._fetching)
        keys = self._keys
        if keys is None or self._now() >= self._fetched_at + keys.lifetime_s:
            complaint = self._complaint
            raise Unavailable(
                CREDENTIALS_UNAVAILABLE, complaint.message if complaint else "there are no credentials"
            )
        return keys

    async def get_account_id(self) -> str | None:
        """No account id: endpoints are not made of it."""
        return None

    def get_deferred_property(self, name: str) -> Callable[[], Awaitable[str | None]]:  # noqa: ARG002  the only one asked for
        """What botocore asks for the account id by."""
        return self.get_account_id

    async def renewed(self, refused: int) -> bool:
        """Fetch other keys, since those of this generation were refused; whether there are others now."""
        if self.generation == refused:
            if self._fetching is None and self._may_try(self._now()):
                self._begin(is_refused=True)
            if self._fetching is not None:
                await asyncio.shield(self._fetching)
        return self.generation != refused

    async def close(self) -> None:
        """End what is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _may_try(self, now: float) -> bool:
        return self._fetching is None and (self._tried_at is None or now >= self._tried_at + _PAUSE_S)

    def _begin(self, *, is_refused: bool) -> None:
        self._fetching = asyncio.create_task(self._fetch(is_refused), name=f"aws-keys-{self._name}")

    async def _fetch(self, is_refused: bool) -> None:
        # Only a fetch that failed or that a refusal asked for holds the next one up.
        self._tried_at = self._now()
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_S):
                keys = await self._source.fetch(is_refused=is_refused)
        except Verdict as verdict:
            self._complaint = Unavailable(CREDENTIALS_UNAVAILABLE, verdict.message)
        except Exception as error:  # noqa: BLE001  whatever goes wrong with a source, calls are told so
            # The text of such an error may quote what was read.
            said = f"fetching credentials failed: {type(error).__name__}"
            self._complaint = Unavailable(CREDENTIALS_UNAVAILABLE, said)
        else:
            if keys != self._keys:
                self.generation += 1
            self._keys, self._fetched_at, self._complaint = keys, self._now(), None
            if not is_refused:
                self._tried_at = None
        finally:
            self._fetching = None
