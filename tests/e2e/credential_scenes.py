"""An engine in fast time over a system's stand-in, with credentials that the test rotates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from propwash.api.translate import standing
from propwash.core.model import Claim, Execution, Instant, Phase, Policy
from propwash.core.overload import OverloadLimits
from propwash.engine.engine import Engine
from propwash.engine.options import EngineOptions
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.handlers.discovery import given
from propwash.handlers.host import HandlerHost
from propwash.handlers.registry import load
from propwash.ports import Draft, ExecutionName, Instrument, Store, TaskRequest
from propwash.sandbox import Standing
from propwash.sandbox import World as SandboxWorld
from propwash.sdk import Connection, Handler, Plugin
from propwash.store.memory import MemoryStore
from propwash_bigquery.credentials import AccessToken
from propwash_snowflake.key_pair import fingerprint
from tests.engine.engine_log import EngineLog
from tests.plugins.aws.aws_sandbox_rig import aws_rig
from tests.plugins.bigquery.bigquery_rig import bigquery_rig
from tests.plugins.snowflake.snowflake_rig import snowflake_rig

SPEED = 20.0
LONG = {"sandbox-duration-ms": "10000000"}


NEVER_LATE = OverloadLimits(lag_s=1e9, backlog_s=1e9)
"""On a fast clock every turn of the loop is late."""


class FastClock:
    """Runs SPEED times as fast as real time, so that backoffs are short."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def now(self) -> Instant:
        return 1_000_000.0 + (time.monotonic() - self._began_at) * SPEED

    async def sleep_until(self, at: Instant) -> None:
        while (left_s := at - self.now()) > 0:  # noqa: ASYNC110  time itself is waited for
            await asyncio.sleep(left_s / SPEED)


class Rig(Protocol):
    """What the plugins' rigs have in common."""

    @property
    def world(self) -> SandboxWorld: ...

    def advance(self, seconds: float) -> None: ...


class Tokens:
    """Gives the token that is good at the moment, as a token service does."""

    def __init__(self, current: str) -> None:
        self.current = current

    async def fetch(self) -> AccessToken:
        return AccessToken(value=self.current, lifetime_s=3600.0)

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One system: its stand-in, its handler, and two credentials by the names that the stand-in knows them by."""

    system: str
    rig: Rig
    handler: Handler[Any]
    connection: Connection
    request: TaskRequest
    first: str
    second: str
    show: Callable[[str], None]
    """From now on this credential is what the connection's reference gives."""


@asynccontextmanager
async def bigquery(_clock: FastClock, _place: Path) -> AsyncIterator[Scene]:
    """Access tokens, as a token service gives them."""
    tokens = Tokens("token-1")
    async with bigquery_rig(tokens=tokens) as rig:
        yield Scene(
            system="bigquery",
            rig=rig,
            handler=rig.handler,
            connection=rig.connection,
            request=TaskRequest(
                task_type="bigquery_query_job_task", spec={"query": "SELECT 1 AS one", "labels": LONG}
            ),
            first="token-1",
            second="token-2",
            show=lambda name: setattr(tokens, "current", name),
        )


@asynccontextmanager
async def snowflake(clock: FastClock, place: Path) -> AsyncIterator[Scene]:
    """Key pairs: Snowflake knows them by the fingerprints of their public keys."""
    keys = dict(key_pairs())
    first, second = keys
    (place / "key").write_text(keys[first])
    settings: dict[str, Any] = {"auth": "key_pair", "user": "loader", "private_key": f"file:{place}/key"}
    async with snowflake_rig(now=clock.now, **settings) as rig:
        yield Scene(
            system="snowflake",
            rig=rig,
            handler=rig.handler,
            connection=rig.connection,
            request=TaskRequest(task_type="snowflake", spec={"statement": "SELECT 1 AS one"}, labels=LONG),
            first=first,
            second=second,
            show=lambda name: _write(place / "key", keys[name]),
        )


@asynccontextmanager
async def aws(clock: FastClock, place: Path) -> AsyncIterator[Scene]:
    """Access keys in files."""
    first, second = "AKIAFIRST", "AKIASECOND"
    (place / "id").write_text(first)
    (place / "secret").write_text("a-secret")
    settings: dict[str, Any] = {
        "credentials": "keys",
        "access_key_id": f"file:{place}/id",
        "secret_access_key": f"file:{place}/secret",
        "creates_applications": True,
        "entry_point_location": "s3://code/propwash/",
    }
    async with aws_rig("emr_serverless", now=clock.now, **settings) as rig:
        yield Scene(
            system="aws",
            rig=rig,
            handler=rig.handler,
            connection=rig.connection,
            request=TaskRequest(
                task_type="emr_serverless",
                spec={"jobDriver": {"sparkSubmit": {"entryPoint": "s3://bucket/main.py"}}, "tags": LONG},
            ),
            first=first,
            second=second,
            show=lambda name: _write(place / "id", name),
        )


