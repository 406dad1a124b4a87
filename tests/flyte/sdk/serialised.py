"""Templates and inputs as the SDKs serialised them, sent as FlytePropeller and Flyte 2's executor send them."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyteidl.admin import agent_pb2
from flyteidl.core import literals_pb2, tasks_pb2
from flyteidl2.connector import connector_pb2
from flyteidl2.core import tasks_pb2 as tasks2_pb2
from flyteidl2.task import common_pb2

from propwash.api.flyte.interfaces import input_types
from propwash.api.flyte.literals import struct_values, values_of
from propwash.core.model import Done
from propwash.sdk import FlyteTask, ResultPage
from tests.flyte.flyte_callers import Flyte
from tests.witness.environments import FLYTE, FLYTEKIT, ROOT

NODE = "s3://flyte/metadata/sales-prod-a8xk2"
_LONGEST_S = 55.0


@dataclass(frozen=True, slots=True)
class Serialised:
    """What the SDK of one version of Flyte left in a folder."""

    place: Path
    is_v2: bool

    def names(self, prefix: str) -> list[str]:
        """The tasks whose names begin so."""
        found = (one.name.removesuffix(".template.pb") for one in self.place.glob(f"{prefix}*.template.pb"))
        return sorted(found)

    def told(self, name: str) -> dict[str, Any]:
        """What the SDK's interpreter says of the SDK's classes."""
        made: dict[str, Any] = json.loads((self.place / f"{name}.json").read_text())
        return made

    def request(self, name: str) -> Any:
        """The create of a task, in the messages of the version."""
        template = (self.place / f"{name}.template.pb").read_bytes()
        inputs = (self.place / f"{name}.inputs.pb").read_bytes()
        if self.is_v2:
            made: Any = connector_pb2.CreateTaskRequest(
                template=tasks2_pb2.TaskTemplate.FromString(template),
                inputs=common_pb2.Inputs.FromString(inputs),
            )
        else:
            made = agent_pb2.CreateTaskRequest(
                template=tasks_pb2.TaskTemplate.FromString(template),
                inputs=literals_pb2.LiteralMap.FromString(inputs),
            )
        made.output_prefix = f"{NODE}/{name}/data/0"
        execution = made.task_execution_metadata.task_execution_id.node_execution_id.execution_id
        execution.project, execution.domain, execution.name = "sales", "prod", "a8xk2"
        return made

    def task(self, name: str) -> FlyteTask:
        """The task as the dialects see it."""
        request = agent_pb2.CreateTaskRequest.FromString(self.request(name).SerializeToString())
        template = request.template
        return FlyteTask(
            task_type=template.type,
            statement=template.sql.statement,
            custom=struct_values(template.custom),
            config=dict(template.config),
            inputs=values_of(request.inputs),
            input_types=input_types(template.interface),
        )


def run_sdk(module: str, *arguments: Path, is_v2: bool) -> str:
    """Run a module of this package by the SDK's interpreter; what it prints. RuntimeError has its last lines."""
    environment = FLYTE if is_v2 else FLYTEKIT
    ended = subprocess.run(
        [environment.interpreter, "-m", f"tests.flyte.sdk.{module}", *arguments],
        cwd=ROOT,
        # flytekit leaves what it pickles among the temporary files.
        env={**os.environ, "DO_NOT_TRACK": "1", "TMPDIR": str(arguments[0].parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST_S,
    )
    if ended.returncode:
        raise RuntimeError(f"{module} ended with {ended.returncode}: {ended.stderr[-3000:]}")
    return ended.stdout


async def rows(flyte: Flyte, meta: bytes) -> ResultPage:
    """The rows of a task that succeeded, as the native API reads them."""
    (record,) = await flyte.world.store.get([flyte.name(meta)])
    assert record is not None
    state = record.execution.state
    assert isinstance(state, Done)
    connection = record.execution.plan.connection
    found = await flyte.world.host.results(record.request.task_type, connection, state.meta or b"", "", 100)
    assert isinstance(found, ResultPage), found
    return found
