"""A small honest server of the native API on a real port, which can be stopped and started again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from propwash.client import Backoff
from propwash.pb.v1 import (
    execution_service_pb2_grpc,
    handler_service_pb2,
    handler_service_pb2_grpc,
    pool_service_pb2_grpc,
)
from tests.client.fake_pools import Pools
from tests.client.fake_services import Executions, World, refuse

__all__ = ["QUICK", "FakeServer", "World"]
QUICK = Backoff(first_s=0.001, longest_s=0.01)
"""Repetitions at once."""


class Handlers(handler_service_pb2_grpc.HandlerServiceServicer):
    """HandlerService with one handler."""

    def ListHandlers(
        self, request: handler_service_pb2.ListHandlersRequest, context: grpc.ServicerContext
    ) -> handler_service_pb2.ListHandlersResponse:
        del request, context
        return handler_service_pb2.ListHandlersResponse(handlers=[_handler()])

    def GetHandler(
        self, request: handler_service_pb2.GetHandlerRequest, context: grpc.ServicerContext
    ) -> handler_service_pb2.Handler:
        if request.name != "handlers/query":
            refuse(context, grpc.StatusCode.NOT_FOUND, "HANDLER_NOT_FOUND", f"there is no {request.name}")
        handler = _handler()
        handler.spec_schema = '{"type": "object"}'
        return handler


def _handler() -> handler_service_pb2.Handler:
    return handler_service_pb2.Handler(
        name="handlers/query",
        task_type="query",
        plugin="fake",
        distribution="fake 1",
        description="Runs queries.",
        state=handler_service_pb2.HANDLER_STATE_SERVING,
    )


class FakeServer:
    """Serves a world on one port, and can be stopped and started again on it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pools = Pools(world)
        self.port = 0
        self._server: grpc.Server
        self._stopping: threading.Event
        self._threads: ThreadPoolExecutor

    @property
    def target(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, on the port of before."""
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(16)
        self._server = grpc.server(self._threads, options=[("grpc.so_reuseport", 0)])
        executions = Executions(self.world, self._stopping)
        execution_service_pb2_grpc.add_ExecutionServiceServicer_to_server(executions, self._server)
        handler_service_pb2_grpc.add_HandlerServiceServicer_to_server(Handlers(), self._server)
        pool_service_pb2_grpc.add_PoolServiceServicer_to_server(self.pools, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        """End every call and stop."""
        self._stopping.set()
        with self.world.moved:
            self.world.moved.notify_all()
        self._server.stop(0.5).wait()
        self._threads.shutdown()
