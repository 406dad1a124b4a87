"""Every refused input of pools has its documented code, reason and field, and changes nothing."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from propwash.api.names import is_pool
from propwash.pb.v1 import pool_service_pb2 as pb
from tests.api.api_world import World, create, refused

Share = pb.ProjectShare


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World().serving() as made:
        await made.pool_stub.CreatePool(making())
        yield made


def making(pool_id: str = "p", *, capacity: int = 1, **fields: object) -> pb.CreatePoolRequest:
    """A request to create; valid unless the test makes it otherwise."""
    pool = pb.Pool(capacity=capacity, **fields)  # type: ignore[arg-type]  # a test's own
    return pb.CreatePoolRequest(pool_id=pool_id, pool=pool)


def changing(*paths: str, name: str = "pools/p", **fields: object) -> pb.UpdatePoolRequest:
    """A request to update."""
    pool = pb.Pool(name=name, **fields)  # type: ignore[arg-type]  # a test's own
    return pb.UpdatePoolRequest(pool=pool, update_mask=FieldMask(paths=paths))


MANY = {f"p{number}": Share() for number in range(1001)}


@pytest.mark.parametrize(
    ("reason", "path", "request_"),
    [
        ("FIELD_REQUIRED", "pool_id", making("")),
        *(
            ("NAME_MALFORMED", "pool_id", making(name))
            for name in ("a b", "a/b", "*a", "a**", "ä", "a\n", "x" * 201, "x" * 200 + "*", "a,b", "'")
        ),
        ("FIELD_REQUIRED", "pool", pb.CreatePoolRequest(pool_id="q")),
        ("FIELD_REQUIRED", "pool.capacity", pb.CreatePoolRequest(pool_id="q", pool=pb.Pool(description="d"))),
        ("FIELD_INVALID", "pool.capacity", making("q", capacity=-1)),
        ("FIELD_INVALID", "pool.capacity", making("q", capacity=10**9 + 1)),
        *(
            ("FIELD_INVALID", "pool.default_share.weight", making("q", default_share=Share(weight=weight)))
            for weight in (-0.1, math.nan, math.inf, -math.inf, 1e6 + 1)
        ),
        ("FIELD_INVALID", "pool.default_share.limit", making("q", default_share=Share(limit=-1))),
        (
            "FIELD_INVALID",
            "pool.default_share.namespace_limit",
            making("q", default_share=Share(namespace_limit=2**62)),
        ),
        (
            "FIELD_INVALID",
            "pool.projects.a.limit",
            making("q", projects={"b": Share(), "a": Share(limit=-1)}),
        ),
        ("FIELD_INVALID", "pool.projects.a.weight", making("q", projects={"a": Share(weight=math.nan)})),
        ("NAME_MALFORMED", "pool.projects.A", making("q", projects={"A": Share()})),
        ("NAME_MALFORMED", "pool.projects.", making("q", projects={"": Share()})),
        ("NAME_MALFORMED", "pool.projects." + "x" * 63, making("q", projects={"x" * 64: Share()})),
        ("FIELD_INVALID", "pool.projects", making("q", projects=MANY)),
        ("FIELD_INVALID", "pool.description", making("q", description="x" * 1025)),
        ("POOL_EXISTS", None, making("p")),
    ],
)
async def test_create(world: World, reason: str, path: str | None, request_: pb.CreatePoolRequest) -> None:
    refusal = await refused(world.pool_stub.CreatePool(request_))
    assert refusal.reason == reason
    assert refusal.code == ("ALREADY_EXISTS" if path is None else "INVALID_ARGUMENT")
    assert refusal.fields == (() if path is None else (path,))
    assert list(world.pools.stored) == ["p"]


@pytest.mark.parametrize(
    ("reason", "path", "request_"),
    [
        ("FIELD_REQUIRED", "pool", pb.UpdatePoolRequest()),
        ("FIELD_REQUIRED", "pool.name", changing(name="", capacity=1)),
        *(
            ("NAME_MALFORMED", "pool.name", changing(name=name, capacity=1))
            for name in ("p", "pools", "pools/", "pools/a/b", "Pools/p", "projects/p", "pools/a b")
        ),
        ("FIELD_REQUIRED", "update_mask", changing()),
        ("FIELD_REQUIRED", "pool.capacity", changing("capacity")),
        ("FIELD_REQUIRED", "pool.capacity", changing("*")),
        ("FIELD_INVALID", "update_mask", changing("*", "capacity", capacity=1)),
        *(
            ("FIELD_INVALID", "update_mask", changing("capacity", path, capacity=2))
            for path in (
                "",
                "Capacity",
                "occupied",
                "etag",
                "name",
                "capacity.units",
                "default_share.",
                "default_share.weight.x",
                "projects.A",
                "projects.a.limit",
                "x" * 1000,
            )
        ),
        ("FIELD_INVALID", "pool.capacity", changing(capacity=-5)),
        ("FIELD_INVALID", "pool.default_share.limit", changing(default_share=Share(limit=-1))),
        (
            "FIELD_INVALID",
            "pool.default_share.weight",
            changing("default_share.weight", default_share=Share(weight=math.nan)),
        ),
        ("FIELD_INVALID", "pool.projects.a.limit", changing("projects.a", projects={"a": Share(limit=-1)})),
        ("FIELD_INVALID", "pool.projects", changing(projects=MANY)),
        ("FIELD_INVALID", "pool.description", changing(description="x" * 1025)),
        ("POOL_NOT_FOUND", None, changing(name="pools/q", capacity=1)),
    ],
)
async def test_update(world: World, reason: str, path: str | None, request_: pb.UpdatePoolRequest) -> None:
    before = dict(world.pools.stored)
    refusal = await refused(world.pool_stub.UpdatePool(request_))
    assert refusal.reason == reason
    assert refusal.code == ("NOT_FOUND" if path is None else "INVALID_ARGUMENT")
    assert refusal.fields == (() if path is None else (path,))
    assert world.pools.stored == before


async def test_a_project_too_many_is_refused_wherever_it_comes_from(world: World) -> None:
    most = dict(list(MANY.items())[:1000])
    await world.pool_stub.UpdatePool(changing(projects=most))
    more = changing("projects.more", projects={"more": Share()})
    assert (await refused(world.pool_stub.UpdatePool(more))).fields == ("pool.projects",)
    await world.pool_stub.UpdatePool(changing("projects.more", "projects.p1", projects={"more": Share()}))
    assert len(world.pools.stored["p"].spec.projects) == 1000


@pytest.mark.parametrize("name", ["", "p", "pools/", "pools/a b", "executions/p", "pools/q"])
async def test_names_of_pools(world: World, name: str) -> None:
    stub = world.pool_stub
    expected = {"": "FIELD_REQUIRED", "pools/q": "POOL_NOT_FOUND"}.get(name, "NAME_MALFORMED")
    for call, path in (
        (stub.GetPool(pb.GetPoolRequest(name=name)), "name"),
        (stub.DeletePool(pb.DeletePoolRequest(name=name)), "name"),
        (stub.ListPoolHolders(pb.ListPoolHoldersRequest(parent=name)), "parent"),
        (stub.ListPoolWaiters(pb.ListPoolWaitersRequest(parent=name)), "parent"),
    ):
        refusal = await refused(call)
        assert refusal.reason == expected
        told = refusal.metadata["field"] if expected == "POOL_NOT_FOUND" else refusal.fields[0]
        assert told == path


async def test_page_sizes_and_tokens(world: World) -> None:
    stub = world.pool_stub
    await stub.CreatePool(making("q"))
    token = (await stub.ListPools(pb.ListPoolsRequest(page_size=1))).next_page_token
    assert token
    for call, field, reason in (
        (stub.ListPools(pb.ListPoolsRequest(page_size=-1)), "page_size", "FIELD_INVALID"),
        (stub.ListPools(pb.ListPoolsRequest(page_token="no")), "page_token", "PAGE_TOKEN_INVALID"),
        (
            stub.ListPoolHolders(pb.ListPoolHoldersRequest(parent="pools/p", page_size=-1)),
            "page_size",
            "FIELD_INVALID",
        ),
        (
            stub.ListPoolHolders(pb.ListPoolHoldersRequest(parent="pools/p", page_token=token)),
            "page_token",
            "PAGE_TOKEN_INVALID",
        ),
        (
            stub.ListPoolWaiters(pb.ListPoolWaitersRequest(parent="pools/p", page_size=-1)),
            "page_size",
            "FIELD_INVALID",
        ),
        (
            stub.ListPoolWaiters(pb.ListPoolWaitersRequest(parent="pools/p", page_token=token)),
            "page_token",
            "PAGE_TOKEN_INVALID",
        ),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", reason, (field,))


@pytest.mark.parametrize("priority", [-1001, 1001, 2**31 - 1, -(2**31)])
async def test_a_priority_that_is_out_of_range(world: World, priority: int) -> None:
    request = create("a")
    request.execution.priority = priority
    refusal = await refused(world.stub.CreateExecution(request))
    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ("execution.priority",))
    assert world.store.rows == {}


def test_the_grammar_of_names() -> None:
    good = ("a", "*", "a:*", "A.B_c~d%E:f-9", "-", "x" * 200, "x" * 198 + ":*", "..")
    bad = (
        "",
        "**",
        "*a",
        "a*",
        "a*b",
        ":",
        "a:",
        ":*",
        "a ",
        "a\n",
        "\na",
        "a/b",
        "é",
        "x" * 201,
        "x" * 199 + ":*",
    )
    assert [name for name in good if not is_pool(name)] == []
    assert [name for name in bad if is_pool(name)] == []
