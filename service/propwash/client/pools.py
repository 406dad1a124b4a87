"""The client's methods for pools."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from types import MappingProxyType

from propwash.client.calling import Caller
from propwash.client.errors import ClientError
from propwash.client.pool_model import Pool, PoolHolder, PoolWaiter, ProjectShare
from propwash.client.pool_translate import from_holder, from_pool, from_waiter, holds, to_pool
from propwash.pb.v1 import pool_service_pb2 as pb
from propwash.pb.v1 import pool_service_pb2_grpc

_PAGE_SIZE = 1000
_NO_PROJECTS: Mapping[str, ProjectShare] = MappingProxyType({})


class PoolCalls:
    """A part of the client. A pool is named by its last part or by its resource name, pools/{pool}."""

    _caller: Caller
    _pools: pool_service_pb2_grpc.PoolServiceAsyncStub

    async def pools(self) -> tuple[Pool, ...]:
        """Every pool and template, by name, without what each project has."""
        request = pb.ListPoolsRequest(page_size=_PAGE_SIZE)
        found: tuple[Pool, ...] = ()
        while True:
            answer = await self._caller.call(self._pools.ListPools, request)
            found += tuple(map(from_pool, answer.pools))
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token

    async def pool(self, name: str) -> Pool:
        """One pool, with what each project has of it."""
        return from_pool(
            await self._caller.call(self._pools.GetPool, pb.GetPoolRequest(name=pool_name(name)))
        )

    async def create_pool(
        self,
        name: str,
        *,
        capacity: int,
        default_share: ProjectShare = ProjectShare(),  # noqa: B008  frozen
        projects: Mapping[str, ProjectShare] = _NO_PROJECTS,
        description: str = "",
    ) -> Pool:
        """Make a pool, or a template where the name ends with an asterisk. The answer is durable."""
        pool = to_pool(
            capacity=capacity, default_share=default_share, projects=projects, description=description
        )
        request = pb.CreatePoolRequest(pool_id=pool_name(name).removeprefix("pools/"), pool=pool)
        try:
            return from_pool(await self._caller.call(self._pools.CreatePool, request))
        except ClientError as error:
            if error.reason == "POOL_EXISTS" and error.is_repeat:
                # The try whose answer was lost may have made it.
                made = await self.pool(name)
                if holds(made, pool, _FIELDS):
                    return made
            raise

    async def update_pool(
        self,
        name: str,
        *,
        capacity: int | None = None,
        default_share: ProjectShare | None = None,
        projects: Mapping[str, ProjectShare] | None = None,
        description: str | None = None,
        mask: Sequence[str] = (),
        etag: str = "",
    ) -> Pool:
        """Change the fields that are given, or those of the mask, such as default_share.limit or projects.PROJECT; one
        that the mask names and that is not given gets its default. The answer is durable.

        With an etag of an earlier answer the change is refused as ABORTED where the pool was changed since.
        """
        given = {
            "capacity": capacity,
            "default_share": default_share,
            "projects": projects,
            "description": description,
        }
        paths = tuple(mask) or tuple(field for field, value in given.items() if value is not None)
        pool = to_pool(
            capacity=capacity,
            default_share=default_share,
            projects=projects or {},
            description=description or "",
        )
        pool.name, pool.etag = pool_name(name), etag
        request = pb.UpdatePoolRequest(pool=pool)
        request.update_mask.paths.extend(paths)
        try:
            return from_pool(await self._caller.call(self._pools.UpdatePool, request))
        except ClientError as error:
            if error.reason == "ETAG_MISMATCH" and error.is_repeat:
                changed = await self.pool(name)
                if holds(changed, pool, paths):
                    return changed
            raise

    async def delete_pool(self, name: str, *, etag: str = "", force: bool = False) -> Pool:
        """Remove a pool; with force also one that is in use. Answers what is left of it: its name and the state REMOVED
        where that is nothing.
        """
        request = pb.DeletePoolRequest(name=pool_name(name), etag=etag, force=force)
        try:
            return from_pool(await self._caller.call(self._pools.DeletePool, request))
        except ClientError as error:
            if error.reason == "POOL_NOT_FOUND" and error.is_repeat:
                return from_pool(pb.Pool(name=request.name, state=pb.POOL_STATE_REMOVED))
            raise

    async def pool_holders(self, name: str, *, page_size: int = 0) -> AsyncGenerator[PoolHolder, None]:
        """Every execution that holds units, longest first, read page by page while they come and go."""
        request = pb.ListPoolHoldersRequest(parent=pool_name(name), page_size=page_size)
        while True:
            answer = await self._caller.call(self._pools.ListPoolHolders, request)
            for message in answer.holders:
                yield from_holder(message)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    async def pool_waiters(self, name: str, *, page_size: int = 0) -> AsyncGenerator[PoolWaiter, None]:
        """Every execution that waits, next first, read page by page while they come and go."""
        request = pb.ListPoolWaitersRequest(parent=pool_name(name), page_size=page_size)
        while True:
            answer = await self._caller.call(self._pools.ListPoolWaiters, request)
            for message in answer.waiters:
                yield from_waiter(message)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token


_FIELDS = ("capacity", "default_share", "projects", "description")


def pool_name(pool: str) -> str:
    """The resource name of a pool, by its last part or by itself."""
    return pool if pool.startswith("pools/") else f"pools/{pool}"
