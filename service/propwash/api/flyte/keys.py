"""What names a task at Flyte's side, and the resource meta that Flyte keeps for us.

Flyte sends the same output_prefix whenever it repeats a create, and another for each attempt of a node: all but its
last segment is the node, that one is the attempt. Flyte keeps resource meta in etcd: it is small and holds no secret.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from flyteidl.admin import agent_pb2

from propwash.api.errors import ApiError, invalid
from propwash.api.names import parse_name, parse_parent
from propwash.core.model import Json
from propwash.ports import ExecutionName, Record, Refused

ADOPTED_PROJECT, ADOPTED_DOMAIN = "flyte", "adopted"
"""Where adopted jobs are kept, as their metas tell no project."""
_NAMES = re.compile(r"f[0-9a-f]{32}-[0-9]+|a[0-9a-f]{32}")
_MOST_FOREIGN = 32 * 1024
"""Bytes of another connector's meta that is not in JSON."""
_MOST_MESSAGE = 600
"""Characters of a refusal that are kept."""


@dataclass(frozen=True, slots=True)
class TaskKey:
    """A node of one Flyte execution, and which attempt of it this is."""

    project: str
    domain: str
    node: str
    attempt: int

    def name(self, attempt: int | None = None) -> ExecutionName:
        """The execution's name; of another attempt where one is given."""
        digest = hashlib.blake2b(self.node.encode(), digest_size=16, person=b"pw-flyte-node").hexdigest()
        chosen = self.attempt if attempt is None else attempt
        return ExecutionName(self.project, self.domain, f"f{digest}-{chosen}")


def key_of(request: agent_pb2.CreateTaskRequest) -> TaskKey:
    """The task that a create is about; raises ApiError for a project or domain that is none of ours."""
    task = request.task_execution_metadata.task_execution_id
    node_id, template = task.node_execution_id, request.template.id
    execution = node_id.execution_id
    parent = (execution.project or template.project, execution.domain or template.domain)
    parse_parent(f"projects/{parent[0]}/domains/{parent[1]}", "task_execution_metadata")
    prefix = request.output_prefix.rstrip("/")
    node, _, last = prefix.rpartition("/")
    if node and last.isdecimal():
        return TaskKey(*parent, node, int(last))
    if prefix:
        return TaskKey(*parent, prefix, task.retry_attempt)
    if not execution.name or not node_id.node_id:
        raise invalid("output_prefix", "is required, as it tells a repeated create from another task")
    return TaskKey(*parent, f"{execution.name}/{node_id.node_id}", task.retry_attempt)


class AboutTask(Protocol):
    """A request about a task that was created before."""

    @property
    def resource_meta(self) -> bytes: ...
    @property
    def task_type(self) -> str: ...
    @property
    def task_category(self) -> agent_pb2.TaskCategory: ...


def task_type_of(request: AboutTask) -> str:
    """The task type: version 2 has the category alone."""
    return request.task_category.name or request.task_type


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a template can never run. Kept in the meta alone: Flyte is told FAILED, and nothing is stored."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """A resource meta that another connector wrote."""

    task_type: str
    values: Mapping[str, Json]
    """Empty where the meta is no object in JSON: nothing else is taken apart, as it may be a pickle."""
    raw: bytes

    def name(self) -> ExecutionName:
        """The name of the execution that the job is adopted as: always the same for it."""
        said: object = self.values or base64.b64encode(self.raw).decode()
        text = json.dumps([self.task_type, said], sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=16, person=b"pw-flyte-adopts").hexdigest()
        return ExecutionName(ADOPTED_PROJECT, ADOPTED_DOMAIN, f"a{digest}")


def is_of_flyte(record: Record) -> bool:
    """Whether Flyte knows the execution as a task."""
    name = record.name.execution
    return record.request.request_id == name and _NAMES.fullmatch(name) is not None


def meta_of(name: ExecutionName) -> bytes:
    """The resource meta of an execution."""
    return json.dumps({"propwash": str(name)}, separators=(",", ":")).encode()


def refused_meta(error: Refused) -> bytes:
    """The resource meta of a task that is refused for good."""
    said = {"propwash_refused": error.reason, "message": str(error)[:_MOST_MESSAGE]}
    return json.dumps(said, separators=(",", ":")).encode()


def read_meta(meta: bytes, task_type: str) -> ExecutionName | Refusal | Foreign:
    """What a resource meta is about; raises ApiError for what no connector can have written."""
    try:
        given: object = json.loads(meta)
    except (ValueError, RecursionError):
        # Of whatever depth: it may be anybody's.
        given = None
    match given:
        case {"propwash": str(name)}:
            return parse_name(name, "resource_meta")
        case {"propwash_refused": str(reason), "message": str(message)}:
            return Refusal(reason, message)
        case dict():
            return Foreign(task_type, given, meta)
        case _ if 0 < len(meta) <= _MOST_FOREIGN:
            return Foreign(task_type, {}, meta)
        case _:
            raise unknown_meta(task_type)


def unknown_meta(task_type: str) -> ApiError:
    """For a meta that no connector wrote which is known here."""
    whose = f"neither by this service nor by Flyte's own connector for task type {task_type!r:.100}"
    return invalid("resource_meta", f"was made {whose}")
