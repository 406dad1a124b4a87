"""What the task type flyte_connector takes."""

from __future__ import annotations

import pydantic
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from google.protobuf.message import DecodeError

from propwash.sdk import Spec


class ConnectorSpec(Spec):
    """A task for a connector: as a whole request, or as a template with the execution's own inputs."""

    task_type: str = pydantic.Field(min_length=1, max_length=127, description="The connector's task type.")
    version: int = pydantic.Field(default=0, ge=0, description="The version of the task type.")
    is_sync: bool = pydantic.Field(
        default=False, description="Whether the connector is synchronous: one call, until the task's end."
    )
    template: bytes = pydantic.Field(
        default=b"",
        description="A serialized flyteidl.core.TaskTemplate. The execution's inputs become its literals.",
    )
    output_prefix: str = pydantic.Field(
        default="",
        max_length=4096,
        description=(
            "With template: where the job may write its files of outputs. The execution's remote name where not given, "
            "which serves connectors that write none."
        ),
    )
    request: bytes = pydantic.Field(
        default=b"",
        description=(
            "In place of template: a serialized flyteidl.admin.CreateTaskRequest, without a connection's secrets. The "
            "execution's inputs are laid over those in it."
        ),
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> ConnectorSpec:
        if bool(self.template) == bool(self.request):
            raise ValueError("give template or request, and not both")
        if self.request and self.output_prefix:
            raise ValueError("output_prefix goes with template; a request has its own")
        return self

    @pydantic.field_validator("template")
    @classmethod
    def _is_template(cls, value: bytes) -> bytes:
        try:
            tasks_pb2.TaskTemplate.FromString(value)
        except DecodeError:
            raise ValueError("is no serialized flyteidl.core.TaskTemplate") from None
        return value

    @pydantic.field_validator("request")
    @classmethod
    def _is_request(cls, value: bytes) -> bytes:
        try:
            agent_pb2.CreateTaskRequest.FromString(value)
        except DecodeError:
            raise ValueError("is no serialized flyteidl.admin.CreateTaskRequest") from None
        return value
