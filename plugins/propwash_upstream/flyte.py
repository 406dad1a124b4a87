"""Tasks of Flyte's that are passed on as they came, and outputs as the connector gave them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flyteidl.admin import agent_pb2
from flyteidl2.connector import connector_pb2

from propwash.sdk import (
    FlyteDone,
    FlyteJob,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    FlyteType,
    Json,
    SentSecret,
)
from propwash_upstream.keys import META_LIMIT, meta_of
from propwash_upstream.observing import LITERALS


class PassedOn:
    """Any task of any type."""

    def request(self, task: FlyteTask) -> FlyteRequest:
        """The task as it arrived, its inputs in it."""
        spec: dict[str, Json] = {
            "task_type": task.task_type,
            "version": task.version,
            "is_sync": task.is_sync,
            "request": task.request,
        }
        return FlyteRequest(spec=spec)

    def outputs(self, done: FlyteDone) -> FlyteOutputs:
        """The connector's literals untouched; None where it gave none, as Flyte then reads the job's own file."""
        literals = done.outputs.get(LITERALS)
        return literals if isinstance(literals, bytes) else None

    def credentials(self, names: Collection[str]) -> Mapping[str, Json]:
        """The secrets that came with the task, in place of those that the settings have: they are passed on, too."""
        return {"secrets": {name: SentSecret.named(name) for name in names}}

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:  # noqa: ARG002  another connector's task type
        """Nothing: what the handler calls its task type is known to no other connector."""
        return None

    def adopted_as_it_is(self, offered: FlyteType, meta: bytes) -> FlyteJob | None:
        """The job of the server's own meta."""
        category = connector_pb2.TaskCategory(name=offered.name, version=offered.version)
        ours = meta_of(connector_pb2.GetTaskRequest(task_category=category, resource_meta=meta))
        if offered.is_sync or len(ours) > META_LIMIT:
            return None
        # Nobody knows what was asked for, and it is not created again.
        request = agent_pb2.CreateTaskRequest()
        request.template.type, request.template.task_type_version = offered.name, offered.version
        spec: dict[str, Json] = {
            "task_type": offered.name,
            "version": offered.version,
            "request": request.SerializeToString(),
        }
        return FlyteJob(meta=ours, request=FlyteRequest(spec=spec))
