"""Outages of the toy system, what the log says of breakers, and toys that answer some calls and not others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from propwash.core.events import Deletion
from propwash.core.model import Observation, Phase, RemoteName
from propwash.engine.options import EngineOptions
from propwash.sdk import Connection, CreateRequest, Handler, Job, NotOffered, Unavailable, Verdict
from propwash.sdk.testing import ToyHandler, ToySpec, ToySystem
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of

RARE = EngineOptions(sweep_every_s=1e6)
LONGEST_S = RARE.breaker_longest_s


def is_out(rig: EngineRig, *, out: bool) -> None:
    """An outage begins or ends; the system refuses every call, which the toy handler takes for no answer."""
    rig.system.key = "another" if out else "toy-key"


def opened_at(rig: EngineRig) -> list[float]:
    return [at for at, is_open in rig.log.breakers if is_open]


def closed_at(rig: EngineRig) -> list[float]:
    return [at for at, is_open in rig.log.breakers if not is_open]


def calls_between(rig: EngineRig, begin: float, end: float) -> list[float]:
    return [at for at, _, _ in rig.log.calls if begin < at <= end]


async def create_many(
    rig: EngineRig, count: int, *, first: int = 0, duration_s: float = ENDLESS
) -> list[str]:
    names = [f"e{number}" for number in range(first, first + count)]
    await rig.engine.executions.create([draft_of(name, duration_s=duration_s) for name in names])
    return names


async def break_down(rig: EngineRig, *, count: int = 20, duration_s: float = ENDLESS) -> list[str]:
    """So many executions run when the outage begins; returns when the breaker is open."""
    names = await create_many(rig, count, duration_s=duration_s)
    for name in names:
        await rig.until(name, Phase.RUNNING)
    is_out(rig, out=True)
    while not opened_at(rig):
        await rig.after(0.25)
    return names


class Flaky(ToySystem):
    """Fails every other call."""

    def _enter(self, operation, key):  # type: ignore[no-untyped-def]  # as the original
        is_bad = sum(self.calls.values()) % 2 == 0
        return super()._enter(operation, "another" if is_bad else key)


class Apart(ToyHandler):
    """Whose other connection's lists are always answered."""

    async def list(self, connection, owner):  # type: ignore[no-untyped-def]  # as the original
        if connection.name == "other":
            return []
        return await super().list(connection, owner)


class Stubborn(ToyHandler):
    """Answers nothing about jobs that last 13 s."""

    def __init__(self, system: ToySystem) -> None:
        super().__init__(system)
        self.names: set[RemoteName] = set()

    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        if request.spec.duration_s == 13.0:
            self.names.add(request.name)
            raise Unavailable("PLACE_UNREACHABLE", "the place of this job does not answer")
        return await super().create(request)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        if name in self.names:
            raise Unavailable("PLACE_UNREACHABLE", "the place of this job does not answer")
        return await super().find(connection, name, hint)

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        if name in self.names:
            raise Unavailable("PLACE_UNREACHABLE", "the place of this job does not answer")
        return await super().delete(connection, name, meta, hint)


class OneByOne(ToyHandler):
    get = Handler.get  # type: ignore[assignment]  # as if it were not overridden

    async def get_one(self, connection: Connection, meta: bytes) -> Observation:
        answer = self.calls.get([meta])[meta]
        if isinstance(answer, Verdict):
            raise answer
        return answer


class Partly(ToyHandler):
    """Answers for one job of a batch."""

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        answers = dict(await super().get(connection, metas))
        silence = Unavailable("PLACE_UNREACHABLE", "the place of this job does not answer")
        return answers | dict.fromkeys([meta for meta in metas if int(meta) != 1], silence)


class Listless(ToyHandler):
    async def list(self, connection, owner):  # type: ignore[no-untyped-def]  # as the original
        raise NotOffered
