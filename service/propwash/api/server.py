"""The API server: the services, health and reflection on one port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from propwash.api.connections import ConnectionService
from propwash.api.credentials import server_credentials
from propwash.api.drafts import Drafter
from propwash.api.executions import ExecutionService
from propwash.api.feed import Feed
from propwash.api.handlers import HandlerService
from propwash.api.hinting import Admits, Hinting
from propwash.api.interceptors import Gate, Limits
from propwash.api.options import ApiInstrument, ApiOptions, CannotListen
from propwash.api.pools import Permit, PoolService, anyone
from propwash.api.reading import Reading
from propwash.api.reflection import add_reflection
from propwash.api.translate import Translator
from propwash.api.watching import Watching
from propwash.pb.v1 import (
    connection_service_pb2,
    connection_service_pb2_grpc,
    execution_service_pb2,
    execution_service_pb2_grpc,
    handler_service_pb2,
    handler_service_pb2_grpc,
    pool_service_pb2,
    pool_service_pb2_grpc,
)
from propwash.ports import ConnectionStatuses, Executions, FlyteTasks, Handlers, Pools, Store

AddService = Callable[[grpc.aio.Server], str]
"""Adds a service to the server and tells its full name."""
EXECUTION_SERVICE = execution_service_pb2.DESCRIPTOR.services_by_name["ExecutionService"].full_name
HANDLER_SERVICE = handler_service_pb2.DESCRIPTOR.services_by_name["HandlerService"].full_name
CONNECTION_SERVICE = connection_service_pb2.DESCRIPTOR.services_by_name["ConnectionService"].full_name
POOL_SERVICE = pool_service_pb2.DESCRIPTOR.services_by_name["PoolService"].full_name
FLYTE_STREAMS = (
    "/flyteidl.service.AsyncAgentService/GetTaskLogs",
    "/flyteidl.service.SyncAgentService/ExecuteTaskSync",
    "/flyteidl2.connector.AsyncConnectorService/GetTaskLogs",
)
FLYTE_METADATA = (
    "flyteidl.service.AgentMetadataService",
    "flyteidl2.connector.ConnectorMetadataService",
)
"""Answered as soon as the port is there: Flyte forgets the task types that it cannot list."""
_STATUS = {
    True: health_pb2.HealthCheckResponse.SERVING,
    False: health_pb2.HealthCheckResponse.NOT_SERVING,
}
_FLUSH_S = 0.25
"""What the last answers get to leave, and how long idle health watchers hold a stop up."""


class ApiServer:
    """Serves from an open store. start, begin_drain and stop are each called once, in this order."""

    def __init__(
        self,
        options: ApiOptions,
        *,
        store: Store,
        executions: Executions,
        handlers: Handlers,
        instrument: ApiInstrument,
        flyte: FlyteTasks | None = None,
        pools: Pools | None = None,
        permit: Permit = anyone,
        connections: ConnectionStatuses | None = None,
        admits_hint: Admits | None = None,
        services: Sequence[AddService] = (),
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    ) -> None:
        """flyte is offered by Flyte's protocol where its package is installed; pools and connections are served where
        they are given, and permit is asked before a pool is changed; admits_hint says who may hint, where not everybody
        may; services are served as well, behind the same gate; interceptors stand before it.
        """
        self._pools = pools
        self._permit = permit
        self._connections = connections
        self._admits_hint = admits_hint
        self._flyte = flyte
        self._options = options
        self._store = store
        self._executions = executions
        self._handlers = handlers
        self._instrument = instrument
        self._services = tuple(services)
        self._interceptors = tuple(interceptors)
        self._gate = Gate(_limits(options), instrument)
        self._health = health.aio.HealthServicer()
        self._feed = Feed(store, executions, ring=options.watch_ring, trouble=self._feed_trouble)
        self._server: grpc.aio.Server | None = None
        self._background: list[asyncio.Task[None]] = []
        self._served: tuple[str, ...] = ()

    async def start(self, *, is_ready: bool = True) -> int:
        """Serve; returns the bound port when calls are taken. Raises CannotListen with one clear line.

        Where the executions are not open yet, what reads is answered and Flyte's lists are, what writes is refused as
        UNAVAILABLE, and the health of all else is NOT_SERVING until ready is called.
        """
        server = grpc.aio.server(
            interceptors=(*self._interceptors, self._gate),
            options=channel_options(self._options),
            maximum_concurrent_rpcs=2 * self._options.max_concurrent_rpcs,
        )
        port = self._bind(server)
        names = [*self._add_own(server), *(add(server) for add in self._services)]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self._served = ("", *names)
        for name in self._served:
            is_serving = is_ready or name in FLYTE_METADATA
            await self._health.set(name, _STATUS[is_serving])
        if self._options.has_reflection:
            add_reflection(server, [*names, health.SERVICE_NAME])
        self._background.append(asyncio.create_task(self._feed.run(), name="api-feed"))
        await server.start()
        self._server = server
        return port

    async def ready(self) -> None:
        """The executions are open."""
        for name in self._served:
            await self._health.set(name, _STATUS[True])

    async def begin_drain(self) -> None:
        """Report NOT_SERVING, refuse new work, end watches and waits so that clients resume elsewhere."""
        self._gate.drain()
        self._feed.close()
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_s: float) -> None:
        """Drain, give calls in flight up to grace_s seconds, then close. May be called twice."""
        server, self._server = self._server, None
        if server is None:
            return
        await self.begin_drain()
        try:
            async with asyncio.timeout(grace_s):
                await self._gate.stop()
        except TimeoutError:
            self._instrument.trouble("api", "calls were still in flight when the grace was over")
        await server.stop(min(grace_s, _FLUSH_S))
        for task in self._background:
            task.cancel()
        await asyncio.wait(self._background)

    def _bind(self, server: grpc.aio.Server) -> int:
        options = self._options
        credentials = server_credentials(options.tls) if options.tls is not None else None
        try:
            if credentials is None:
                port = server.add_insecure_port(options.listen)
            else:
                port = server.add_secure_port(options.listen, credentials)
        except RuntimeError:
            port = 0
        if not port:
            raise CannotListen(
                f"cannot listen on {options.listen}: the port is taken, or the address is not ours"
            )
        return port

    def _add_own(self, server: grpc.aio.Server) -> list[str]:
        options, store, feed = self._options, self._store, self._feed
        translator = Translator(self._handlers, store.owner)
        reading = Reading(store, self._handlers, feed, poll_s=options.log_poll_s)
        executions = ExecutionService(
            store=store,
            executions=self._executions,
            handlers=self._handlers,
            feed=feed,
            drafter=Drafter(options.default_policy),
            translator=translator,
            watching=Watching(store, feed, translator.execution, bookmark_s=options.bookmark_s),
            reading=reading,
            hinting=Hinting(self._executions, admits=self._admits_hint),
        )
        execution_service_pb2_grpc.add_ExecutionServiceServicer_to_server(executions, server)
        catalogue = HandlerService(self._handlers, store.owner)
        handler_service_pb2_grpc.add_HandlerServiceServicer_to_server(catalogue, server)
        own = [EXECUTION_SERVICE, HANDLER_SERVICE]
        if self._pools is not None:
            pools = PoolService(self._pools, store.owner, permit=self._permit)
            pool_service_pb2_grpc.add_PoolServiceServicer_to_server(pools, server)
            own.append(POOL_SERVICE)
        if self._connections is not None:
            connections = ConnectionService(self._connections, store.owner)
            connection_service_pb2_grpc.add_ConnectionServiceServicer_to_server(connections, server)
            own.append(CONNECTION_SERVICE)
        return [*own, *self._add_flyte(server, translator, reading)]

    def _add_flyte(self, server: grpc.aio.Server, translator: Translator, reading: Reading) -> list[str]:
        if self._flyte is None:
            return []
        try:
            # Flyte's stubs are an extra: without them the native API serves alone.
            from propwash.api.flyte.serving import FlyteServing  # noqa: PLC0415
        except ImportError:
            return []
        serving = FlyteServing(
            self._options,
            store=self._store,
            executions=self._executions,
            flyte=self._flyte,
            instrument=self._instrument,
            translator=translator,
            feed=self._feed,
            reading=reading,
        )
        self._background.append(asyncio.create_task(serving.background(), name="flyte-leases"))
        return serving.add(server)

    def _feed_trouble(self, message: str) -> None:
        self._instrument.trouble("api-feed", message)


def channel_options(options: ApiOptions) -> list[tuple[str, int]]:
    """gRPC's own settings for these options."""
    settings = {
        "grpc.so_reuseport": 0,  # a second server on the port must fail, not share it
        "grpc.max_receive_message_length": options.max_message_bytes,
        "grpc.max_send_message_length": -1,
        "grpc.max_metadata_size": options.max_metadata_bytes,
        "grpc.absolute_max_metadata_size": options.max_metadata_bytes,
        "grpc.max_concurrent_streams": options.max_concurrent_streams,
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.http2.min_ping_interval_without_data_ms": round(options.min_ping_interval_s * 1000),
        "grpc.http2.max_pings_without_data": 0,
        "grpc.keepalive_timeout_ms": round(options.keepalive_timeout_s * 1000),
    }
    for name, seconds in (
        ("grpc.keepalive_time_ms", options.keepalive_s),
        ("grpc.max_connection_age_ms", options.max_connection_age_s),
        ("grpc.max_connection_idle_ms", options.max_connection_idle_s),
    ):
        if seconds:
            settings[name] = round(seconds * 1000)
    if options.max_connection_age_s:
        settings["grpc.max_connection_age_grace_ms"] = round(options.max_connection_age_grace_s * 1000)
    return list(settings.items())


def _limits(options: ApiOptions) -> Limits:
    path = f"/{EXECUTION_SERVICE}/"
    streams = (f"{path}WatchExecutions", f"{path}StreamLogs", *FLYTE_STREAMS)
    new_work = (f"{path}CreateExecution", f"{path}BatchCreateExecutions")
    wait = f"{path}WaitExecution"
    return Limits(
        max_concurrent=options.max_concurrent_rpcs,
        default_deadline_s=options.default_deadline_s,
        max_deadline_s=options.max_deadline_s,
        stream_stall_s=options.stream_stall_s,
        own_deadline=frozenset({wait}),
        streams=dict.fromkeys(streams, options.max_watch_streams),
        ends_with_drain=frozenset({*streams, *new_work, wait}),
    )
