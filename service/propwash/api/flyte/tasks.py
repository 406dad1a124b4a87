"""The three calls that drive a task: create is one commit, get is our own state, delete is a durable abort.

FlytePropeller takes any error of a create for a failure of the user's task, and counts every error of a get for good;
so a template that can never run is accepted and answered as failed, and neither call asks a remote system.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2

from propwash.api.digests import digest_of
from propwash.api.errors import ApiError
from propwash.api.flyte.admission import told_unavailable
from propwash.api.flyte.adoption import Adopter
from propwash.api.flyte.interfaces import input_types
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
from propwash.api.waits import told
from propwash.core.model import Phase, Policy
from propwash.core.names import account_of
from propwash.ports import (
    NO_SECRETS,
    AlreadyEnded,
    AlreadyExists,
    Draft,
    ExecutionName,
    Executions,
    FlyteTasks,
    HeldBy,
    NoSuchExecution,
    NotAccepting,
    Record,
    Refused,
    Store,
    TaskRequest,
)
from propwash.sdk import FlyteContainer, FlyteTask, Secret, Value

_MOST_EARLIER = 32
"""How many earlier attempts of a node are looked for."""
_LABEL_CHARS = 63
_MOST_LABELS = 32
_NEVER_BEGUN = "NEVER_BEGUN"
_SUPERSEDED = "a newer attempt of the same node began"
_DELETED = "Flyte asked for its end"


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
        trouble: Callable[[str], None],
        tells_retryable: bool = True,
    ) -> None:
        self._store = store
        self._executions = executions
        self._flyte = flyte
        self._translator = translator
        self._leases = leases
        self._trouble = trouble
        self._tells_retryable = tells_retryable
        self._adopter = Adopter(store=store, executions=executions, flyte=flyte)

    async def create(
        self, request: agent_pb2.CreateTaskRequest, *, secrets: Mapping[str, Secret] = NO_SECRETS
    ) -> agent_pb2.CreateTaskResponse:
        """Accept a task; raises ApiError for a request that names none, and what the engine raises."""
        try:
            meta = meta_of(await self.begin(request, secrets=secrets))
        except Refused as error:
            meta = refused_meta(error)
        return agent_pb2.CreateTaskResponse(resource_meta=meta)

    async def begin(
        self,
        request: agent_pb2.CreateTaskRequest,
        *,
        secrets: Mapping[str, Secret] = NO_SECRETS,
        within_s: float | None = None,
    ) -> ExecutionName:
        """The task's execution, durable by now, which ends within so many seconds where they are given. Raises Refused
        for what can never run, ApiError for a request that names no task, and what the engine raises.
        """
        key = key_of(request)
        name = key.name()
        there, *others = await self._store.get([name, key.name(key.attempt + 1), *_earlier(key)])
        if there is None:
            later, *earlier = others
            await self._supersede(earlier, secrets)
            if later is not None:
                raise _too_late()
            # Two of the same may come at once.
            with contextlib.suppress(AlreadyExists), told_unavailable():
                await self._executions.create([self._draft(request, key, secrets, within_s=within_s)])
        else:
            # The same output prefix is the same task, whatever else was sent this time.
            self._flyte.renew(there, secrets)
        self._leases.renew(name)
        return name

    async def get(
        self, request: agent_pb2.GetTaskRequest, *, is_v2: bool, secrets: Mapping[str, Secret] = NO_SECRETS
    ) -> agent_pb2.GetTaskResponse:
        """The task's last known state; raises ApiError for a meta of nobody, and NoSuchExecution."""
        try:
            about = await self.about(request, secrets)
        except NotAccepting:
            return agent_pb2.GetTaskResponse(resource=unwatched())
        if isinstance(about, Refusal):
            return agent_pb2.GetTaskResponse(resource=refused(about))
        (record,) = await self._store.get([about])
        if record is None:
            raise NoSuchExecution(f"there is no execution {about}")
        self._flyte.renew(record, secrets)
        return agent_pb2.GetTaskResponse(resource=self.resource(record, is_v2=is_v2))

    def resource(self, record: Record, *, is_v2: bool) -> agent_pb2.Resource:
        """What Flyte is told of an execution, now."""
        self._leases.told(record)
        is_good = record.execution.phase is Phase.SUCCEEDED
        return resource(
            record,
            links=tuple(self._translator.links(record)),
            outputs=self._flyte.outputs(record, is_v2=is_v2) if is_good else {},
            tells_retryable=self._tells_retryable,
            waiting=told(record.execution, self._executions.waits(record)),
        )

    async def delete(
        self, request: agent_pb2.DeleteTaskRequest, *, secrets: Mapping[str, Secret] = NO_SECRETS
    ) -> agent_pb2.DeleteTaskResponse:
        """Ask for the end; what is over or was never there is no error, nor is a meta of nobody: FlytePropeller would
        fail the whole round of the workflow by it, again and again.
        """
        try:
            about = await self.about(request, secrets)
        except ApiError as error:
            kind = task_type_of(request)
            self._trouble(f"Flyte asked for the end of a {kind!r:.100} task that cannot be known: {error}")
            return agent_pb2.DeleteTaskResponse()
        if isinstance(about, ExecutionName):
            (record,) = await self._store.get([about]) if secrets else (None,)
            if record is not None:
                self._flyte.renew(record, secrets)
            await self._abort(about, _DELETED)
            # The abort is durable: that Flyte does not ask any more is no news.
            self._leases.end(about)
        return agent_pb2.DeleteTaskResponse()

    async def about(
        self, request: AboutTask, secrets: Mapping[str, Secret] = NO_SECRETS
    ) -> ExecutionName | Refusal:
        """The execution that a request is about, adopted by now where another connector began it; raises ApiError for a
        meta of nobody, Refused for a job that cannot be watched, and what the engine raises.
        """
        about = read_meta(request.resource_meta, task_type_of(request))
        if not isinstance(about, Foreign):
            return about
        try:
            return await self._adopter.adopt(about, secrets)
        except Refused as error:
            if error.reason != _NEVER_BEGUN:
                # Such as a connection that is not there: what an operator can put right fails no task.
                raise
            return Refusal(error.reason, str(error))

    def _draft(
        self,
        request: agent_pb2.CreateTaskRequest,
        key: TaskKey,
        secrets: Mapping[str, Secret],
        *,
        within_s: float | None,
    ) -> Draft:
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
            input_types=input_types(template.interface),
            container=_container(template) if template.HasField("container") else None,
            output_prefix=request.output_prefix,
            environment=environment(request.task_execution_metadata),
            request=without_secrets(request),
        )
        asked = self._flyte.request(task, project=key.project, domain=key.domain, secrets=secrets)
        name = key.name()
        labels = _labels(request)
        # Not what is derived from it for the secrets, which are no part of what was asked.
        connection = account_of(asked.connection)
        given: list[Value] = [str(name), asked.task_type, asked.spec, asked.inputs, connection, labels]
        return Draft(
            name=name,
            connection=asked.connection,
            held_by=HeldBy.SERVER,
            request=TaskRequest(
                task_type=asked.task_type,
                spec=asked.spec,
                inputs=asked.inputs,
                connection=connection,
                labels=labels,
                request_id=name.execution,
                digest=digest_of(given),
                memo=memo_of(template),
            ),
            # Flyte repeats what fails, as another attempt of its own.
            policy=Policy(
                max_attempts=1,
                run_deadline_s=_timeout_s(template.metadata.timeout.ToNanoseconds()),
                total_deadline_s=within_s,
            ),
        )

    async def _supersede(self, earlier: Sequence[Record | None], secrets: Mapping[str, Secret]) -> None:
        """Abort earlier attempts, durably and before the newer one is accepted. Flyte may never ask about them again,
        so that the newer one's secrets are those that they end with.
        """
        for record in earlier:
            if record is not None and not record.execution.phase.is_terminal:
                self._flyte.renew(record, secrets)
                await self._abort(record.name, _SUPERSEDED)
                self._leases.end(record.name)

    async def _abort(self, name: ExecutionName, message: str) -> None:
        try:
            await self._executions.abort(name, message=message, allow_missing=False)
        except (NoSuchExecution, AlreadyEnded):
            return


def _too_late() -> Refused:
    return Refused("SUPERSEDED", "a newer attempt of the same node is there already")


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
