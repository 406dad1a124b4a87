"""Servers over one stand-in and one store, one after the other, for tasks that bring their own credentials: the
stand-in knows those, and none of the connection's own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.core.execution_pb2 import TaskExecution

from propwash.ports import Instrument, Store
from propwash.sandbox import Standing
from propwash.sdk import Connection, Handler
from propwash.store.sqlite import SqliteStore
from propwash_bigquery import BigQueryHandler
from propwash_snowflake import SnowflakeHandler
from propwash_snowflake.desks import Desks
from tests.api.api_fake_host import Heard
from tests.e2e import credential_scenes
from tests.e2e.credential_scenes import FastClock, Rig, Scene
from tests.engine.engine_log import EngineLog
from tests.flyte.flyte_callers import Flyte, calling, template
from tests.plugins.bigquery.bigquery_rig import bigquery_rig
from tests.plugins.snowflake.snowflake_rig import snowflake_rig

OPERATOR = "ya29.of-the-operator-and-refused"
PASSPHRASE = "open-sesame-and-quickly"
ANNA, BERT = "anna", "bert"
LONG = {"sandbox-duration-ms": "10000000"}
WAITS = "CREDENTIALS_UNAVAILABLE"


@dataclass(slots=True, kw_only=True)
class Stage:
    """A stand-in, what its users bring, and the handler and the connection of whichever server runs."""

    system: str
    rig: Rig
    clock: FastClock
    place: Path
    handler: Callable[[], Handler[Any]]
    connection: Connection
    secrets: Mapping[str, Mapping[str, str]]
    """By user."""
    identities: Mapping[str, str]
    """Of the users, by which the stand-in knows them."""

    def stand(self, **standings: Standing) -> None:
        """Accept these users alone."""
        found = {self.identities[user]: standing for user, standing in standings.items()}
        self.rig.world.identities.set(self.system, found)

    @asynccontextmanager
    async def server(
        self, *, store: Store | None = None, telemetry: Any = None, **about: Any
    ) -> AsyncIterator[Flyte]:
        """A server, and Flyte 2's executor as its caller; about goes with the connection."""
        async with self.served(store=store, telemetry=telemetry, **about) as (there, _):
            yield there

    @asynccontextmanager
    async def served(
        self, *, store: Store | None = None, telemetry: Any = None, **about: Any
    ) -> AsyncIterator[tuple[Flyte, grpc.aio.Channel]]:
        """The same with its channel, for calls of the native API."""
        scene = Scene(
            system=self.system,
            rig=self.rig,
            handler=self.handler(),
            connection=self.connection,
            request=None,  # type: ignore[arg-type]  # the native API's, of which there is none here
            first="",
            second="",
            show=lambda _: None,
        )
        instrument: Instrument = telemetry or EngineLog(self.clock)
        kept = store or SqliteStore(self.place / "data")
        async with (
            credential_scenes.running(scene, self.clock, kept, instrument, **about) as world,
            calling(world, is_v2=True, heard=telemetry or Heard()) as found,
        ):
            yield found

    def task(self, *, is_long: bool = False, **custom: Any) -> tasks_pb2.TaskTemplate:
        """A query, as flyte-sdk's task writes it; secrets are named, and sent beside it."""
        if self.system == "bigquery":
            labels = {"labels": LONG} if is_long else {}
            return template(
                "bigquery_query_job_task",
                "SELECT 1 AS one",
                custom={"ProjectID": "a-project", "Location": "US", "Domain": "prod", **labels, **custom},
            )
        statement = "SELECT CURRENT_USER() AS who"
        account = {"account": "acme-sandbox", "warehouse": "DEMO_WH", "database": "DEMO"}
        return template("snowflake", statement, custom={**account, **custom})


async def begin(there: Flyte, stage: Stage, user: str, *, node: str = "", attempt: int = 0) -> bytes:
    """A task of the user's that lasts; its meta."""
    return await there.create(
        stage.task(is_long=True),
        secrets=stage.secrets[user] if user else {},
        node=f"s3://flyte/{node or user}/data",
        attempt=attempt,
        task_execution_metadata=agent_pb2.TaskExecutionMetadata(labels=LONG),
    )


