"""The token endpoint: access tokens for clients, by a refresh token or by the client's own credentials.

Sources: "Configure Snowflake OAuth for custom clients" (POST /oauth/token-request, the client in basic authorization,
the form and the answer), RFC 6749 sections 4.4, 5.2 and 6. Snowflake itself has no client credentials grant: that one
stands for an external authorization server, which is asked at the same path here.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

from propwash.sandbox import Answer, Call, Clock

PATH: Final = "/oauth/token-request"
LIFETIME_S: Final = 600.0
_MOST_TOKENS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Client:
    """What a registered client must show."""

    secret: str
    refresh_token: str = ""


class TokenDesk:
    """Issues access tokens and knows them again. Without registered clients every client is served."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._clients: dict[str, Client] = {}
        self._issued: dict[str, tuple[str, float]] = {}
        self.lifetime_s = LIFETIME_S

    def register(self, client_id: str, secret: str, *, refresh_token: str = "") -> None:
        """From now on only registered clients are served. A second call replaces the client's secrets."""
        self._clients[client_id] = Client(secret, refresh_token)

    @property
    def is_strict(self) -> bool:
        """Whether clients are registered, so that only tokens issued here are good."""
        return bool(self._clients)

    def revoke(self) -> None:
        """No token that was issued so far is good any more."""
        self._issued.clear()

    def client_of(self, token: str) -> str | None:
        """The client that the token was issued to; None for a token that was not issued here."""
        issued = self._issued.get(token)
        return None if issued is None else issued[0]

    def is_expired(self, token: str) -> bool:
        """Whether the token was issued here and is over."""
        issued = self._issued.get(token)
        return issued is not None and issued[1] <= self._clock.now()

    def answer(self, call: Call) -> Answer:
        """200 with a new token; 400 for a bad form or grant, 401 for a client that is not known."""
        form = _form(call)
        client_id, secret = _client(call, form)
        known = self._clients.get(client_id)
        if not client_id or (self._clients and (known is None or known.secret != secret)):
            return _failure(401, "invalid_client", "This is an invalid client.")
        grant = form.get("grant_type", "")
        if grant not in {"refresh_token", "client_credentials"}:
            return _failure(400, "unsupported_grant_type", "The grant type is not supported.")
        if grant == "refresh_token":
            given = form.get("refresh_token", "")
            if not given or (known is not None and given != known.refresh_token):
                return _failure(400, "invalid_grant", "The refresh token is invalid.")
        return self._issue(client_id, form)

    def _issue(self, client_id: str, form: dict[str, str]) -> Answer:
        now = self._clock.now()
        if len(self._issued) >= _MOST_TOKENS:
            self._issued = {token: one for token, one in self._issued.items() if one[1] > now}
        token = f"sandbox-{uuid.uuid4().hex}"
        self._issued[token] = (client_id, now + self.lifetime_s)
        body: dict[str, Any] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(self.lifetime_s),
            "scope": form.get("scope") or "session:role:PUBLIC",
        }
        return Answer(200, json.dumps(body).encode(), {"Cache-Control": "no-store"})


def client_id_of(call: Call) -> str | None:
    """The client that a request to the token endpoint names, or None."""
    return _client(call, _form(call))[0] or None


def _form(call: Call) -> dict[str, str]:
    kind = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    return dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))


def _client(call: Call, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, given = call.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def _failure(status: int, error: str, message: str) -> Answer:
    body = {"data": None, "error": error, "code": None, "message": message, "success": False, "headers": None}
    return Answer(status, json.dumps(body).encode())
