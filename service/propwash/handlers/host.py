"""The host: implements ports.Handlers over the registry. Everything that a plugin does becomes a value
here.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from propwash.core.events import Deletion
from propwash.core.model import Fault, FaultKind, Link, Observation, RemoteName
from propwash.handlers import answers
from propwash.handlers.admission import Admitter
from propwash.handlers.calling import Caller
from propwash.handlers.checking import overrides
from propwash.handlers.connections import Connections
from propwash.handlers.derived import DerivedConnections
from propwash.handlers.desk import Desk, as_permanent, as_unavailable
from propwash.handlers.faults import nonsense
from propwash.handlers.flyte import FlyteHandlers
from propwash.handlers.inspection import Inspector
from propwash.handlers.offers import Offers
from propwash.handlers.options import HostOptions
from propwash.handlers.registry import Registry
from propwash.handlers.settings import INVALID, SettingFaults
from propwash.handlers.watchdog import Watchdog
from propwash.ports import Admission, Clock, HandlerInfo, Instrument, JobRequest, Refused, TaskRequest
from propwash.sdk import CallLimits, Job, ListedJob, LogPage, ResultPage


class HandlerHost:
    """Calls handlers; see ports.Handlers for what each method promises.

    start and close belong to the running loop; between them every method may be called at any time.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        connections: Connections,
        clock: Clock,
        instrument: Instrument,
        options: HostOptions | None = None,
    ) -> None:
        self._registry = registry
        self._connections = connections
        self._instrument = instrument
        self._options = options or HostOptions()
        self._watchdog = Watchdog(
            instrument=instrument, blocked_s=self._options.blocked_s, beat_s=self._options.beat_s
        )
        self._faults = faults = SettingFaults(registry, connections)
        derived = DerivedConnections(now=clock.now, forget=lambda *whose: self._desk.forget(*whose))
        self._admitter = Admitter(
            registry,
            connections=connections,
            faults=faults,
            watchdog=self._watchdog,
            instrument=instrument,
        )
        self._desk = Desk(
            self._admitter,
            connections=connections,
            derived=derived,
            faults=faults,
            callers={
                plugin: Caller(plugin, options=self._options, watchdog=self._watchdog, instrument=instrument)
                for plugin in {one.plugin for one in registry.handlers}
            },
            clock=clock,
            instrument=instrument,
            options=self._options,
        )
        self._offers = Offers(
            registry,
            connections=connections,
            faults=faults,
            desk=self._desk,
            clock=clock,
            instrument=instrument,
        )
        self.flyte = FlyteHandlers(registry, connections=connections, derived=derived, offers=self._offers)
        self.inspector = Inspector(registry, connections=connections, faults=faults, desk=self._desk)
        self._is_closed = False

    async def start(self) -> None:
        """Start the watchdog, say what is wrong with the configured connections, and begin to ask what they offer."""
        for one in self._registry.handlers:
            self._watchdog.know(one.plugin, one.root)
        for fault in self.inspector.faults():
            self._instrument.trouble("handlers", str(fault), connection=fault.connection)
        self._watchdog.start()
        self._offers.start()

    async def close(self) -> None:
        """Close every handler, each behind its deadline; may be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._offers.close()
        await self._desk.quiet()
        await asyncio.gather(*(self._desk.close(one) for one in self._registry.handlers))
        for caller in self._desk.callers.values():
            caller.close()
        self._watchdog.stop()

    @property
    def abandoned(self) -> Mapping[str, int]:
        """By plugin, the calls that were given up and have not ended yet."""
        return {plugin: caller.abandoned for plugin, caller in self._desk.callers.items()}

    def catalogue(self) -> Sequence[HandlerInfo]:
        """See ports.Handlers."""
        return self._registry.infos

    def admit(self, request: TaskRequest, *, project: str, domain: str) -> Admission:
        """See ports.Handlers."""
        return self._admitter.admit(request, project=project, domain=domain)

    def connections(self) -> Sequence[tuple[str, str]]:
        """See ports.Handlers. Settings that a handler does not take have led to no job of its own."""
        return tuple(
            (one.handler.task_types[0], configured.connection.name)
            for one in self._registry.handlers
            for configured in self._connections.of(one.plugin)
            if not self._faults.of(one, configured.connection.name)
        )

    def batch_size(self, task_type: str) -> int:
        """See ports.Handlers; 1 for a task type that is not served."""
        served = self._registry.served.get(task_type)
        return 1 if served is None else served.handler.batch_size

    def is_batched(self, task_type: str) -> bool:
        """See ports.Handlers; True for a task type that is not served, as nothing is then called."""
        served = self._registry.served.get(task_type)
        return served is None or overrides(served.handler, "get")

    def limits(self, task_type: str, connection: str) -> CallLimits:
        """See ports.Handlers."""
        served = self._registry.served.get(task_type)
        if served is None:
            return CallLimits()
        own = served.handler.limits
        try:
            given = self._connections.named(served.plugin, connection).limits
        except Refused:
            return own
        return CallLimits(
            reads=given.reads or own.reads,
            writes=given.writes or own.writes,
            deletes=given.deletes or own.deletes,
        )

    def endpoint(self, task_type: str, connection: str) -> str:
        """See ports.Handlers; empty for what is not served or not configured."""
        served = self._registry.served.get(task_type)
        try:
            return "" if served is None else self._connections.named(served.plugin, connection).shown_endpoint
        except Refused:
            return ""

    def handler_key(self, task_type: str) -> str:
        """See ports.Handlers; the task type itself where it is not served."""
        served = self._registry.served.get(task_type)
        return task_type if served is None else served.key

    def links(self, request: TaskRequest, *, connection: str, name: RemoteName) -> Sequence[Link]:
        """See ports.Handlers."""
        return self._admitter.links(request, connection=connection, name=name)

    async def validate(self, job: JobRequest) -> Fault | None:
        """See ports.Handlers."""
        target = self._desk.target(job.request.task_type, job.connection)
        if isinstance(target, Fault):
            # Who asks for a dry run is told that the connection is broken; an execution would wait until it is mended.
            return replace(target, kind=FaultKind.PERMANENT) if target.reason == INVALID else target
        if not overrides(target.served.handler, "validate"):
            return None
        request = self._desk.create_request(target, job)
        if isinstance(request, Fault):
            return request
        return await self._desk.ask(
            target,
            "validate",
            target.served.handler.validate,
            request,
            check=answers.nothing,
            missing=as_permanent,
        )

    async def create(self, job: JobRequest) -> Job | Fault:
        """See ports.Handlers."""
        target = self._desk.target(job.request.task_type, job.connection)
        if isinstance(target, Fault):
            return target
        request = self._desk.create_request(target, job)
        if isinstance(request, Fault):
            return request
        return await self._desk.ask(
            target,
            "create",
            target.served.handler.create,
            request,
            check=functools.partial(answers.job, meta_limit=target.served.handler.meta_limit),
            missing=lambda _: nonsense("create raised NotFound, which says nothing of whether it made a job"),
        )

    async def get(
        self, task_type: str, connection: str, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Fault | None]:
        """See ports.Handlers."""
        target = self._desk.target(task_type, connection)
        if isinstance(target, Fault):
            return dict.fromkeys(metas, target)
        wanted = tuple(dict.fromkeys(metas))
        if not overrides(target.served.handler, "get"):
            return await self._desk.get_each(target, wanted)
        size = target.served.handler.batch_size
        batches = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        seen: dict[bytes, Observation | Fault | None] = {}
        for part in await asyncio.gather(*(self._desk.get_batch(target, batch) for batch in batches)):
            seen.update(part)
        return seen

    async def find(
        self, task_type: str, connection: str, name: RemoteName, hint: bytes
    ) -> Job | Fault | None:
        """See ports.Handlers."""
        target = self._desk.target(task_type, connection)
        if isinstance(target, Fault):
            return target
        handler = target.served.handler
        check = functools.partial(answers.found, meta_limit=handler.meta_limit)
        return await self._desk.ask(
            target, "find", handler.find, target.connection, name, hint, check=check, missing=lambda _: None
        )

    async def delete(
        self, task_type: str, connection: str, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion | Fault:
        """See ports.Handlers."""
        return await self._desk.delete(task_type, connection, name, meta, hint)

    async def list(self, task_type: str, connection: str, owner: str) -> Sequence[ListedJob] | Fault:
        """See ports.Handlers."""
        target = self._desk.target(task_type, connection)
        if isinstance(target, Fault):
            return target
        handler = target.served.handler
        check = functools.partial(answers.listed, meta_limit=handler.meta_limit)
        return await self._desk.ask(
            target, "list", handler.list, target.connection, owner, check=check, missing=as_unavailable
        )

    async def logs(self, task_type: str, connection: str, meta: bytes, cursor: str) -> LogPage | Fault | None:
        """See ports.Handlers."""
        target = self._desk.target(task_type, connection)
        if isinstance(target, Fault) or not overrides(target.served.handler, "logs"):
            return target if isinstance(target, Fault) else None
        method = target.served.handler.logs
        return await self._desk.ask(
            target,
            "logs",
            method,
            target.connection,
            meta,
            cursor,
            check=answers.log_page,
            missing=as_permanent,
        )

    async def results(
        self, task_type: str, connection: str, meta: bytes, cursor: str, limit: int
    ) -> ResultPage | Fault | None:
        """See ports.Handlers."""
        target = self._desk.target(task_type, connection)
        if isinstance(target, Fault) or not overrides(target.served.handler, "results"):
            return target if isinstance(target, Fault) else None
        method = target.served.handler.results
        return await self._desk.ask(
            target,
            "results",
            method,
            target.connection,
            meta,
            cursor,
            limit,
            check=answers.result_page,
            missing=as_permanent,
        )
