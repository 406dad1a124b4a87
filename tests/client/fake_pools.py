"""PoolService over the fake server's world: definitions that are changed, users that the test puts there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from propwash.pb.v1 import pool_service_pb2 as pb
from propwash.pb.v1 import pool_service_pb2_grpc
from tests.client.fake_services import World, refuse

_Context = grpc.ServicerContext


@dataclass
class Pools(pool_service_pb2_grpc.PoolServiceServicer):
    """Keeps what it is given; masks are of whole fields, default_share's fields and projects."""

    world: World
    pools: dict[str, pb.Pool] = field(default_factory=dict)
    held: dict[str, list[pb.PoolHolder]] = field(default_factory=dict)
    wanted: dict[str, list[pb.PoolWaiter]] = field(default_factory=dict)
    _etags: int = 0

    def _begin(self, method: str, request: object, context: _Context) -> None:
        self.world.calls.append((method, request))  # type: ignore[arg-type]  # every request is a message
        if self.world.refusals:
            context.abort(self.world.refusals.popleft(), "told to refuse")

    def _end(self, pool: pb.Pool, context: _Context) -> pb.Pool:
        if self.world.lost_answers:
            self.world.lost_answers -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return pool

    def _found(self, name: str, context: _Context, etag: str = "") -> pb.Pool:
        if name not in self.pools:
            refuse(context, grpc.StatusCode.NOT_FOUND, "POOL_NOT_FOUND", f"{name} does not exist")
        if etag and etag != self.pools[name].etag:
            refuse(context, grpc.StatusCode.ABORTED, "ETAG_MISMATCH", f"{name} was changed")
        return self.pools[name]

    def put(self, pool: pb.Pool) -> pb.Pool:
        """Store a definition."""
        self._etags += 1
        pool.etag = str(self._etags)
        pool.state = pb.POOL_STATE_ACTIVE
        pool.free = max(0, pool.capacity - pool.occupied)
        self.pools[pool.name] = pool
        return pool

    def CreatePool(self, request: pb.CreatePoolRequest, context: _Context) -> pb.Pool:
        self._begin("create_pool", request, context)
        name = f"pools/{request.pool_id}"
        if name in self.pools:
            refuse(context, grpc.StatusCode.ALREADY_EXISTS, "POOL_EXISTS", f"{name} exists")
        made = pb.Pool(name=name, origin=pb.POOL_ORIGIN_CREATED)
        made.MergeFrom(request.pool)
        return self._end(self.put(made), context)

    def GetPool(self, request: pb.GetPoolRequest, context: _Context) -> pb.Pool:
        self._begin("get_pool", request, context)
        return self._found(request.name, context)

    def ListPools(self, request: pb.ListPoolsRequest, context: _Context) -> pb.ListPoolsResponse:
        self._begin("list_pools", request, context)
        pools = [pool for _, pool in sorted(self.pools.items())]
        page, token = _page(pools, request.page_token)
        return pb.ListPoolsResponse(pools=page, next_page_token=token)

    def UpdatePool(self, request: pb.UpdatePoolRequest, context: _Context) -> pb.Pool:
        self._begin("update_pool", request, context)
        changed = pb.Pool()
        changed.CopyFrom(self._found(request.pool.name, context, request.pool.etag))
        for path in request.update_mask.paths:
            _change(changed, request.pool, path)
        return self._end(self.put(changed), context)

    def DeletePool(self, request: pb.DeletePoolRequest, context: _Context) -> pb.Pool:
        self._begin("delete_pool", request, context)
        pool = self._found(request.name, context, request.etag)
        if not pool.holders and not pool.waiting:
            del self.pools[request.name]
            return self._end(pb.Pool(name=request.name, state=pb.POOL_STATE_REMOVED), context)
        if not request.force:
            refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "POOL_IN_USE", f"{request.name} is held")
        pool.state = pb.POOL_STATE_REMOVED
        return self._end(pool, context)

    def ListPoolHolders(
        self, request: pb.ListPoolHoldersRequest, context: _Context
    ) -> pb.ListPoolHoldersResponse:
        self._begin("list_holders", request, context)
        self._found(request.parent, context)
        page, token = _page(self.held.get(request.parent, []), request.page_token)
        return pb.ListPoolHoldersResponse(holders=page, next_page_token=token)

    def ListPoolWaiters(
        self, request: pb.ListPoolWaitersRequest, context: _Context
    ) -> pb.ListPoolWaitersResponse:
        self._begin("list_waiters", request, context)
        self._found(request.parent, context)
        page, token = _page(self.wanted.get(request.parent, []), request.page_token)
        return pb.ListPoolWaitersResponse(waiters=page, next_page_token=token)


def _page(items: list, token: str, size: int = 2) -> tuple[list, str]:  # type: ignore[type-arg]  # of any messages
    start = int(token or 0)
    return items[start : start + size], str(start + size) if start + size < len(items) else ""


def _change(pool: pb.Pool, given: pb.Pool, path: str) -> None:
    name, _, below = path.partition(".")
    change: dict[str, Callable[[], object]] = {
        "capacity": lambda: setattr(pool, "capacity", given.capacity),
        "description": lambda: setattr(pool, "description", given.description),
    }
    if name in change:
        change[name]()
    elif name == "projects":
        for project in (below,) if below else {*pool.projects, *given.projects}:
            pool.projects.pop(project, None)
            if project in given.projects:
                pool.projects[project].CopyFrom(given.projects[project])
    elif not below:
        pool.default_share.CopyFrom(given.default_share)
    elif given.default_share.HasField(below):  # type: ignore[arg-type]  # one of its fields
        setattr(pool.default_share, below, getattr(given.default_share, below))
    else:
        pool.default_share.ClearField(below)  # type: ignore[arg-type]  # the same
