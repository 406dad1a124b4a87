"""A job whose poll is far away is seen as finished at once after a hint, from the wire to the wire: over the hook in
the form of the remote system's own event, and over gRPC by the client.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import aiohttp
import pytest

from propwash.api.server import ApiServer
from propwash.client import Client, ClientError, Phase
from propwash.core.model import ExecutionUid, Traits
from propwash.core.names import remote_name
from propwash.engine.clock import SystemClock
from propwash.engine.engine import Engine
from propwash.engine.options import EngineOptions
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.handlers.discovery import given
from propwash.handlers.host import HandlerHost
from propwash.handlers.registry import load
from propwash.sdk import Connection, LocalSecrets, Plugin
from propwash.sdk.testing import ToyHandler, ToySystem
from propwash.store.memory import MemoryStore
from propwash.web.bearer import Bearer
from propwash.web.hints import HintHook
from propwash.web.server import WebOptions, WebServer
from tests.api.api_fake_host import Heard
from tests.api.api_world import LOCAL
from tests.engine.engine_log import EngineLog

OWNER, TOKEN = "hinted", "the-token"
HOUR_S = 3600.0
SOON_S = 5.0
"""Of real time: far below the poll floor."""


class Patient(ToyHandler):
    """Polls once an hour."""

    traits: ClassVar[Traits] = Traits(settle_s=5.0, poll_floor_s=HOUR_S, poll_ceiling_s=HOUR_S)


@dataclass(frozen=True, slots=True)
class Hinted:
    system: ToySystem
    client: Client
    http: aiohttp.ClientSession
    url: str

    async def submit(self, execution_id: str) -> str:
        """A running job; its remote name."""
        made = await self.client.create(
            project="p", domain="d", task_type="toy", spec={"duration_s": HOUR_S}, execution_id=execution_id
        )
        async for change in self.client.watch(project="p", domain="d", names=[made.name]):
            if change.execution is not None and change.execution.phase is Phase.RUNNING:
                break
        return remote_name(owner=OWNER, uid=ExecutionUid(made.uid), attempt=1)

    async def phase(self, execution_id: str, *, timeout_s: float) -> Phase:
        """At the end, or when the time is over."""
        name = f"projects/p/domains/d/executions/{execution_id}"
        return (await self.client.wait(name, timeout_s=timeout_s)).phase


@asynccontextmanager
async def hinted(folder: Path) -> AsyncIterator[Hinted]:
    """A whole server with a token for hints, and a client that has it."""
    (folder / "token").write_text(TOKEN)
    clock, system = SystemClock(), ToySystem()
    log = EngineLog(clock)
    bearer = Bearer(f"file:{folder}/token", secrets=LocalSecrets(), now=clock.now, trouble=pytest.fail)
    async with AsyncExitStack() as stack:
        handler = Patient(system)
        host = HandlerHost(
            await load([given(Plugin(name="toys", make=lambda: (handler,)))]),
            connections=Connections(
                [ConfiguredConnection(plugin="toys", connection=Connection(name="toys"))]
            ),
            clock=clock,
            instrument=log,
        )
        stack.push_async_callback(host.close)
        store = MemoryStore(owner=OWNER)
        await store.open()
        options = EngineOptions(observe_gather_s=0.01)
        engine = Engine(clock=clock, store=store, handlers=host, instrument=log, options=options)
        stack.push_async_callback(engine.stop)
        await engine.start()
        api = ApiServer(
            LOCAL,
            store=store,
            executions=engine.executions,
            handlers=host,
            instrument=Heard(),
            admits_hint=bearer.admits,
        )
        grpc_port = await api.start()
        stack.push_async_callback(api.stop, 0.0)
        hook = HintHook(engine.executions, bearer=bearer, now=clock.now)
        web = WebServer(
            WebOptions(port=0), expose=lambda _: ("text/plain", b""), checks={}, routes=hook.routes()
        )
        http_port = await web.start()
        stack.push_async_callback(web.stop)
        client = await stack.enter_async_context(Client(f"127.0.0.1:{grpc_port}", token=TOKEN))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"})
        )
        yield Hinted(system, client, http, f"http://127.0.0.1:{http_port}/v1/hints")


async def test_a_finished_job_is_seen_at_once_after_its_systems_own_event(tmp_path: Path) -> None:
    async with hinted(tmp_path) as world:
        name = await world.submit("a")
        world.system.advance(HOUR_S + 1)
        assert await world.phase("a", timeout_s=0.05) is Phase.RUNNING
        entry = {"protoPayload": {"metadata": {"jobChange": {"job": {"jobName": f"projects/x/jobs/{name}"}}}}}
        data = base64.b64encode(json.dumps(entry).encode()).decode()
        async with world.http.post(world.url, json={"message": {"data": data}}) as answer:
            assert await answer.json() == {"heard": 1, "ended": 0, "unknown": 0}
        assert await world.phase("a", timeout_s=SOON_S) is Phase.SUCCEEDED
        async with world.http.post(world.url, json={"remote_names": [name]}) as answer:
            assert await answer.json() == {"heard": 0, "ended": 1, "unknown": 0}


async def test_a_false_hint_ends_nothing_and_a_true_one_by_the_client_is_followed(tmp_path: Path) -> None:
    async with hinted(tmp_path) as world:
        await world.submit("a")
        gate = world.system.hold("describe")
        full = "projects/p/domains/d/executions/a"
        assert await world.client.hint(full)
        async with asyncio.timeout(SOON_S):
            await gate.reached.wait()
        gate.open()
        assert await world.phase("a", timeout_s=0.05) is Phase.RUNNING
        with pytest.raises(ClientError) as caught:
            await world.client.hint("projects/p/domains/d/executions/none")
        assert caught.value.code == "NOT_FOUND"