SCENES = {"bigquery": bigquery, "snowflake": snowflake, "aws": aws}


@cache
def key_pairs() -> tuple[tuple[str, str], ...]:
    """Two RSA keys in PEM with their fingerprints."""
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    pems = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() for key in keys]
    return tuple((fingerprint(key), pem) for key, pem in zip(keys, pems, strict=True))


def _write(place: Path, text: str) -> None:
    place.write_text(text)


@dataclass(frozen=True, slots=True)
class World:
    """The engine over one scene; the stand-in's time stands still until it is moved."""

    scene: Scene
    store: Store
    engine: Engine
    host: HandlerHost

    def stand(self, standings: Mapping[str, Standing]) -> None:
        self.scene.rig.world.identities.set(self.scene.system, standings)

    async def submit(self, names: Iterable[str]) -> None:
        drafts = [Draft(name=named(name), request=self.scene.request, policy=Policy()) for name in names]
        await self.engine.executions.create(drafts)

    async def read(self, names: Iterable[str]) -> list[Execution]:
        records = await self.store.get([named(name) for name in names])
        return [record.execution for record in records if record is not None]

    async def until(self, names: Iterable[str], holds: Callable[[Execution], bool]) -> None:
        """Wait for the commit after which it holds for all of them; raises TimeoutError with what they show."""
        wanted = list(names)
        seen = await self.store.last_seq()
        try:
            async with asyncio.timeout(45):
                while not all(map(holds, found := await self.read(wanted))):
                    assert len(found) == len(wanted)
                    seen = await self.engine.executions.newer_than(seen)
        except TimeoutError:
            shown = {(one.phase, *standing(one)) for one in await self.read(wanted)}
            raise TimeoutError(str(shown)) from None


def named(name: str) -> ExecutionName:
    """An execution's name in this file's project."""
    return ExecutionName(project="sales", domain="prod", execution=name)


def waits_with(*reasons: str) -> Callable[[Execution], bool]:
    """Whether it shows one of these reasons, and since when."""
    return lambda one: standing(one)[0] in reasons and " (since " in standing(one)[1]


def is_in(phase: Phase) -> Callable[[Execution], bool]:
    """Whether it is in the phase."""
    return lambda one: one.phase is phase


@asynccontextmanager
async def world(
    system: str, place: Path, *, options: EngineOptions | None = None, claims: tuple[Claim, ...] = ()
) -> AsyncIterator[World]:
    """An engine over the system's stand-in; place is for the files of its credentials, claims are its connection's."""
    clock = FastClock()
    async with (
        SCENES[system](clock, place) as scene,
        running(
            scene, clock, MemoryStore(owner="battery1"), EngineLog(clock), options=options, claims=claims
        ) as there,
    ):
        yield there


@asynccontextmanager
async def running(
    scene: Scene,
    clock: FastClock,
    store: Store,
    instrument: Instrument,
    *,
    options: EngineOptions | None = None,
    **about: Any,
) -> AsyncIterator[World]:
    """An engine over the scene's handler and the store; about goes with the connection."""
    # Of this object alone: so that the test need not wait for polls.
    traits = replace(scene.handler.traits, poll_floor_s=1.0, poll_ceiling_s=2.0)
    setattr(scene.handler, "traits", traits)  # noqa: B010  a class variable for mypy
    plugin = Plugin(name=scene.system, make=lambda: (scene.handler,))
    configured = ConfiguredConnection(plugin=scene.system, connection=scene.connection, **about)
    host = HandlerHost(
        await load([given(plugin)]),
        connections=Connections([configured]),
        clock=clock,
        instrument=instrument,
    )
    await store.open()
    engine = Engine(
        clock=clock,
        store=store,
        handlers=host,
        instrument=instrument,
        options=replace(options or EngineOptions(), overload=NEVER_LATE),
    )
    await engine.start()
    try:
        yield World(scene, store, engine, host)
    finally:
        await engine.stop()
        await host.close()
        await store.close()
