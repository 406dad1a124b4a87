"""Who calls, and whether what the call shows is good: OAuth and programmatic access tokens, and key-pair JWTs.

Sources: "Authenticating Snowflake REST APIs with Snowflake" (claims of a key-pair JWT: iss ACCOUNT.USER.SHA256:..., sub
ACCOUNT.USER, iat, exp within an hour; token types), "Snowflake SQL API reference" (401 and its bodies).
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any, Final

from propwash.sandbox import Answer, Call, Clock, Standing
from propwash_snowflake.sandbox.errors import SnowflakeError
from propwash_snowflake.sandbox.oauth import TokenDesk, client_id_of
from propwash_snowflake.sandbox.session import USER

TYPE_HEADER: Final = "X-Snowflake-Authorization-Token-Type"
KEYPAIR: Final = "KEYPAIR_JWT"
OAUTH: Final = "OAUTH"
PROGRAMMATIC: Final = "PROGRAMMATIC_ACCESS_TOKEN"
_TYPES: Final = (KEYPAIR, OAUTH, PROGRAMMATIC)
_LONGEST_S: Final = 3600
_TOLERANCE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Claims:
    """What a key-pair JWT says, unverified."""

    issuer: str
    subject: str
    issued_at: float
    expires_at: float

    @property
    def fingerprint(self) -> str:
        """SHA256:... of the public key, as the issuer names it."""
        return "SHA256:" + self.issuer.partition(".SHA256:")[2]

    @property
    def account_user(self) -> str:
        """ACCOUNT.USER, as the issuer names it."""
        return self.issuer.partition(".SHA256:")[0]


class Authentication:
    """Reads callers. Without registered keys a JWT's claims are checked and its signature is not.

    desk issues OAuth tokens; once it has clients, or once keys are registered, whoever shows nothing is refused.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.desk = TokenDesk(clock)
        self._keys: dict[tuple[str, str], Any] = {}
        self._verified: set[str] = set()
        self._shown = OAUTH

    def register_key(self, account_user: str, pem: str | bytes) -> str:
        """From now on only JWTs signed by registered keys pass. Gives the key's fingerprint.

        account_user is "ACCOUNT.USER"; pem holds an RSA public key. Raises ValueError for anything else.
        """
        # The sandbox runs without this library until a key is registered.
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415

        key = serialization.load_pem_public_key(pem.encode() if isinstance(pem, str) else pem)
        if not isinstance(key, RSAPublicKey):
            raise ValueError("the key is no RSA public key")
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()
        self._keys[account_user.upper(), fingerprint] = key
        self._verified.clear()
        return fingerprint

    def revoke_key(self, account_user: str, fingerprint: str) -> None:
        """The key is no longer the user's; while any was ever registered, signatures stay checked."""
        self._keys[account_user.upper(), fingerprint] = None
        self._verified.clear()

    def identity(self, call: Call) -> str | None:
        """A key-pair JWT's fingerprint, the client of a token that was issued here, or the token; None for nothing.

        At the token endpoint it is the client that asks.
        """
        token = _token(call)
        if token is None:
            self._shown = ""
            return client_id_of(call)
        claims = _claims(token)
        if claims is not None:
            self._shown = KEYPAIR
            return claims.fingerprint
        self._shown = call.headers.get(TYPE_HEADER) or OAUTH
        return self.desk.client_of(token) or token

    def check(self, call: Call) -> str:
        """The user who calls. Raises SnowflakeError (400, 401) where what the call shows cannot be good."""
        kind = call.headers.get(TYPE_HEADER) or None
        if kind is not None and kind.upper() not in _TYPES:
            raise SnowflakeError(None, f"Unsupported {TYPE_HEADER} {kind} is specified.", status=400)
        token = _token(call)
        if token is None:
            if self._keys or self.desk.is_strict:
                raise _refused("")
            return USER
        claims = _claims(token)
        if claims is None:
            self._check_token(token, (kind or OAUTH).upper())
            return USER
        if kind is not None and kind.upper() != KEYPAIR:
            raise _refused(kind.upper())
        self._check_claims(claims)
        if self._keys and token not in self._verified:
            self._verify(token, claims)
        return claims.account_user.partition(".")[2] or USER

    def deny(self, standing: Standing) -> Answer:
        """The words for whom identity() has just been asked about: the frame asks and denies in one step."""
        if standing is Standing.FORBIDDEN:
            message = "Incoming request with IP/Token is not allowed to access Snowflake."
            return SnowflakeError("390422", message, status=403).answer()
        return _refused(self._shown.upper(), is_expired=standing is Standing.EXPIRED).answer()

    def _check_token(self, token: str, kind: str) -> None:
        if kind == KEYPAIR:
            raise _refused(KEYPAIR)
        if kind != OAUTH:
            return
        if self.desk.is_expired(token):
            raise _refused(OAUTH, is_expired=True)
        if self.desk.is_strict and self.desk.client_of(token) is None:
            raise _refused(OAUTH)

    def _check_claims(self, claims: Claims) -> None:
        now = self._clock.now()
        is_current = claims.issued_at - _TOLERANCE_S <= now <= claims.expires_at + _TOLERANCE_S
        is_short = claims.expires_at - claims.issued_at <= _LONGEST_S
        if not (is_current and is_short and claims.subject == claims.account_user):
            raise _refused(KEYPAIR)

    def _verify(self, token: str, claims: Claims) -> None:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

        key = self._keys.get((claims.account_user, claims.fingerprint))
        if key is None:
            raise _refused(KEYPAIR)
        signed, _, signature = token.rpartition(".")
        try:
            key.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise _refused(KEYPAIR) from None
        if len(self._verified) > 1000:
            self._verified.clear()
        self._verified.add(token)


def _refused(kind: str, *, is_expired: bool = False) -> SnowflakeError:
    place = uuid.uuid4()
    if not kind:
        message = "Authorization header not found in the request data."
        return SnowflakeError("390101", message, status=401)
    if kind == KEYPAIR:
        # An expired one and a wrong one read the same.
        return SnowflakeError("390144", f"JWT token is invalid. [{place}]", status=401)
    if kind == PROGRAMMATIC:
        return SnowflakeError("394400", "Programmatic access token is invalid.", status=401)
    if is_expired:
        return SnowflakeError("390318", f"OAuth access token expired. [{place}]", status=401)
    return SnowflakeError("390303", f"Invalid OAuth access token. [{place}]", status=401)


def _token(call: Call) -> str | None:
    scheme, _, token = call.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _claims(token: str) -> Claims | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        head, body = json.loads(_decoded(parts[0])), json.loads(_decoded(parts[1]))
        claims = Claims(str(body["iss"]), str(body["sub"]), float(body["iat"]), float(body["exp"]))
    except (ValueError, KeyError, TypeError):
        return None
    is_keypair = isinstance(head, dict) and head.get("alg") == "RS256" and ".SHA256:" in claims.issuer
    return claims if is_keypair else None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
