"""Calls of the PoolService in few words, and a pool of the configuration."""

from __future__ import annotations

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from propwash.core.pool import PoolSpec, ProjectShare
from propwash.pb.v1 import pool_service_pb2 as pb
from propwash.ports import ExecutionName
from tests.api.api_world import World

CONFIGURED = PoolSpec(
    name="slots",
    capacity=12,
    share=ProjectShare(weight=2.0, limit=6),
    projects={"a": ProjectShare(weight=1.0, namespace_limit=3)},
    description="of the warehouse",
)


def world_of_pools() -> World:
    """A world whose configuration has a pool and a template."""
    made = World()
    made.pools.configure(CONFIGURED, PoolSpec(name="wh:*", capacity=4))
    return made


def name(number: int, project: str = "p") -> ExecutionName:
    return ExecutionName(project, "d", f"e{number}")


async def create(world: World, pool_id: str = "p", **fields: Any) -> pb.Pool:
    pool = pb.Pool(**{"capacity": 10, **fields})
    return await world.pool_stub.CreatePool(pb.CreatePoolRequest(pool_id=pool_id, pool=pool))


async def update(world: World, *paths: str, name: str = "pools/p", **fields: Any) -> pb.Pool:
    return await world.pool_stub.UpdatePool(changing(*paths, name=name, **fields))


def changing(*paths: str, name: str = "pools/p", **fields: Any) -> pb.UpdatePoolRequest:
    pool = pb.Pool(name=name, **fields)
    return pb.UpdatePoolRequest(pool=pool, update_mask=FieldMask(paths=paths))


async def get(world: World, name: str = "pools/p") -> pb.Pool:
    return await world.pool_stub.GetPool(pb.GetPoolRequest(name=name))
