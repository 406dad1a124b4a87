"""One suite, two adapters: every test here runs on both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from propwash.ports import Store
from tests.conformance.store.store_records import done, put, record
from tests.conformance.store.store_worlds import MemoryWorld, SqliteWorld, World


@pytest_asyncio.fixture(params=["memory", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    made: World = MemoryWorld() if request.param == "memory" else SqliteWorld(tmp_path / "data")
    await made.store.open()
    yield made
    await made.store.close()


@pytest.fixture
def store(world: World) -> Store:
    return world.store


@pytest_asyncio.fixture
async def world_superseded(world: World) -> Store:
    """A store with one ended execution that another opening has superseded."""
    await put(world.store, record(1, state=done()))
    await world.supersede()
    return world.store
