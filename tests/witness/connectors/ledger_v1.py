"""The ledger's connectors for flytekit's server: pyflyte serve connector --modules ledger_v1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ledger
from flyteidl.core.execution_pb2 import TaskExecution, TaskLog
from flytekit.extend.backend.base_connector import (
    AsyncConnectorBase,
    ConnectorRegistry,
    Resource,
    ResourceMeta,
    SyncConnectorBase,
)


@dataclass
class LedgerMeta(ResourceMeta):  # type: ignore[misc]  # flytekit is in an environment of its own
    job: str


class LedgerConnector(AsyncConnectorBase):  # type: ignore[misc]  # the same
    name = "Ledger Connector"

    def __init__(self) -> None:
        super().__init__(task_type_name="ledger", metadata_type=LedgerMeta)

    async def create(self, task_template: Any, output_prefix: str, **_: Any) -> LedgerMeta:
        return LedgerMeta(job=await ledger.create(output_prefix, task_template.custom))

    async def get(self, resource_meta: LedgerMeta, **_: Any) -> Resource:
        seen = await ledger.get(resource_meta.job)
        return Resource(
            phase=TaskExecution.Phase.Value(seen["phase"]),
            message=seen["message"],
            log_links=[TaskLog(uri=f"https://ledger.example/{resource_meta.job}", name="Ledger")],
            outputs=seen.get("outputs"),
            custom_info={"job": resource_meta.job},
        )

    async def delete(self, resource_meta: LedgerMeta, **_: Any) -> None:
        await ledger.delete(resource_meta.job)


class LedgerSyncConnector(SyncConnectorBase):  # type: ignore[misc]  # the same
    name = "Ledger Sync Connector"

    def __init__(self) -> None:
        super().__init__(task_type_name="ledger_sync")

    async def do(self, task_template: Any, output_prefix: str, inputs: Any = None, **_: Any) -> Resource:
        ledger.note("done", prefix=output_prefix)
        told = inputs.literals["x"].scalar.primitive.integer
        return Resource(phase=TaskExecution.SUCCEEDED, outputs={"o0": told + 1})


ConnectorRegistry.register(LedgerConnector())
ConnectorRegistry.register(LedgerSyncConnector())
