"""The ledger's connector for flyte-sdk's server: c0 --modules ledger_v2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ledger
from flyte.connectors import AsyncConnector, ConnectorRegistry, Resource, ResourceMeta
from flyteidl2.core.execution_pb2 import TaskExecution
from google.protobuf import json_format


@dataclass
class LedgerMeta(ResourceMeta):  # type: ignore[misc]  # flyte is in an environment of its own
    job: str


class LedgerConnector(AsyncConnector):  # type: ignore[misc]  # the same
    name = "Ledger Connector"
    task_type_name = "ledger"
    metadata_type = LedgerMeta

    async def create(
        self, task_template: Any, output_prefix: str, ledger_key: str = "", **_: Any
    ) -> LedgerMeta:
        job = await ledger.create(output_prefix, json_format.MessageToDict(task_template.custom))
        ledger.note("key", job=job, key=ledger_key)
        return LedgerMeta(job=job)

    async def get(self, resource_meta: LedgerMeta, **_: Any) -> Resource:
        seen = await ledger.get(resource_meta.job)
        return Resource(
            phase=TaskExecution.Phase.Value(seen["phase"]),
            message=seen["message"],
            outputs=seen.get("outputs"),
        )

    async def delete(self, resource_meta: LedgerMeta, **_: Any) -> None:
        await ledger.delete(resource_meta.job)


ConnectorRegistry.register(LedgerConnector())
