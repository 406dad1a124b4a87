"""The three calls that drive a task: create is one commit, get is our own state, delete is a durable abort.

FlytePropeller takes any error of a create for a failure of the user's task, and counts every error of a get for good;
so a template that can never run is accepted and answered as failed, and neither call asks a remote system.
"""

from __future__ import annotations

from collections.abc import Sequence

from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2

from propwash.api.digests import digest_of
from propwash.api.flyte.adoption import Adopter
from propwash.api.flyte.keys import (
    AboutTask,
    Foreign,
    Refusal,
    TaskKey,
    key_of,
    meta_of,
    read_meta,
    refused_meta,
    task_type_of,
)
from propwash.api.flyte.leases import Leases
from propwash.api.flyte.literals import LiteralError, struct_values, values_of
from propwash.api.flyte.outputs import memo_of
from propwash.api.flyte.passing import environment, without_secrets
from propwash.api.flyte.resources import refused, resource, unwatched
from propwash.api.translate import Translator
from propwash.core.model import Phase, Policy
from propwash.ports import (
    AlreadyEnded,
    AlreadyExists,
    Draft,
    ExecutionName,
    Executions,
    FlyteTasks,
    NoSuchExecution,
    NotAccepting,
    Record,
    Refused,
    Store,
    TaskRequest,
)
from propwash.sdk import FlyteContainer, FlyteTask, Value

_MOST_EARLIER = 32
"""How many earlier attempts of a node are looked for."""
_LABEL_CHARS = 63
_MOST_LABELS = 32
_NEVER_BEGUN = "NEVER_BEGUN"
_SUPERSEDED = "a newer attempt of the same node began"
_DELETED = "Flyte asked for its end"
_TOO_LATE = Refused("SUPERSEDED", "a newer attempt of the same node is there already")


