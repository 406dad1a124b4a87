"""OAuth access tokens that a client fetches by its own credentials. Source: RFC 6749, section 4.4."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus

import aiohttp

from propwash.sdk import CREDENTIALS_UNAVAILABLE, SecretReader, Unavailable
from propwash_snowflake.connection import SnowflakeSettings
from propwash_snowflake.credentials import AccessToken

KIND = "OAUTH"
_TIMEOUT_S = 15.0
_LIFETIME_S = 600.0
"""Of a token whose answer does not say."""


class ClientCredentials:
    """Fetches access tokens from an authorization server."""

    def __init__(self, settings: SnowflakeSettings, secrets: SecretReader) -> None:
        assert settings.oauth_token_url is not None
        assert settings.oauth_client_id is not None
        assert settings.oauth_client_secret is not None
        self._url = settings.oauth_token_url
        self._client_id = settings.oauth_client_id
        self._secret_reference = settings.oauth_client_secret
        self._scope = settings.oauth_scope
        self._uses_proxy = settings.uses_environment_proxy
        self._secrets = secrets
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self) -> AccessToken:
        """A new token; raises Unavailable where the server gives none."""
        secret = await self._secrets.read(self._secret_reference)
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        who = {"Authorization": _basic(self._client_id, secret.reveal())}
        try:
            async with self._opened().post(
                self._url, data=form, headers=who, allow_redirects=False
            ) as answer:
                status = answer.status
                body: object = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            said = f"no access token from {self._url}: {type(error).__name__}"
            raise Unavailable(CREDENTIALS_UNAVAILABLE, said) from error
        match body:
            case {"access_token": str(token), **more} if status == 200 and token:
                lifetime_s = more.get("expires_in")
                if not isinstance(lifetime_s, int | float) or lifetime_s <= 0:
                    lifetime_s = _LIFETIME_S
                return AccessToken(value=token, type=KIND, lifetime_s=float(lifetime_s))
            case {"error": str(error_code)}:
                said = f"{self._url} gives no access token: {error_code[:80]}"
            case _:
                said = f"{self._url} gives no access token: HTTP status {status}"
        raise Unavailable(CREDENTIALS_UNAVAILABLE, said)

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
                trust_env=self._uses_proxy,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _basic(client_id: str, secret: str) -> str:
    # RFC 6749, section 2.3.1: servers have to take the client's password so, both parts encoded as in a form.
    given = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(given.encode()).decode()
