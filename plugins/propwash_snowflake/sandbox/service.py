"""The stand-in itself: its routes, and what they stand on."""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sandbox import Answer, Call, Fault, MethodClass, Route, Standing, World
from propwash_snowflake.sandbox.authentication import Authentication
from propwash_snowflake.sandbox.engine import Engine
from propwash_snowflake.sandbox.errors import refusal
from propwash_snowflake.sandbox.http import Operations, no_such_path, wrong_method
from propwash_snowflake.sandbox.lifecycle import SYSTEM, Statements
from propwash_snowflake.sandbox.oauth import PATH as TOKEN_PATH
from propwash_snowflake.sandbox.purposes import classify
from propwash_snowflake.sandbox.registry import Registry
from propwash_snowflake.sandbox.results import ROOT
from propwash_snowflake.sandbox.session import Account


class SnowflakeStandIn:
    """Snowflake's SQL API v2 in this process. Tests may change account, operations and the registered keys."""

    name = SYSTEM

    def __init__(self, world: World) -> None:
        self.account = Account()
        self._engine = Engine()
        self._registry = Registry()
        self._statements = Statements(world, self._engine, self._registry, self.account)
        self.authentication = Authentication(world.clock)
        self.operations = Operations(world, self._registry, self._statements, self.authentication)

    def routes(self) -> Sequence[Route]:
        """Every operation, the often used first, and a 405 or 404 for all else under the path."""
        do, one = self.operations, f"{ROOT}/{{handle}}"
        other = MethodClass.OTHER
        submit = Route(
            verb="POST",
            path=ROOT,
            name="statements.submit",
            method=MethodClass.CREATE,
            handle=do.submit,
            classify=classify,
        )
        plain = (
            ("GET", one, "statements.get", MethodClass.GET, do.get),
            ("POST", f"{one}/cancel", "statements.cancel", MethodClass.DELETE, do.cancel),
            ("POST", TOKEN_PATH, "oauth.token", other, self.authentication.desk.answer),
            ("*", ROOT, "wrong_method", other, wrong_method("POST")),
            ("*", one, "wrong_method", other, wrong_method("GET")),
            ("*", f"{one}/cancel", "wrong_method", other, wrong_method("POST")),
            ("*", TOKEN_PATH, "wrong_method", other, wrong_method("POST")),
            ("*", "/api/v2/{rest:.*}", "unknown", other, no_such_path),
        )
        return [
            submit,
            *(
                Route(verb=verb, path=path, name=name, method=method, handle=handle)
                for verb, path, name, method, handle in plain
            ),
        ]

    def register_key(self, account_user: str, pem: str | bytes) -> str:
        """Accept JWTs of this user ("ACCOUNT.USER") that this RSA key signed, and none but registered keys'."""
        return self.authentication.register_key(account_user, pem)

    def register_client(self, client_id: str, secret: str, *, refresh_token: str = "") -> None:
        """Issue OAuth tokens to registered clients only, and accept no other OAuth token than such."""
        self.authentication.desk.register(client_id, secret, refresh_token=refresh_token)

    def refuse(self, fault: Fault) -> Answer:
        """Snowflake's own words for too many requests and for failure."""
        return refusal(fault)

    def identity(self, call: Call) -> str | None:
        """The bearer token, or the fingerprint of a key-pair JWT's key, or the client of a token issued here."""
        return self.authentication.identity(call)

    def deny(self, standing: Standing) -> Answer:
        """401 for a token that does not count, 403 for a caller without access."""
        return self.authentication.deny(standing)

    def reset(self) -> None:
        """Forget all statements and data; what runs is interrupted. Registered keys and clients stay."""
        self.account.reset()
        self._statements.clear()
        self._registry.clear()
        self._engine.clear()

    async def close(self) -> None:
        """Let waiting calls go and interrupt what runs."""
        self._statements.let_go()
        self._engine.close()