async def running(there: Flyte, meta: bytes) -> None:
    """Wait until the task runs. A poll without secrets, such as this, changes nothing."""
    await there.until(meta, TaskExecution.RUNNING)


async def waits(there: Flyte, meta: bytes) -> None:
    """Wait until the task says that it has no credentials."""
    await _until(there, meta, lambda message: message.startswith(WAITS))


async def cannot_end(there: Flyte, meta: bytes) -> None:
    """Wait until the task, which is to end, says so."""
    await _until(there, meta, lambda message: WAITS in message)


async def is_well(there: Flyte, meta: bytes) -> None:
    """Wait until the task says nothing of credentials any more."""
    await _until(there, meta, lambda message: WAITS not in message)


async def _until(there: Flyte, meta: bytes, holds: Callable[[str], bool]) -> None:
    async with asyncio.timeout(30):
        seen = await there.world.store.last_seq()
        while not holds((await there.get(meta)).message):
            seen = await there.world.engine.executions.newer_than(seen)


@cache
def key(user: str) -> rsa.RSAPrivateKey:
    """The user's own."""
    del user
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(user: str, passphrase: str = "") -> str:
    """In PEM, as Flyte's secret store would have it."""
    sealed = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key(user).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed).decode()


@asynccontextmanager
async def snowflake(place: Path, **settings: Any) -> AsyncIterator[Stage]:
    """Key pairs: Anna's and Bert's belong to one user, and the connection's own is not known. Settings go before."""
    (place / "key").write_text(pem("the operator"))
    own = {"auth": "key_pair", "user": "loader", "private_key": f"file:{place}/key"}
    async with snowflake_rig(**{**own, **settings}) as rig:
        prints: dict[str, str] = {}
        for user in (ANNA, BERT):
            public = key(user).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            for name in ("LOADER", user):
                prints[user] = rig.stand_in.register_key(f"ACME-SANDBOX.{name}", public)
        clock = FastClock()
        yield Stage(
            system="snowflake",
            rig=rig,
            clock=clock,
            place=place,
            handler=lambda: SnowflakeHandler(desks=Desks(now=clock.now, wall=rig.clock.now)),
            connection=rig.connection,
            secrets={
                ANNA: {"snowflake_private_key": pem(ANNA) + "\n"},
                BERT: {
                    "snowflake_private_key": pem(BERT, PASSPHRASE),
                    "snowflake_private_key_passphrase": PASSPHRASE,
                },
            },
            identities=prints,
        )


@asynccontextmanager
async def bigquery(place: Path) -> AsyncIterator[Stage]:
    """Service accounts, whose tokens the stand-in accepts; the connection's own token it does not."""
    (place / "token").write_text(OPERATOR)

    async def token(request: web.Request) -> web.Response:
        form = await request.post()
        said = jwt.decode(str(form["assertion"]), options={"verify_signature": False})
        user = said["iss"].partition("@")[0]
        try:
            public = key(user).public_key()
            jwt.decode(str(form["assertion"]), public, ["RS256"], audience=str(said["aud"]))
        except jwt.InvalidTokenError:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": f"ya29.{user}", "expires_in": 3600})

    app = web.Application()
    app.router.add_post("/token", token)
    settings: dict[str, Any] = {"credentials": "default", "access_token": f"file:{place}/token"}
    async with TestServer(app) as tokens, bigquery_rig(**settings) as rig:
        yield Stage(
            system="bigquery",
            rig=rig,
            clock=FastClock(),
            place=place,
            handler=BigQueryHandler,
            connection=rig.connection,
            secrets={
                user: {"google_application_credentials": account(user, str(tokens.make_url("/token")))}
                for user in (ANNA, BERT)
            },
            identities={user: f"ya29.{user}" for user in (ANNA, BERT)},
        )


def account(user: str, token_uri: str, *, signed_by: str = "") -> str:
    """A service account's key as Google writes it."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "a-project",
            "private_key_id": "0123456789",
            "private_key": pem(signed_by or user),
            "client_email": f"{user}@a-project.iam.gserviceaccount.com",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        },
        indent=2,
    )


STAGES = {"bigquery": bigquery, "snowflake": snowflake}
