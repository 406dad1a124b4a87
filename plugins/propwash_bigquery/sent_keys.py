"""Service account keys that come with tasks. Whoever writes a task chooses them, so no other kind of credentials is
taken, and no address that is not Google's: those can make a server read files of its own, and ask about in its network.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from propwash.sdk import CREDENTIALS_UNAVAILABLE, Secret, SecretReader, Unavailable
from propwash_bigquery.connection import PUBLIC_ENDPOINT

_KIND = "service_account"
_TOKEN_URI = "https://oauth2.googleapis.com/token"
_TAKEN = ("type", "client_email", "private_key", "private_key_id", "token_uri")
_GOOGLE = ".googleapis.com"


class SentKeys:
    """Reads keys as they came, and leaves out all that a token does not need.

    Tokens may be asked for at Google, and at the host of the connection's endpoint, which the operator has chosen.
    """

    def __init__(self, secrets: SecretReader, *, endpoint: str) -> None:
        self._secrets = secrets
        self._endpoint = urlsplit(endpoint or PUBLIC_ENDPOINT)

    async def read(self, reference: str) -> Secret:
        """See SecretReader."""
        secret = await self._secrets.read(reference)
        try:
            given: object = json.loads(secret.reveal())
        except ValueError:
            given = None
        if not isinstance(given, dict) or given.get("type") != _KIND:
            raise _unusable(reference, f"is no JSON of a service account's key: its type should be {_KIND}")
        key = {name: given[name] for name in _TAKEN if isinstance(given.get(name), str)}
        for name in ("client_email", "private_key"):
            if not key.get(name):
                raise _unusable(reference, f"has no {name}")
        if not self._is_allowed(key.setdefault("token_uri", _TOKEN_URI)):
            raise _unusable(reference, "has a token_uri that is not Google's")
        return Secret(json.dumps(key))

    def _is_allowed(self, uri: str) -> bool:
        try:
            parts = urlsplit(uri)
            host = parts.hostname or ""
        except ValueError:
            return False
        is_googles = parts.scheme == "https" and host.endswith(_GOOGLE)
        return is_googles or (parts.scheme, host) == (self._endpoint.scheme, self._endpoint.hostname)


def _unusable(reference: str, why: str) -> Unavailable:
    # Nothing of the key itself, which may be another secret in the wrong place.
    return Unavailable(CREDENTIALS_UNAVAILABLE, f"the secret {reference} {why}")