class Tasks:
    """Serves both versions of the protocol."""

    def __init__(
        self,
        *,
        store: Store,
        executions: Executions,
        flyte: FlyteTasks,
        translator: Translator,
        leases: Leases,
    ) -> None:
        self._store = store
        self._executions = executions
        self._flyte = flyte
        self._translator = translator
        self._leases = leases
        self._adopter = Adopter(store=store, executions=executions, flyte=flyte)

    async def create(self, request: agent_pb2.CreateTaskRequest) -> agent_pb2.CreateTaskResponse:
        """Accept a task; raises ApiError for a request that names none, and what the engine raises."""
        key = key_of(request)
        name = key.name()
        there, *others = await self._store.get([name, key.name(key.attempt + 1), *_earlier(key)])
        if there is not None:
            # The same output prefix is the same task, whatever else was sent this time.
            self._leases.renew(name)
            return agent_pb2.CreateTaskResponse(resource_meta=meta_of(name))
        later, *earlier = others
        await self._supersede(earlier)
        if later is not None:
            return agent_pb2.CreateTaskResponse(resource_meta=refused_meta(_TOO_LATE))
        try:
            draft = self._draft(request, key)
            await self._executions.create([draft])
        except Refused as error:
            return agent_pb2.CreateTaskResponse(resource_meta=refused_meta(error))
        except AlreadyExists:
            # Two of the same came at once.
            pass
        self._leases.renew(name)
        return agent_pb2.CreateTaskResponse(resource_meta=meta_of(name))

    async def get(self, request: agent_pb2.GetTaskRequest, *, is_v2: bool) -> agent_pb2.GetTaskResponse:
        """The task's last known state; raises ApiError for a meta of nobody, and NoSuchExecution."""
        try:
            about = await self.about(request)
        except NotAccepting:
            return agent_pb2.GetTaskResponse(resource=unwatched())
        if isinstance(about, Refusal):
            return agent_pb2.GetTaskResponse(resource=refused(about))
        (record,) = await self._store.get([about])
        if record is None:
            raise NoSuchExecution(f"there is no execution {about}")
        if record.execution.phase.is_terminal:
            self._leases.end(about)
        else:
            self._leases.renew(about)
        return agent_pb2.GetTaskResponse(resource=self.resource(record, is_v2=is_v2))

    def resource(self, record: Record, *, is_v2: bool) -> agent_pb2.Resource:
        """What Flyte is told of an execution."""
        is_good = record.execution.phase is Phase.SUCCEEDED
        return resource(
            record,
            links=tuple(self._translator.links(record)),
            outputs=self._flyte.outputs(record, is_v2=is_v2) if is_good else {},
        )

    async def delete(self, request: agent_pb2.DeleteTaskRequest) -> agent_pb2.DeleteTaskResponse:
        """Ask for the end; what is over or was never there is no error."""
        about = await self.about(request)
        if isinstance(about, ExecutionName):
            await self._abort(about, _DELETED)
        return agent_pb2.DeleteTaskResponse()

    async def about(self, request: AboutTask) -> ExecutionName | Refusal:
        """The execution that a request is about, adopted by now where another connector began it; raises ApiError for a
        meta of nobody, Refused for a job that cannot be watched, and what the engine raises.
        """
        about = read_meta(request.resource_meta, task_type_of(request))
        if not isinstance(about, Foreign):
            return about
        try:
            return await self._adopter.adopt(about)
        except Refused as error:
            if error.reason != _NEVER_BEGUN:
                # Such as a connection that is not there: what an operator can put right fails no task.
                raise
            return Refusal(error.reason, str(error))

    def _draft(self, request: agent_pb2.CreateTaskRequest, key: TaskKey) -> Draft:
        template = request.template
        try:
            inputs = values_of(request.inputs)
        except LiteralError as error:
            if not self._flyte.is_passed_on(template.type):
                raise Refused("INVALID_INPUTS", str(error)) from error
            inputs = {}
        task = FlyteTask(
            task_type=template.type,
            version=template.task_type_version,
            statement=template.sql.statement,
            custom=struct_values(template.custom),
            config=dict(template.config),
            inputs=inputs,
            container=_container(template) if template.HasField("container") else None,
            output_prefix=request.output_prefix,
            environment=environment(request.task_execution_metadata),
            request=without_secrets(request),
        )
        asked = self._flyte.request(task, project=key.project, domain=key.domain)
        name = key.name()
        labels = _labels(request)
        given: list[Value] = [str(name), asked.task_type, asked.spec, asked.inputs, asked.connection, labels]
        return Draft(
            name=name,
            request=TaskRequest(
                task_type=asked.task_type,
                spec=asked.spec,
                inputs=asked.inputs,
                connection=asked.connection,
                labels=labels,
                request_id=name.execution,
                digest=digest_of(given),
                memo=memo_of(template),
            ),
            # Flyte repeats what fails, as another attempt of its own.
            policy=Policy(
                max_attempts=1, run_deadline_s=_timeout_s(template.metadata.timeout.ToNanoseconds())
            ),
        )

    async def _supersede(self, earlier: Sequence[Record | None]) -> None:
        """Abort earlier attempts, durably and before the newer one is accepted."""
        for record in earlier:
            if record is not None and not record.execution.phase.is_terminal:
                await self._abort(record.name, _SUPERSEDED)

    async def _abort(self, name: ExecutionName, message: str) -> None:
        try:
            await self._executions.abort(name, message=message, allow_missing=False)
        except (NoSuchExecution, AlreadyEnded):
            return


def _earlier(key: TaskKey) -> list[ExecutionName]:
    return [key.name(one) for one in range(max(0, key.attempt - _MOST_EARLIER), key.attempt)]


def _container(template: tasks_pb2.TaskTemplate) -> FlyteContainer:
    container = template.container
    return FlyteContainer(
        image=container.image,
        command=tuple(container.command),
        args=tuple(container.args),
        env={one.key: one.value for one in container.env},
    )


def _timeout_s(nanoseconds: int) -> float | None:
    return nanoseconds / 1e9 if nanoseconds > 0 else None


def _labels(request: agent_pb2.CreateTaskRequest) -> dict[str, str]:
    """Kubernetes' labels of the task's pod, as many as we take."""
    fitting = (
        (key, value)
        for key, value in sorted(request.task_execution_metadata.labels.items())
        if 0 < len(key) <= _LABEL_CHARS and len(value) <= _LABEL_CHARS
    )
    return dict(list(fitting)[:_MOST_LABELS])
