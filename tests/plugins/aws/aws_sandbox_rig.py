"""The handlers against the stand-in by way of the real client library, in time that the test moves by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from propwash.core.names import remote_name
from propwash.engine.ids import new_uid
from propwash.sandbox import (
    FaultKind,
    FaultPlan,
    Ledger,
    LedgerState,
    ManualClock,
    MethodClass,
    Sandbox,
    Schedule,
    Speed,
    SpeedControl,
    World,
    parse_rule,
    serve,
)
from propwash.sdk import Connection, CreateRequest, Handler, Observation, RemoteName, Value
from propwash_aws.accounts import Accounts
from propwash_aws.clusters import ClusterHandler
from propwash_aws.containers import ContainersHandler
from propwash_aws.sandbox import AwsStandIn, stand_in
from propwash_aws.serverless import ServerlessHandler
from propwash_aws.steps import StepHandler

OWNER = "battery"
ROLE = "arn:aws:iam::123456789012:role/runs"
HANDLERS: dict[str, type[Any]] = {
    "emr_serverless": ServerlessHandler,
    "emr_containers": ContainersHandler,
    "emr_step": StepHandler,
    "emr_cluster": ClusterHandler,
}
DEFAULTS: dict[str, str] = {
    "serverless_application": "00sandboxapp",
    "virtual_cluster": "sandboxvc",
    "execution_role_arn": ROLE,
}


@dataclass(slots=True)
class AwsRig:
    """A handler, the connection to the stand-in, and the hand on its clock, faults and ledger."""

    handler: Handler[Any]
    connection: Connection
    sandbox: Sandbox
    stand_in: AwsStandIn
    clock: ManualClock

    @property
    def world(self) -> World:
        return self.sandbox.world

    def request(
        self, spec: Mapping[str, object], *, inputs: Mapping[str, Value] | None = None, owner: str = OWNER
    ) -> CreateRequest[Any]:
        uid = new_uid(self.clock.now())
        made = self.handler.spec_type.model_validate(spec)
        return CreateRequest(
            name=remote_name(owner=owner, uid=uid, attempt=1),
            owner=owner,
            uid=uid,
            attempt=1,
            spec=made,
            inputs=inputs or {},
            labels={},
            connection=self.connection,
            hint=self.handler.hint(self.connection, made),
        )

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.schedule.run_due()

    def fault(
        self,
        kind: FaultKind,
        *methods: MethodClass,
        limit: int | None = 1,
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        rule = {"kind": kind, "probability": 1.0, "limit": limit, **more}
        if methods:
            rule["methods"] = list(methods)
        self.world.faults.set([parse_rule(rule, where="test")], seed=0)

    def calls(self, method: str) -> int:
        """HTTP requests of one operation, such as emr-serverless.StartJobRun, whatever was answered."""
        requests = self.world.ledger.summary()["requests"].get("aws", {})
        return sum(requests.get(method, {}).values())

    def live_count(self, name: RemoteName) -> int:
        jobs = self.world.ledger.jobs
        return sum(job.name == name and job.state is LedgerState.LIVE for job in jobs)

    async def look(self, meta: bytes) -> Observation:
        told = self.handler.get(self.connection, [meta])
        answer = (await told if isinstance(told, Awaitable) else told)[meta]
        assert isinstance(answer, Observation), answer
        return answer


@asynccontextmanager
async def aws_rig(
    task_type: str, *, now: Callable[[], float] | None = None, **settings: object
) -> AsyncIterator[AwsRig]:
    """A rig for the handler of a task type; settings are added to the connection's. now is the handler's own time."""
    clock = ManualClock()
    workers = ThreadPoolExecutor(1)
    world = World(
        clock=clock,
        schedule=Schedule(clock),
        ledger=Ledger(),
        faults=FaultPlan(),
        speed=SpeedControl(Speed(cancel_ms=20.0)),
        workers=workers,
    )
    made = stand_in(world)
    sandbox = await serve("127.0.0.1", 0, stand_ins={"aws": made}, world=world)
    handler = HANDLERS[task_type](accounts=Accounts(now=now or clock.now, wall=clock.now))
    given = {
        "region": "us-east-1",
        "credentials": "none",
        "s3_endpoint": f"{sandbox.url}/s3",
        **DEFAULTS,
        **settings,
    }
    connection = Connection(name="aws", endpoint=sandbox.url, settings=given)  # type: ignore[arg-type]  # JSON
    try:
        yield AwsRig(handler, connection, sandbox, made, clock)
    finally:
        await handler.close()
        await sandbox.close()
        workers.shutdown()
