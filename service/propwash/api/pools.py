"""PoolService: pools, seen and changed while the server runs."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeAlias, TypeVar

import grpc

from propwash.api.errors import ApiError, invalid
from propwash.api.names import check_pool, parse_pool, pool_resource
from propwash.api.paging import PAGE_BYTES, PageTokens, page_limit
from propwash.api.pool_messages import etag_of, forgotten, holder_message, pool_message, waiter_message
from propwash.api.pool_specs import changed, spec_of
from propwash.api.reasons import Reason
from propwash.pb.v1 import pool_service_pb2_grpc
from propwash.pb.v1.pool_service_pb2 import (
    CreatePoolRequest,
    DeletePoolRequest,
    GetPoolRequest,
    ListPoolHoldersRequest,
    ListPoolHoldersResponse,
    ListPoolsRequest,
    ListPoolsResponse,
    ListPoolWaitersRequest,
    ListPoolWaitersResponse,
    Pool,
    UpdatePoolRequest,
)
from propwash.ports import (
    ExecutionName,
    NoSuchPool,
    PoolConfigured,
    PoolConflict,
    PoolExists,
    PoolHolder,
    PoolInUse,
    Pools,
    PoolStatus,
    PoolWaiter,
)

_NEAR = 1000
"""How far from its old place the last of a page is looked for."""
_Context = grpc.aio.ServicerContext[Any, Any]
_User = TypeVar("_User", PoolHolder, PoolWaiter)
Permit: TypeAlias = Callable[[str, _Context], None]
"""Called with the method's name before a pool is changed; raises ApiError for a caller who is no operator."""


def anyone(method: str, context: _Context) -> None:
    """Permit every caller that the server lets in."""
    del method, context


class PoolService(pool_service_pb2_grpc.PoolServiceServicer):
    """Over the engine's pools. owner is the store's, for the page tokens."""

    def __init__(self, pools: Pools, owner: str, *, permit: Permit = anyone) -> None:
        self._pools = pools
        self._permit = permit
        # What is changed is based on what is read, and until it is durable others read what was before.
        self._changing = asyncio.Lock()
        self._pages = PageTokens(owner, "ListPools")
        self._holder_pages = PageTokens(owner, "ListPoolHolders")
        self._waiter_pages = PageTokens(owner, "ListPoolWaiters")

    async def CreatePool(self, request: CreatePoolRequest, context: _Context) -> Pool:  # noqa: N802  gRPC's name
        """Make a pool."""
        self._permit("CreatePool", context)
        name = check_pool(request.pool_id, "pool_id")
        if not request.HasField("pool"):
            raise invalid("pool", "is required", Reason.FIELD_REQUIRED)
        with _faults(name, "pool_id"):
            return pool_message(await self._pools.create(spec_of(name, request.pool)))

    async def GetPool(self, request: GetPoolRequest, _: _Context) -> Pool:  # noqa: N802  gRPC's name
        """Read one."""
        name = parse_pool(request.name)
        with _faults(name, "name"):
            return pool_message(self._pools.one(name))

    async def ListPools(self, request: ListPoolsRequest, _: _Context) -> ListPoolsResponse:  # noqa: N802  gRPC's name
        """Read a page, by name."""
        limit = page_limit(request.page_size)
        after = self._pages.open(request.page_token, "").decode() if request.page_token else ""
        left = [status for status in self._pools.all() if status.spec.name > after]
        answer, size = ListPoolsResponse(), 0
        for status in left[:limit]:
            message = pool_message(status, with_projects=False)
            size += message.ByteSize()
            if answer.pools and size > PAGE_BYTES:
                break
            answer.pools.append(message)
        if len(left) > len(answer.pools):
            last = left[len(answer.pools) - 1].spec.name
            answer.next_page_token = self._pages.seal(last.encode(), "")
        return answer

    async def UpdatePool(self, request: UpdatePoolRequest, context: _Context) -> Pool:  # noqa: N802  gRPC's name
        """Change the fields of a mask, without an etag on what whoever came before has made of the others."""
        self._permit("UpdatePool", context)
        if not request.HasField("pool"):
            raise invalid("pool", "is required", Reason.FIELD_REQUIRED)
        name, etag = parse_pool(request.pool.name, "pool.name"), request.pool.etag
        async with self._changing:
            with _faults(name, "pool.name", has_etag=bool(etag)):
                status = self._based_on(name, etag, "pool.name")
                spec = changed(status.spec, request)
                if status.view.is_removed:
                    raise _fault(Reason.POOL_REMOVED, name, "pool.name", "was removed: create it anew")
                return pool_message(await self._pools.update(spec, version=status.version))

    async def DeletePool(self, request: DeletePoolRequest, context: _Context) -> Pool:  # noqa: N802  gRPC's name
        """Remove a pool; one that is removed is answered as it is."""
        self._permit("DeletePool", context)
        name = parse_pool(request.name)
        async with self._changing:
            with _faults(name, "name", has_etag=bool(request.etag)):
                status = self._based_on(name, request.etag, "name")
                if status.view.is_removed:
                    return pool_message(status)
                version = status.version if request.etag else None
                left = await self._pools.remove(name, force=request.force, version=version)
                return forgotten(name) if left is None else pool_message(left)

    async def ListPoolHolders(  # noqa: N802  gRPC's name
        self, request: ListPoolHoldersRequest, _: _Context
    ) -> ListPoolHoldersResponse:
        """Read a page of holders, longest first."""
        name, limit = parse_pool(request.parent, "parent"), page_limit(request.page_size)
        with _faults(name, "parent"):
            holders = self._pools.holders(name)
        page, token = _page(holders, self._holder_pages, name, request.page_token, limit)
        return ListPoolHoldersResponse(
            holders=map(holder_message, page), next_page_token=token, total_size=len(holders)
        )

    async def ListPoolWaiters(  # noqa: N802  gRPC's name
        self, request: ListPoolWaitersRequest, _: _Context
    ) -> ListPoolWaitersResponse:
        """Read a page of waiters, next first."""
        name, limit = parse_pool(request.parent, "parent"), page_limit(request.page_size)
        with _faults(name, "parent"):
            waiters = self._pools.waiters(name)
        page, token = _page(waiters, self._waiter_pages, name, request.page_token, limit)
        return ListPoolWaitersResponse(
            waiters=map(waiter_message, page), next_page_token=token, total_size=len(waiters)
        )

    def _based_on(self, name: str, etag: str, path: str) -> PoolStatus:
        """The pool now; raises ApiError where it is not the one of the etag, if there is one."""
        status = self._pools.one(name)
        if etag and etag != etag_of(status):
            raise _mismatch(name, path)
        return status


