"""Asks the handlers what Flyte's templates mean, and finds the connection that a template describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from propwash.core.model import Done
from propwash.handlers.connections import Connections
from propwash.handlers.registry import Registry, Served
from propwash.ports import FieldFault, Record, Refused, TaskRequest
from propwash.sdk import Connection, FlyteDone, FlyteTask, TemplateError

INVALID_TEMPLATE = "INVALID_TEMPLATE"


class FlyteHandlers:
    """See ports.FlyteTasks."""

    def __init__(self, registry: Registry, *, connections: Connections) -> None:
        self._registry = registry
        self._connections = connections

    def task_types(self) -> Sequence[str]:
        """See ports.FlyteTasks."""
        served = self._registry.served.items()
        return tuple(sorted(task_type for task_type, one in served if one.handler.flyte is not None))

    def request(self, task: FlyteTask, *, project: str, domain: str) -> TaskRequest:
        """See ports.FlyteTasks."""
        served = self._registry.served.get(task.task_type)
        if served is None or served.handler.flyte is None:
            known = ", ".join(self.task_types()) or "none"
            message = f"no handler serves Flyte's task type {task.task_type!r:.100}; served are: {known}"
            raise Refused("UNKNOWN_TASK_TYPE", message, faults=(FieldFault(path="type", message=message),))
        try:
            wanted = served.handler.flyte.request(task)
        except TemplateError as error:
            path, _, message = str(error).partition(": ")
            fault = FieldFault(path=f"template.{path}", message=message)
            raise Refused(INVALID_TEMPLATE, str(error), faults=(fault,)) from error
        connection = self._connection(served, wanted.account, project=project, domain=domain)
        return TaskRequest(
            task_type=task.task_type, spec=wanted.spec, inputs=wanted.inputs, connection=connection.name
        )

    def results(self, record: Record, *, is_v2: bool) -> str:
        """See ports.FlyteTasks."""
        execution, state = record.execution, record.execution.state
        served = self._registry.served.get(record.request.task_type)
        if not isinstance(state, Done) or served is None or served.handler.flyte is None:
            return ""
        try:
            at = self._connections.named(served.plugin, execution.plan.connection)
            settings: Mapping[str, object] = at.connection.settings
        except Refused:
            settings = {}
        done = FlyteDone(
            outputs=state.outcome.outputs,
            spec=record.request.spec,
            settings=settings,  # type: ignore[arg-type]  # JSON by the configuration's own check
            is_v2=is_v2,
        )
        return served.handler.flyte.results(done)

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


def _fits(connection: Connection, account: Mapping[str, str]) -> bool:
    for name, value in account.items():
        has = connection.settings.get(name)
        if has and _plain(str(has)) != _plain(value):
            return False
    return True


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
