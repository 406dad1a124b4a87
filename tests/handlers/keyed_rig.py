"""A handler that reads its key for each call, whose tasks may bring their own; and what asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar

import pydantic

from propwash.core.events import Deletion
from propwash.core.model import Execution, Fault, Plan, Queued, State
from propwash.handlers.connections import ConfiguredConnection
from propwash.ports import ExecutionName, Record, TaskRequest
from propwash.sdk import (
    CallLimits,
    Connection,
    CreateRequest,
    FlyteDialect,
    FlyteDone,
    FlyteJob,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    Job,
    Json,
    Rate,
    RemoteName,
    Secret,
    SecretRef,
    SentSecret,
    TemplateError,
    Verdict,
)
from propwash.sdk.testing import ToyHandler, ToySpec, ToySystem
from tests.handlers.handler_rig import UID, Rig, hosting, job, task

MINE, THEIRS, OWN = "my-very-own-key", "their-own-key", "the-operator-s-key"


class ToySettings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    key: SecretRef
    other: SecretRef | None = None
    user: str = ""

    @pydantic.model_validator(mode="after")
    def _agree(self) -> ToySettings:
        if isinstance(self.key, SentSecret) and not self.user:
            raise ValueError("a key needs its user")
        return self


class Tasks:
    """Understands toy tasks, which may bring their key."""

    def request(self, task: FlyteTask) -> FlyteRequest:
        account = {"user": str(task.custom["user"])} if "user" in task.custom else {}
        return FlyteRequest(spec={}, account=account)

    def outputs(self, done: FlyteDone) -> FlyteOutputs:
        return {"user": str(done.settings.get("user"))}

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:
        return FlyteJob(meta=b"1", request=FlyteRequest(spec={}, account={"user": "u"}))

    def credentials(self, names: Collection[str]) -> Mapping[str, Json]:
        if set(names) != {"toy_key"}:
            raise TemplateError(f"custom.secrets.{min(names)}: is not toy_key")
        return {"key": SentSecret.named("toy_key"), "other": None}


class Keyed(ToyHandler):
    """Reads its key for each call, and remembers with which key and as whom it called."""

    settings_type: ClassVar[type[pydantic.BaseModel] | None] = ToySettings
    flyte: ClassVar[FlyteDialect | None] = Tasks()
    limits: ClassVar[CallLimits] = CallLimits(reads=Rate(per_s=3.0, burst=3.0))

    def __init__(self) -> None:
        super().__init__(ToySystem())
        self.calls_made: list[tuple[str, str, str]] = []
        self.forgotten: list[Connection] = []
        self.deletions: dict[str, Deletion | Verdict] = {}
        self.has_other: set[bool] = set()

    async def _read(self, connection: Connection, method: str) -> str:
        settings = ToySettings.model_validate(dict(connection.settings))
        key = (await connection.secrets.read(settings.key)).reveal()
        self.calls_made.append((method, key, settings.user))
        self.has_other.add(settings.other is not None)
        return key

    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        key = await self._read(request.connection, "create")
        if key == "wrong-wrong":
            raise ValueError(f"do not like {key}")
        return await super().create(request)

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        answer = self.deletions[await self._read(connection, "delete")]
        if isinstance(answer, Verdict):
            raise answer
        return answer

    async def forget(self, connection: Connection) -> None:
        self.forgotten.append(connection)


def near(**more: object) -> ConfiguredConnection:
    settings: dict[str, Json] = {"key": "env:TOY_KEY", "other": "env:TOY_OTHER", "user": "u"}
    made = ConfiguredConnection(plugin="toys", connection=Connection(name="near", settings=settings))
    return replace(made, **more)  # type: ignore[arg-type]


OPEN = near(connection=Connection(name="near", settings={"key": "env:TOY_KEY"}))


@asynccontextmanager
async def keyed(*connections: ConfiguredConnection) -> AsyncIterator[tuple[Rig, Keyed]]:
    handler = Keyed()
    async with hosting(handler, connections=connections or (near(),)) as rig:
        yield rig, handler


def asked(
    rig: Rig, key: str = MINE, *, project: str = "sales", domain: str = "prod", **custom: Json
) -> TaskRequest:
    """What a task comes to that brings this key."""
    given = {"toy_key": Secret(key)} if key else {}
    task = FlyteTask(task_type="toy", custom=custom)
    return rig.host.flyte.request(task, project=project, domain=domain, secrets=given)


def stored(connection: str, state: State | None = None) -> Record:
    plan = Plan(task_type="toy", connection=connection)
    execution = Execution(
        uid=UID, plan=plan, state=state or Queued(not_before=0), attempt=1, created_at=0, updated_at=0
    )
    request = TaskRequest(task_type="toy", spec={})
    return Record(name=ExecutionName("sales", "prod", "a"), request=request, execution=execution, version=1)


async def create(rig: Rig, connection: str) -> Job | Fault:
    return await rig.host.create(job(task(), connection=connection))
