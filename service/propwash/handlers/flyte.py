"""Asks the handlers what Flyte's templates mean, and finds the connection that a template describes.

A task type is a handler's own, or one that connections of a handler offer at this moment; the first goes before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from propwash.core.model import Done, Json
from propwash.handlers.checking import overrides
from propwash.handlers.connections import Connections
from propwash.handlers.derived import DerivedConnections, is_derived, known_settings
from propwash.handlers.offers import Offer, Offers
from propwash.handlers.registry import Registry, Served
from propwash.ports import NO_SECRETS, AdoptedJob, FieldFault, NotAccepting, Record, Refused, TaskRequest
from propwash.sdk import (
    Connection,
    FlyteDialect,
    FlyteDone,
    FlyteJob,
    FlyteOutputs,
    FlyteRelay,
    FlyteRequest,
    FlyteTask,
    FlyteType,
    Secret,
    TemplateError,
)

INVALID_TEMPLATE = "INVALID_TEMPLATE"
NEVER_BEGUN = "NEVER_BEGUN"
"""Of an adopted task that has no remote job, and never will have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answerer:
    """Who serves one of Flyte's task types."""

    served: Served
    dialect: FlyteDialect
    task_type: str
    """What the handler itself calls it."""
    offered: FlyteType | None = None
    """Where connections offer it, and not the handler on all of them."""
    connections: Collection[str] | None = None
    """Those that do."""

    @property
    def answers_within_s(self) -> float | None:
        is_sync = self.offered is None or self.offered.is_sync
        return self.served.handler.answers_within_s if is_sync else None

    def adopted(self, meta: Mapping[str, Json], raw: bytes) -> FlyteJob | None:
        match self.offered, self.dialect:
            case None, dialect:
                return dialect.adopted(meta)
            case offered, FlyteRelay() as relay:
                return relay.adopted_as_it_is(offered, raw)
            case _:
                return None


class FlyteHandlers:
    """See ports.FlyteTasks."""

    def __init__(
        self, registry: Registry, *, connections: Connections, derived: DerivedConnections, offers: Offers
    ) -> None:
        self._registry = registry
        self._connections = connections
        self._derived = derived
        self._offers = offers
        self._own = {
            task_type: _Answerer(served=one, dialect=one.handler.flyte, task_type=task_type)
            for task_type, one in registry.served.items()
            if one.handler.flyte is not None and not overrides(one.handler, "flyte_types")
        }

    def types(self) -> Sequence[FlyteType]:
        """See ports.FlyteTasks."""
        own = {
            name: FlyteType(name=name, is_sync=one.answers_within_s is not None)
            for name, one in self._own.items()
        }
        return tuple(one for _, one in sorted({**self._offers.types(), **own}.items()))

    def answers_within_s(self, task_type: str) -> float | None:
        """See ports.FlyteTasks."""
        found = self._found(task_type, project=None)
        return None if found is None else found.answers_within_s

    def is_passed_on(self, task_type: str) -> bool:
        """See ports.FlyteTasks."""
        found = self._found(task_type, project=None)
        return found is not None and found.offered is not None

    def request(
        self, task: FlyteTask, *, project: str, domain: str, secrets: Mapping[str, Secret] = NO_SECRETS
    ) -> TaskRequest:
        """See ports.FlyteTasks."""
        found = self._answerer(task.task_type, project=project, domain=domain)
        if found.offered is not None:
            task = replace(task, is_sync=found.offered.is_sync)
        try:
            wanted = found.dialect.request(task)
        except TemplateError as error:
            raise _refused(error) from error
        return self._request(found, wanted, (project, domain), secrets)

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
        raw: bytes,
        *,
        project: str,
        domain: str,
        secrets: Mapping[str, Secret] = NO_SECRETS,
    ) -> tuple[TaskRequest, AdoptedJob | None] | None:
        """See ports.FlyteTasks."""
        try:
            found = self._answerer(task_type, project=project, domain=domain)
        except Refused:
            return None
        try:
            job = found.adopted(meta, raw)
        except TemplateError as error:
            raise Refused(NEVER_BEGUN, str(error)) from error
        if job is None:
            return None
        request = self._request(found, job.request, (project, domain), secrets)
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

    def _answerer(self, task_type: str, *, project: str, domain: str) -> _Answerer:
        found = self._found(task_type, project=project, domain=domain)
        if found is not None:
            return found
        if silent := self._offers.silent():
            # A create that is refused fails for good, and who offers the task type may just not have said so.
            told = ", ".join(silent)
            raise NotAccepting(
                f"task type {task_type!r:.100} is not known yet: {told} did not say what is there"
            )
        known = ", ".join(one.name for one in self.types()) or "none"
        message = f"no handler serves Flyte's task type {task_type!r:.100}; served are: {known}"
        raise Refused("UNKNOWN_TASK_TYPE", message, faults=(FieldFault(path="type", message=message),))

    def _found(self, task_type: str, *, project: str | None, domain: str = "") -> _Answerer | None:
        """Who serves a task type; of several handlers whose connections offer it the first that has one for the
        project, or else the first.
        """
        if task_type in self._own:
            return self._own[task_type]
        if not (offers := self._offers.of(task_type)):
            return None
        admitted = [one for one in offers if project and self._admits(one, project, domain)]
        first = (admitted or offers)[0]
        return _Answerer(
            served=first.served,
            dialect=first.dialect,
            task_type=first.served.handler.task_types[0],
            offered=first.type,
            connections={one.connection for one in offers if one.served is first.served},
        )

    def _admits(self, offer: Offer, project: str, domain: str) -> bool:
        return self._connections.named(offer.served.plugin, offer.connection).admits(project, domain)

    def _request(
        self,
        found: _Answerer,
        wanted: FlyteRequest,
        scope: tuple[str, str],
        secrets: Mapping[str, Secret],
    ) -> TaskRequest:
        project, domain = scope
        served = found.served
        name = self._connection(found, wanted.account, project=project, domain=domain).name
        if secrets:
            configured = self._connections.named(served.plugin, name)
            try:
                name = self._derived.keep(served, configured, wanted.account, secrets, scope=scope)
            except TemplateError as error:
                raise _refused(error) from error
        return TaskRequest(task_type=found.task_type, spec=wanted.spec, inputs=wanted.inputs, connection=name)

    def _connection(
        self, found: _Answerer, account: Mapping[str, str], *, project: str, domain: str
    ) -> Connection:
        """The default connection where it fits, else the only one that does; raises Refused UNKNOWN_CONNECTION."""
        served = found.served
        usable = [
            one.connection for one in self._connections.of(served.plugin) if one.admits(project, domain)
        ]
        is_offering = found.connections
        fitting = [
            one for one in usable if _fits(one, account) and (is_offering is None or one.name in is_offering)
        ]
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
