"""A handler of job runs against the services in memory, over a real port, in time that the test moves by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from propwash.core.names import remote_name
from propwash.engine.ids import new_uid
from propwash.sdk import Connection, CreateRequest, Observation, RemoteName, Spec, Value
from propwash_aws.accounts import Accounts
from propwash_aws.containers import ContainersHandler
from propwash_aws.serverless import ServerlessHandler
from tests.plugins.aws.aws_wire import Wire, aws_wire
from tests.plugins.aws.runs_fake import ROLE, FakeRuns, Form, Run

OWNER = "battery"
SPECS: dict[Form, dict[str, Any]] = {
    "serverless": {
        "jobDriver": {"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}},
        "executionRoleArn": ROLE,
    },
    "containers": {
        "jobDriver": {"sparkSubmitJobDriver": {"entryPoint": "s3://bucket/job.py"}},
        "releaseLabel": "emr-7.5.0-latest",
        "executionRoleArn": ROLE,
    },
}


@dataclass(slots=True)
class RunsRig:
    """A handler, its connection, and the hand on the service."""

    form: Form
    handler: ServerlessHandler | ContainersHandler
    connection: Connection
    fake: FakeRuns
    wire: Wire

    def request(
        self,
        fields: Mapping[str, object] = MappingProxyType({}),
        *,
        inputs: Mapping[str, Value] | None = None,
        connection: Connection | None = None,
    ) -> CreateRequest[Any]:
        uid = new_uid(self.fake.now_s)
        spec: Spec = self.handler.spec_type.model_validate({**SPECS[self.form], **fields})
        used = connection or self.connection
        return CreateRequest(
            name=remote_name(owner=OWNER, uid=uid, attempt=1),
            owner=OWNER,
            uid=uid,
            attempt=1,
            spec=spec,
            inputs=inputs or {},
            labels={},
            connection=used,
            hint=self.handler.hint(used, spec),  # type: ignore[arg-type]  # the handler's own spec
        )

    async def look(self, meta: bytes) -> Observation:
        found = (await self.handler.get(self.connection, [meta]))[meta]
        assert isinstance(found, Observation), found
        return found

    def run_of(self, name: RemoteName) -> Run:
        return next(run for run in self.fake.runs if run.name == name)


@asynccontextmanager
async def runs_rig(form: Form, **settings: object) -> AsyncIterator[RunsRig]:
    fake = FakeRuns(form)
    default = {"serverless": "serverless_application", "containers": "virtual_cluster"}[form]
    async with aws_wire(fake.respond) as wire:
        accounts = Accounts(now=lambda: fake.now_s, wall=lambda: fake.now_s)
        handler = (
            ServerlessHandler(accounts=accounts)
            if form == "serverless"
            else ContainersHandler(accounts=accounts)
        )
        connection = wire.connection(**{default: "00main", **settings})
        try:
            yield RunsRig(form, handler, connection, fake, wire)
        finally:
            await handler.close()
