"""Asks the handlers what Flyte's templates mean, and finds the connection that a template describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from propwash.core.model import Done, Json
from propwash.handlers.connections import Connections
from propwash.handlers.derived import DerivedConnections, is_derived, known_settings
from propwash.handlers.registry import Registry, Served
from propwash.ports import NO_SECRETS, AdoptedJob, FieldFault, Record, Refused, TaskRequest
from propwash.sdk import (
    Connection,
    FlyteDialect,
    FlyteDone,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    FlyteType,
    Secret,
    TemplateError,
)

INVALID_TEMPLATE = "INVALID_TEMPLATE"
NEVER_BEGUN = "NEVER_BEGUN"
"""Of an adopted task that has no remote job, and never will have one."""


class FlyteHandlers:
    """See ports.FlyteTasks."""

    def __init__(self, registry: Registry, *, connections: Connections, derived: DerivedConnections) -> None:
        self._registry = registry
        self._connections = connections
        self._derived = derived

    def types(self) -> Sequence[FlyteType]:
        """See ports.FlyteTasks."""
        return tuple(
            FlyteType(name=task_type, is_sync=one.handler.answers_within_s is not None)
            for task_type, one in sorted(self._registry.served.items())
            if one.handler.flyte is not None
        )

    def answers_within_s(self, task_type: str) -> float | None:
        """See ports.FlyteTasks."""
        served = self._registry.served.get(task_type)
        return None if served is None or served.handler.flyte is None else served.handler.answers_within_s

    def request(
        self, task: FlyteTask, *, project: str, domain: str, secrets: Mapping[str, Secret] = NO_SECRETS
    ) -> TaskRequest:
        """See ports.FlyteTasks."""
        served, dialect = self._dialect(task.task_type)
        try:
            wanted = dialect.request(task)
        except TemplateError as error:
            raise _refused(error) from error
        return self._request(served, task.task_type, wanted, (project, domain), secrets)

    def renew(self, record: Record, secrets: Mapping[str, Secret]) -> None:
        """See ports.FlyteTasks."""
        execution = record.execution
        served = self._registry.served.get(record.request.task_type)
        name = execution.plan.connection
        if secrets and served is not None and is_derived(name) and not execution.phase.is_terminal:
            self._derived.renew(served, name, secrets)

    def adopted(
        self,
        task_type: str,
        meta: Mapping[str, Json],
        *,
        project: str,
        domain: str,
        secrets: Mapping[str, Secret] = NO_SECRETS,
    ) -> tuple[TaskRequest, AdoptedJob | None] | None:
        """See ports.FlyteTasks."""
        try:
            served, dialect = self._dialect(task_type)
        except Refused:
            return None
        try:
            job = dialect.adopted(meta)
        except TemplateError as error:
            raise Refused(NEVER_BEGUN, str(error)) from error
        if job is None:
            return None
        request = self._request(served, task_type, job.request, (project, domain), secrets)
        return request, None if job.meta is None else AdoptedJob(meta=job.meta, links=job.links)

    def outputs(self, record: Record, *, is_v2: bool) -> FlyteOutputs:
        """See ports.FlyteTasks."""
        execution, state = record.execution, record.execution.state
        served = self._registry.served.get(record.request.task_type)
        if not isinstance(state, Done) or served is None or served.handler.flyte is None:
            return {}
        try:
            name = execution.plan.connection
            at = self._connections.named(served.plugin, name)
            settings: Mapping[str, object] = known_settings(at.connection, name)
        except Refused:
            settings = {}
        done = FlyteDone(
            outputs=state.outcome.outputs,
            spec=record.request.spec,
            settings=settings,  # type: ignore[arg-type]  # JSON by the configuration's own check
            is_v2=is_v2,
        )
        return served.handler.flyte.outputs(done)

    def _dialect(self, task_type: str) -> tuple[Served, FlyteDialect]:
        served = self._registry.served.get(task_type)
        if served is None or served.handler.flyte is None:
            known = ", ".join(one.name for one in self.types()) or "none"
            message = f"no handler serves Flyte's task type {task_type!r:.100}; served are: {known}"
            raise Refused("UNKNOWN_TASK_TYPE", message, faults=(FieldFault(path="type", message=message),))
        return served, served.handler.flyte

    def _request(
        self,
        served: Served,
        task_type: str,
        wanted: FlyteRequest,
        scope: tuple[str, str],
        secrets: Mapping[str, Secret],
    ) -> TaskRequest:
        project, domain = scope
        name = self._connection(served, wanted.account, project=project, domain=domain).name
        if secrets:
            configured = self._connections.named(served.plugin, name)
            try:
                name = self._derived.keep(served, configured, wanted.account, secrets, scope=scope)
            except TemplateError as error:
                raise _refused(error) from error
        return TaskRequest(task_type=task_type, spec=wanted.spec, inputs=wanted.inputs, connection=name)

    def _connection(
        self, served: Served, account: Mapping[str, str], *, project: str, domain: str
    ) -> Connection:
        """The default connection where it fits, else the only one that does; raises Refused UNKNOWN_CONNECTION."""
        usable = [
            one.connection for one in self._connections.of(served.plugin) if one.admits(project, domain)
        ]
        fitting = [one for one in usable if _fits(one, account)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            default = self._connections.pick(served.plugin, "", project=project, domain=domain)
            if default in fitting:
                return default
        wanted = " and ".join(f"{name} {value}" for name, value in account.items()) or "this project"
        message = f"{len(fitting) or 'no'} connections of plugin {served.plugin} are for {wanted}"
        raise Refused("UNKNOWN_CONNECTION", message, faults=(FieldFault(path="connection", message=message),))


def _refused(error: TemplateError) -> Refused:
    path, _, message = str(error).partition(": ")
    fault = FieldFault(path=f"template.{path}", message=message)
    return Refused(INVALID_TEMPLATE, str(error), faults=(fault,))


def _fits(connection: Connection, account: Mapping[str, str]) -> bool:
    for name, value in account.items():
        has = connection.settings.get(name)
        if has and _plain(str(has)) != _plain(value):
            return False
    return True


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
