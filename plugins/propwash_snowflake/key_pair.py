"""Key-pair JWTs: signed by the user's RSA key, which is read again for each, so that a rotated key holds at once.

Source: Snowflake documentation, "Authenticating Snowflake REST APIs with Snowflake", "Using key-pair authentication":
RS256; iss ACCOUNT.USER.SHA256:fingerprint of the public key, sub ACCOUNT.USER, iat and exp, of which Snowflake takes an
hour at most. "Key-pair authentication and key-pair rotation": PKCS#8, encrypted or not, two keys a user at once.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from propwash.sdk import CREDENTIALS_UNAVAILABLE, SecretReader, Unavailable
from propwash_snowflake.connection import SnowflakeSettings, account_of_claims
from propwash_snowflake.credentials import AccessToken

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_LIFETIME_S = 3540
_KIND = "KEYPAIR_JWT"
MISSING = "key-pair authentication needs cryptography and PyJWT: pip install 'propwash[snowflake]'"


class KeyPair:
    """Signs JWTs for one user; wall gives seconds since the epoch."""

    def __init__(
        self, settings: SnowflakeSettings, secrets: SecretReader, *, wall: Callable[[], float] = time.time
    ) -> None:
        assert settings.private_key is not None
        self._key_reference = settings.private_key
        self._passphrase_reference = settings.private_key_passphrase
        self._subject = f"{account_of_claims(settings.account)}.{settings.user.upper()}"
        self._secrets = secrets
        self._wall = wall

    async def fetch(self) -> AccessToken:
        """A new token; raises Unavailable where the key cannot be read or used."""
        pem = (await self._secrets.read(self._key_reference)).reveal()
        passphrase = None
        if self._passphrase_reference is not None:
            passphrase = (await self._secrets.read(self._passphrase_reference)).reveal()
        # In a thread: an encrypted key is made slow to open on purpose.
        return await asyncio.to_thread(self._signed, pem, passphrase)

    async def close(self) -> None:
        """Nothing to release."""

    def _signed(self, pem: str, passphrase: str | None) -> AccessToken:
        try:
            # An optional extra: its absence is told when a token is wanted.
            import jwt  # noqa: PLC0415
        except ImportError:
            raise Unavailable(CREDENTIALS_UNAVAILABLE, MISSING) from None
        key = self._opened(pem, passphrase)
        issued_at = int(self._wall())
        claims = {
            "iss": f"{self._subject}.{fingerprint(key)}",
            "sub": self._subject,
            "iat": issued_at,
            "exp": issued_at + _LIFETIME_S,
        }
        return AccessToken(value=jwt.encode(claims, key, "RS256"), type=_KIND, lifetime_s=_LIFETIME_S)

    def _opened(self, pem: str, passphrase: str | None) -> RSAPrivateKey:
        try:
            from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
            from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
        except ImportError:
            raise Unavailable(CREDENTIALS_UNAVAILABLE, MISSING) from None
        try:
            key = load_pem_private_key(pem.encode(), None if passphrase is None else passphrase.encode())
        except (ValueError, TypeError):
            # The library's own words may quote the key.
            wrong = "is no private key in PEM, or the passphrase does not open it"
            raise Unavailable(CREDENTIALS_UNAVAILABLE, f"{self._key_reference} {wrong}") from None
        if not isinstance(key, RSAPrivateKey):
            raise Unavailable(CREDENTIALS_UNAVAILABLE, f"{self._key_reference} is no RSA key")
        return key


def fingerprint(key: RSAPrivateKey) -> str:
    """SHA256:... of the public key, as DESCRIBE USER shows it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()
