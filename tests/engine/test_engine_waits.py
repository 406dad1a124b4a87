"""What waits for the remote system says why and since when, in every state, and does not write to the store at every
failed call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pydantic
import pytest

from propwash.api.translate import standing
from propwash.core.events import Deletion
from propwash.core.model import Observation, OutcomeKind, Phase, RemoteName, Running
from propwash.handlers.connections import ConfiguredConnection
from propwash.ports import Refused
from propwash.sdk import (
    CREDENTIALS_UNAVAILABLE,
    Connection,
    CreateRequest,
    Job,
    Throttled,
    Unavailable,
    Verdict,
)
from propwash.sdk.testing import ToyHandler, ToySpec, ToySystem
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig
from tests.engine.virtual_time import run

EXPIRED = Unavailable(CREDENTIALS_UNAVAILABLE, "the token of the connection has expired")
DENIED = Unavailable("PERMISSION_DENIED", "the account may not do this")
SLOW = Throttled("TOO_MANY_CALLS", "too many calls")
ALL_VERDICTS = pytest.mark.parametrize("verdict", [EXPIRED, DENIED, SLOW], ids=lambda one: one.reason)
EVERYTHING = frozenset({"create", "get", "find", "delete"})


class Outage:
    """Which methods the remote system refuses, and how."""

    def __init__(self, verdict: Verdict, *methods: str) -> None:
        self.verdict = verdict
        self.methods = frozenset(methods)
        self.refused = 0

    def meet(self, method: str) -> None:
        if method in self.methods:
            self.refused += 1
            raise self.verdict

    def make(self, system: ToySystem) -> ToyHandler:
        return Refusing(system, self)


class Refusing(ToyHandler):
    def __init__(self, system: ToySystem, outage: Outage) -> None:
        super().__init__(system)
        self.outage = outage

    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        self.outage.meet("create")
        return await super().create(request)

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        self.outage.meet("get")
        return await super().get(connection, metas)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        self.outage.meet("find")
        return await super().find(connection, name, hint)

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        self.outage.meet("delete")
        return await super().delete(connection, name, meta, hint)


async def said(rig: EngineRig, name: str) -> tuple[str, str]:
    """Reason and message as every client is shown them."""
    return standing((await rig.read(name)).execution)


def since(at: float) -> str:
    return time.strftime("(since %Y-%m-%dT%H:%M:%SZ)", time.gmtime(at))


@ALL_VERDICTS
def test_what_waits_to_be_created_says_why_and_since_when(verdict: Verdict) -> None:
    async def play() -> None:
        outage = Outage(verdict, "create")
        async with engine_rig(handler=outage.make) as rig:
            began_at = rig.clock.now()
            await rig.create("one")
            for _ in range(3):
                await rig.after(100.0)
                reason, message = await said(rig, "one")
                assert await rig.phase("one") is Phase.INITIALIZING
                assert reason == verdict.reason
                assert message in [
                    f"{waits} {since(began_at)}: {verdict.message}"
                    for waits in (
                        "the remote job waits to be created",
                        "it is not known yet whether the remote job was created",
                    )
                ]
            outage.methods = frozenset()
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED
            assert len(rig.system.ledger()) == 1

    run(play())


@ALL_VERDICTS
def test_a_create_in_doubt_says_why_it_is_not_looked_up(verdict: Verdict) -> None:
    async def play() -> None:
        outage = Outage(EXPIRED, "create", "find")
        async with engine_rig(handler=outage.make) as rig:
            await rig.create("one")
            await rig.after(0.1)
            outage.verdict = verdict
            await rig.after(300.0)
            reason, message = await said(rig, "one")
            assert reason == verdict.reason
            assert message.startswith("it is not known yet whether the remote job was created (since ")
            assert message.endswith(f": {verdict.message}")
            outage.methods = frozenset()
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED
            assert len(rig.system.ledger()) == 1

    run(play())


@ALL_VERDICTS
def test_what_runs_unseen_says_so_and_goes_on(verdict: Verdict) -> None:
    async def play() -> None:
        outage = Outage(verdict)
        async with engine_rig(handler=outage.make) as rig:
            await rig.create("one", duration_s=1000.0)
            await rig.until("one", Phase.RUNNING)
            outage.methods = EVERYTHING
            await rig.after(500.0)
            assert await rig.phase("one") is Phase.RUNNING
            reason, message = await said(rig, "one")
            assert reason == verdict.reason
            assert message.startswith("the remote job cannot be observed, and counts as running (since ")
            assert message.endswith(f": {verdict.message}")
            outage.methods = frozenset()
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED

    run(play())


@ALL_VERDICTS
def test_what_is_to_be_cleaned_up_says_why_it_is_not(verdict: Verdict) -> None:
    async def play() -> None:
        outage = Outage(verdict)
        async with engine_rig(handler=outage.make) as rig:
            await rig.create("one", duration_s=ENDLESS)
            await rig.until("one", Phase.RUNNING)
            outage.methods = EVERYTHING
            await rig.abort("one")
            await rig.after(300.0)
            assert await rig.phase("one") is Phase.CLEANING_UP
            reason, message = await said(rig, "one")
            assert reason == verdict.reason
            assert message.startswith(
                "ends as ABORTED (enough); the remote job is not yet confirmed gone (since "
            )
            assert message.endswith(f": {verdict.message}")
            assert rig.live() == 1
            outage.methods = frozenset()
            assert await rig.outcome("one") is OutcomeKind.ABORTED
            assert rig.live() == 0

    run(play())


@pytest.mark.parametrize("methods", [("get",), ("create", "find"), ("get", "delete")])
def test_an_outage_is_written_once_however_long_it_lasts(methods: tuple[str, ...]) -> None:
    async def play() -> None:
        outage = Outage(EXPIRED, *(one for one in methods if one == "create" or one == "find"))
        async with engine_rig(handler=outage.make) as rig:
            names = [f"e{number}" for number in range(20)]
            await rig.engine.executions.create([draft_of(name, duration_s=ENDLESS) for name in names])
            await rig.after(5.0)
            outage.methods = frozenset(methods)
            if "delete" in methods:
                await asyncio.gather(*(rig.abort(name) for name in names))
            await rig.after(100.0)
            refused, written = outage.refused, sum(rig.log.commits)
            await rig.after(3600.0)
            assert outage.refused - refused > 20
            assert sum(rig.log.commits) == written

    run(play())


def test_the_words_survive_a_restart() -> None:
    async def play() -> None:
        outage = Outage(EXPIRED)
        async with engine_rig(handler=outage.make) as rig:
            await rig.create("one", duration_s=ENDLESS)
            await rig.until("one", Phase.RUNNING)
            outage.methods = EVERYTHING
            await rig.after(50.0)
            before = await said(rig, "one")
            await rig.restart()
            await rig.after(200.0)
            assert await said(rig, "one") == before
            outage.methods = frozenset()
            await rig.after(100.0)
            state = (await rig.read("one")).execution.state
            assert isinstance(state, Running)
            assert state.trouble is None

    run(play())


class Modelled(ToyHandler):
    class Settings(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")
        project: str

    settings_type: ClassVar[type[pydantic.BaseModel] | None] = Settings

    async def validate(self, request: CreateRequest[ToySpec]) -> None:
        self.Settings.model_validate(dict(request.connection.settings))


def test_settings_that_the_operator_has_to_mend_are_waited_for() -> None:
    def near(**settings: str) -> ConfiguredConnection:
        return ConfiguredConnection(plugin="toys", connection=Connection(name="near", settings=settings))

    async def play() -> None:
        async with engine_rig(handler=Modelled, connections=[near(projct="demo")]) as rig:
            await rig.create("one", duration_s=5.0)
            await rig.after(100.0)
            assert await rig.phase("one") is Phase.INITIALIZING
            reason, message = await said(rig, "one")
            assert reason == "CONNECTION_INVALID"
            assert "connections.near.settings.project: Field required" in message
            with pytest.raises(Refused, match=r"settings\.project: Field required") as refused:
                await rig.engine.executions.validate(draft_of("two"))
            assert refused.value.reason == "CONNECTION_INVALID"
            assert [fault.path for fault in refused.value.faults] == ["connection"]
            assert rig.system.calls == {}
            rig.connections = [near(project="demo")]
            await rig.restart()
            await rig.engine.executions.validate(draft_of("two"))
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED
            assert len(rig.system.ledger()) == 1

    run(play())