def _page(
    users: Sequence[_User], tokens: PageTokens, pool: str, token: str, limit: int
) -> tuple[Sequence[_User], str]:
    """The page, and the token of the next one: after the last that was told, or where it stood if it has left."""
    start = 0
    if token:
        payload = tokens.open(token, pool)
        (end,) = struct.unpack(">Q", payload[:8])
        start = _after(users, ExecutionName(*payload[8:].decode().split("/")), end)
    page = users[start : start + limit]
    end = start + len(page)
    if not page or end >= len(users):
        return page, ""
    last = page[-1].name
    told = f"{last.project}/{last.domain}/{last.execution}"
    return page, tokens.seal(struct.pack(">Q", end) + told.encode(), pool)


def _after(users: Sequence[_User], last: ExecutionName, end: int) -> int:
    """Where the page after the last one begins. Who leaves moves the others up, so that it is looked for there first;
    and not in all of a long line, which takes time that others wait for.
    """
    end = min(end, len(users))
    before, behind = range(end - 1, max(-1, end - 1 - _NEAR), -1), range(end, min(len(users), end + _NEAR))
    return next((index + 1 for index in chain(before, behind) if users[index].name == last), end)


@contextmanager
def _faults(name: str, path: str, *, has_etag: bool = False) -> Iterator[None]:
    """What the port refuses, as ApiErrors that name the field at path."""
    try:
        yield
    except NoSuchPool as error:
        raise _fault(Reason.POOL_NOT_FOUND, name, path, "does not exist") from error
    except PoolExists as error:
        raise _fault(Reason.POOL_EXISTS, name, path, "exists") from error
    except PoolConflict as error:
        if has_etag:
            raise _mismatch(name, path) from error
        # One whose caller has left; what it makes of the pool is what this one is to be based on.
        raise _fault(Reason.POOL_CHANGING, name, path, "is being changed by somebody else") from error
    except PoolConfigured as error:
        said = "stands in the configuration, and is removed there"
        raise _fault(Reason.POOL_CONFIGURED, name, path, said) from error
    except PoolInUse as error:
        said = f"is held by {error.holders} executions, and {error.waiting} wait for it; force removes it"
        counts = {"holders": str(error.holders), "waiting": str(error.waiting)}
        raise _fault(Reason.POOL_IN_USE, name, path, said, **counts) from error


def _mismatch(name: str, path: str) -> ApiError:
    return _fault(Reason.ETAG_MISMATCH, name, path, "was changed since it was read; read it again")


def _fault(reason: Reason, name: str, path: str, said: str, **metadata: str) -> ApiError:
    resource = pool_resource(name)
    return ApiError(
        reason,
        f"{resource} {said}",
        metadata={"name": resource, "field": path, **metadata},
        resource=resource,
        resource_type="propwash.dev/Pool",
    )
