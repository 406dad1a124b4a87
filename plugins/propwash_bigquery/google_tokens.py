"""Google's tokens, by gcloud-aio-auth: Application Default Credentials, service accounts, the metadata server,
workload identity federation, authorized users and impersonation.

Source: gcloud-aio-auth 5, token.Token: refresh() asks once; which credentials are the default follows google-auth.
"""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING

from propwash.sdk import SecretReader
from propwash_bigquery.connection import BigQuerySettings
from propwash_bigquery.credentials import AccessToken, CredentialsError

if TYPE_CHECKING:
    from gcloud.aio.auth import Token

_TIMEOUT_S = 10


class GoogleTokens:
    """Fetches tokens as a connection's settings say. Credentials are read anew for each fetch, as a key may have been
    replaced.
    """

    def __init__(self, settings: BigQuerySettings, secrets: SecretReader) -> None:
        self._settings = settings
        self._secrets = secrets
        self._token: Token | None = None

    async def fetch(self) -> AccessToken:
        """A new token; raises CredentialsError where the extra or the file is missing, Unavailable where the secret
        cannot be read, and what the library raises.
        """
        reference, content = self._settings.credentials_json, None
        if reference is not None:
            content = (await self._secrets.read(reference)).reveal()
        await self.close()
        # In a thread, since it imports cryptography and reads the credentials file.
        self._token = await asyncio.to_thread(_open, self._settings, content)
        try:
            answer = await self._token.refresh(timeout=_TIMEOUT_S)
        finally:
            await self.close()
        return AccessToken(value=answer.value, lifetime_s=float(answer.expires_in))

    async def close(self) -> None:
        """Close the session."""
        token, self._token = self._token, None
        if token is not None:
            await token.close()


def _open(settings: BigQuerySettings, content: str | None) -> Token:
    try:
        from gcloud.aio.auth import Token
    except ImportError as error:
        raise CredentialsError(
            "credentials need the extra propwash[bigquery], which is not installed: pip install 'propwash[bigquery]'"
        ) from error
    if content is not None and not _is_object(content):
        # The library takes what it cannot read for no credentials, and would go on to the machine's own.
        raise CredentialsError(f"the secret {settings.credentials_json} is no JSON object")
    try:
        return Token(
            service_file=settings.credentials_file if content is None else io.StringIO(content),
            scopes=list(settings.scopes),
            target_principal=settings.impersonate,
        )
    except OSError as error:
        raise CredentialsError(
            f"the credentials file {error.filename or settings.credentials_file} cannot be read: {error.strerror}"
        ) from error
    except Exception as error:
        raise CredentialsError(f"the credentials cannot be used: {type(error).__name__}") from error


def _is_object(content: str) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False
