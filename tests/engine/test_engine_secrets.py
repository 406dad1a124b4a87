"""Executions that run with secrets of their own: as fast together as their account allows, and waiting for them after a
restart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from propwash.api.translate import standing
from propwash.core.model import OutcomeKind, Phase
from propwash.core.names import account_of
from propwash.handlers.connections import ConfiguredConnection
from propwash.ports import Record
from propwash.sdk import (
    CallLimits,
    Connection,
    CreateRequest,
    Deletion,
    FlyteDialect,
    FlyteDone,
    FlyteJob,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    Job,
    Json,
    Observation,
    Rate,
    RemoteName,
    Secret,
    SentSecret,
    Value,
    Verdict,
)
from propwash.sdk.testing import ToyHandler, ToySpec, ToySystem
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig
from tests.engine.virtual_time import run

TOYS = ConfiguredConnection(
    plugin="toys",
    connection=Connection(name="toys", settings={"key": "env:TOY_KEY"}),
    limits=CallLimits(writes=Rate(per_s=5.0, burst=5.0), reads=Rate(per_s=4.0, burst=4.0)),
)


class Tasks:
    def request(self, task: FlyteTask) -> FlyteRequest:
        return FlyteRequest(spec={})

    def outputs(self, done: FlyteDone) -> FlyteOutputs:
        return {}

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:
        return None

    def credentials(self, names: Collection[str]) -> Mapping[str, Json]:
        return {"key": SentSecret.named("key")}


class Keyed(ToyHandler):
    """Remembers whose key each job was created and observed with."""

    flyte: ClassVar[FlyteDialect | None] = Tasks()
    seen: ClassVar[dict[bytes, set[str]]] = {}

    def __init__(self, system: ToySystem) -> None:
        super().__init__(system)
        self.seen.clear()

    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        key = await read(request.connection)
        made = await super().create(request)
        self.seen[made.meta] = {key}
        return made

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        key = await read(connection)
        for meta in metas:
            self.seen.setdefault(meta, set()).add(key)
        return await super().get(connection, metas)

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        await read(connection)
        return await super().delete(connection, name, meta, hint)


async def read(connection: Connection) -> str:
    return (await connection.secrets.read(str(connection.settings["key"]))).reveal()


async def create(rig: EngineRig, name: str, key: str, **spec: Value) -> Record:
    """As Flyte's protocol has it created."""
    task = FlyteTask(task_type="toy")
    asked = rig.host.flyte.request(task, project="p", domain="d", secrets={"key": Secret(key)})
    draft = draft_of(name)
    request = replace(draft.request, spec=spec)
    draft = replace(draft, request=request, connection=asked.connection)
    (record,) = await rig.engine.executions.create([draft])
    return record


def most_in(at: list[float], window_s: float) -> int:
    return max((sum(1 for one in at if first <= one < first + window_s) for first in at), default=0)


def test_all_secrets_together_are_called_no_faster_than_their_account() -> None:
    async def play() -> None:
        async with engine_rig(handler=Keyed, connections=[TOYS]) as rig:
            for number in range(40):
                await create(rig, f"e{number}", f"key-{number}", duration_s=ENDLESS)
            await rig.after(60.0)
            created_at = [at for at, method, _ in rig.log.calls if method == "create"]
            assert len(created_at) == 40
            assert most_in(created_at, 1.0) <= 5 + 5
            assert created_at[-1] - created_at[0] == pytest.approx(7.0, abs=0.1)
            read_at = [at for at, method, _ in rig.log.calls if method == "get"]
            assert most_in(read_at, 10.0) <= 4 + 10 * 4
            # The queues are the account's, too.
            assert set(rig.log.depths) == {"toys#0/toys/create"}
            assert all(len(keys) == 1 for keys in Keyed.seen.values())
            assert len(Keyed.seen) == 40

    run(play())


def test_nothing_is_left_of_secrets_whose_executions_are_over() -> None:
    async def play() -> None:
        async with engine_rig(handler=Keyed, connections=[TOYS]) as rig:
            for number in range(20):
                await create(rig, f"e{number}", f"key-{number}", duration_s=1.0)
            for number in range(20):
                assert await rig.outcome(f"e{number}") is OutcomeKind.SUCCEEDED
            await rig.after(30.0)
            assert rig.engine._observer._batches == {}

    run(play())


def test_what_is_stored_tells_the_connection_and_not_the_secret() -> None:
    async def play() -> None:
        async with engine_rig(handler=Keyed, connections=[TOYS]) as rig:
            record = await create(rig, "a", "my-very-own-key")
            assert record.request.connection == ""
            assert account_of(record.execution.plan.connection) == "toys"
            assert record.execution.plan.connection != "toys"
            assert "my-very-own-key" not in repr(record)

    run(play())


@pytest.mark.parametrize("is_ended", [False, True])
def test_after_a_restart_an_execution_waits_until_its_secret_comes_again(is_ended: bool) -> None:
    async def play() -> None:
        async with engine_rig(handler=Keyed, connections=[TOYS]) as rig:
            record = await create(rig, "a", "my-very-own-key", duration_s=ENDLESS)
            await rig.until("a", Phase.RUNNING)
            await rig.restart()
            if is_ended:
                await rig.abort("a")
            await rig.after(30.0)
            waits = (await rig.read("a")).execution
            assert waits.phase is (Phase.CLEANING_UP if is_ended else Phase.RUNNING)
            reason, message = standing(waits)
            assert reason == "CREDENTIALS_UNAVAILABLE"
            assert "Flyte sends them again" in message
            assert rig.live() == 1
            rig.host.flyte.renew(record, {"key": Secret("my-very-own-key")})
            await rig.after(61.0)
            assert standing((await rig.read("a")).execution)[0] == ("ABORTED" if is_ended else "")
            assert rig.live() == (0 if is_ended else 1)

    run(play())


def test_after_a_restart_the_connection_s_own_secret_ends_what_is_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOY_KEY", "the-operator-s-key")

    async def play() -> None:
        async with engine_rig(handler=Keyed, connections=[TOYS]) as rig:
            await create(rig, "a", "my-very-own-key", duration_s=ENDLESS)
            await rig.until("a", Phase.RUNNING)
            await rig.restart()
            await rig.after(30.0)
            # It is not watched with it.
            assert standing((await rig.read("a")).execution)[0] == "CREDENTIALS_UNAVAILABLE"
            await rig.abort("a")
            assert await rig.outcome("a") is OutcomeKind.ABORTED
            assert rig.live() == 0

    run(play())


def test_tasks_whose_secrets_are_away_or_wrong_hold_nobody_else_up() -> None:
    async def play() -> None:
        async with engine_rig(handler=Keyed, connections=[TOYS]) as rig:
            for number in range(20):
                await create(rig, f"lost{number}", f"lost-{number}", duration_s=ENDLESS)
            await rig.after(30.0)
            await rig.restart()
            for number in range(5):
                await create(rig, f"bad{number}", " ", duration_s=ENDLESS)
            # Long enough for the breaker to open, were it silence of the remote system.
            await rig.after(600.0)
            for name in ("lost0", "bad0"):
                assert standing((await rig.read(name)).execution)[0] == "CREDENTIALS_UNAVAILABLE"
            ((key, circuit),) = rig.engine._circuits._circuits.items()
            assert key == ("toys#0", "toys")
            assert circuit.opened is None
            began_at = rig.clock.now()
            await create(rig, "good", "good", duration_s=ENDLESS)
            await rig.until("good", Phase.RUNNING)
            assert rig.clock.now() - began_at < 5.0

    run(play())
