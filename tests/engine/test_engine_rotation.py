"""Credentials expire, are rotated and are revoked in the middle of a run: no execution ends wrongly, none gets a second
job, and what waits says why.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

import pydantic
import pytest

from propwash.api.translate import standing
from propwash.core.events import Deletion
from propwash.core.model import Execution, Observation, Outcome, Phase, RemoteName
from propwash.engine.options import EngineOptions
from propwash.handlers.connections import ConfiguredConnection
from propwash.sdk import (
    CREDENTIALS_UNAVAILABLE,
    Connection,
    CreateRequest,
    Job,
    ListedJob,
    SecretRef,
    Traits,
    Unavailable,
    Verdict,
)
from propwash.sdk.testing import ToyHandler, ToySpec, ToySystem
from propwash.sdk.testing.toy_handler import ToyCalls
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig, execution_name
from tests.engine.virtual_time import run

VARIABLE = "TOY_KEY"
TOYS = ConfiguredConnection(
    plugin="toys", connection=Connection(name="toys", settings={"key": f"env:{VARIABLE}"})
)
COUNT = 150


class KeySettings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    key: SecretRef


class Keyed(ToyHandler):
    """Reads its key for every call, as the connection's settings say."""

    settings_type: ClassVar[type[pydantic.BaseModel] | None] = KeySettings

    async def _open(self, connection: Connection) -> None:
        settings = KeySettings.model_validate(dict(connection.settings))
        key = (await connection.secrets.read(settings.key)).reveal()
        self.calls = ToyCalls(self.system, key=key)

    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        await self._open(request.connection)
        with known():
            return await super().create(request)

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        await self._open(connection)
        with known():
            return await super().get(connection, metas)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        await self._open(connection)
        with known():
            return await super().find(connection, name, hint)

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        await self._open(connection)
        with known():
            return await super().delete(connection, name, meta, hint)

    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        await self._open(connection)
        with known():
            return await super().list(connection, owner)


@contextmanager
def known() -> Iterator[None]:
    try:
        yield
    except Unavailable as verdict:
        if verdict.reason != "KEY_REFUSED":
            raise
        raise Unavailable(CREDENTIALS_UNAVAILABLE, "the key is not accepted") from verdict


async def submitted(rig: EngineRig) -> dict[str, float]:
    """Executions of every length, spread over half a minute: when the outage comes, some are in every state."""
    dice = random.Random(7)
    lasting = {f"e{number}": dice.choice((5.0, 40.0, 120.0, ENDLESS)) for number in range(COUNT)}
    names = list(lasting)
    for start in range(0, COUNT, 30):
        await rig.engine.executions.create(
            [draft_of(name, duration_s=lasting[name]) for name in names[start : start + 30]]
        )
        await rig.after(6.0)
    return lasting


async def executions(rig: EngineRig) -> dict[str, Execution]:
    records = await rig.store.get([execution_name(f"e{number}") for number in range(COUNT)])
    return {record.name.execution: record.execution for record in records if record is not None}


@pytest.mark.parametrize(
    "is_missing", [False, True], ids=["the system expires the key", "the secret is taken away"]
)
@pytest.mark.parametrize("has_unique_names", [True, False])
def test_an_expired_key_ends_nothing_and_a_new_one_serves_at_once(
    is_missing: bool, has_unique_names: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        system = ToySystem(key="first")
        monkeypatch.setenv(VARIABLE, "first")
        options = EngineOptions(sweep_every_s=20.0, orphan_settle_s=40.0)
        traits = Traits(settle_s=5.0, poll_floor_s=1.0, poll_ceiling_s=5.0, has_unique_names=has_unique_names)
        async with engine_rig(
            options, traits=traits, system=system, handler=Keyed, connections=[TOYS]
        ) as rig:
            lasting = await submitted(rig)
            before = await executions(rig)
            ended = {name for name, one in before.items() if one.phase.is_terminal}
            assert 0 < len(ended) < COUNT
            if is_missing:
                monkeypatch.delenv(VARIABLE)
            else:
                system.key = "second"
            # What comes in during the outage, and what is aborted, waits as well.
            late = [f"late{number}" for number in range(20)]
            await rig.engine.executions.create([draft_of(name, duration_s=5.0) for name in late])
            endless = [name for name, seconds in lasting.items() if seconds == ENDLESS]
            for name in endless[:10]:
                await rig.abort(name)
            await rig.after(300.0)
            during = await executions(rig)
            assert {name for name, one in during.items() if one.phase.is_terminal} == ended
            for name, one in during.items():
                if name not in ended:
                    reason, message = standing(one)
                    assert reason == CREDENTIALS_UNAVAILABLE, (name, one.state)
                    assert "(since 19" in message
                    assert "first" not in message
                    assert "second" not in message
            for name in late:
                assert standing((await rig.read(name)).execution)[0] == CREDENTIALS_UNAVAILABLE
                assert await rig.phase(name) is Phase.INITIALIZING
            # A crash in the middle of it changes nothing.
            await rig.restart()
            await rig.after(30.0)
            monkeypatch.setenv(VARIABLE, system.key)
            await rig.after(200.0)
            for name, one in (await executions(rig)).items():
                if name in endless[10:]:
                    assert one.phase is Phase.RUNNING
                    assert one.attempt == 1
                elif name in endless:
                    assert one.phase is Phase.ABORTED
                else:
                    assert one.phase is Phase.SUCCEEDED, (name, one.state)
            assert {await rig.phase(name) for name in late} == {Phase.SUCCEEDED}
            assert rig.live() == len(endless) - 10
            assert len(system.ledger()) == len({job.name for job in system.ledger()}) == COUNT + len(late)

    run(play())


def test_a_key_that_is_rotated_in_time_is_seen_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        system = ToySystem(key="first")
        monkeypatch.setenv(VARIABLE, "first")
        async with engine_rig(system=system, handler=Keyed, connections=[TOYS]) as rig:
            await submitted(rig)
            for number in range(5):
                system.key = f"key-{number}"
                monkeypatch.setenv(VARIABLE, system.key)
                await rig.after(10.0)
            assert {code for _, _, code in rig.log.calls} == {"OK"}

    run(play())


def test_a_key_that_is_revoked_for_good_holds_everything_until_somebody_acts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play() -> None:
        system = ToySystem(key="first")
        monkeypatch.setenv(VARIABLE, "first")
        async with engine_rig(system=system, handler=Keyed, connections=[TOYS]) as rig:
            await rig.create("one", duration_s=50.0)
            await rig.until("one", Phase.RUNNING)
            monkeypatch.setenv(VARIABLE, "revoked")
            await rig.after(86_400.0)
            record = await rig.read("one")
            assert record.execution.phase is Phase.RUNNING
            assert standing(record.execution)[0] == CREDENTIALS_UNAVAILABLE
            # At most a minute apart, so that the end of the outage is soon seen, and no more often.
            refused = sum(code != "OK" for _, method, code in rig.log.calls if method == "get")
            assert 1_440 <= refused <= 4_000
            monkeypatch.setenv(VARIABLE, "first")
            await rig.after(61.0)
            state = (await rig.read("one")).execution.state
            assert isinstance(getattr(state, "outcome", None), Outcome)
            assert await rig.phase("one") is Phase.SUCCEEDED

    run(play())
