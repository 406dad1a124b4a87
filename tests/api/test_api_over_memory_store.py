"""The API over the store's own in-memory adapter, whose filters, pages and snapshots are the real ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import grpc

from propwash.api.server import ApiServer
from propwash.core.model import Done, Outcome, OutcomeKind
from propwash.pb.v1 import execution_service_pb2_grpc
from propwash.pb.v1.execution_pb2 import PHASE_QUEUED, PHASE_SUCCEEDED
from propwash.pb.v1.execution_service_pb2 import (
    GetExecutionRequest,
    ListExecutionsRequest,
    WatchExecutionsRequest,
    WatchExecutionsResponse,
)
from propwash.ports import Committed, Draft, ExecutionName, Insert, Record, Update
from propwash.store.memory import MemoryStore
from tests.api.api_fake_host import NOW, FakeHandlers, Heard
from tests.api.api_fakes import FakeExecutions, FakeStore
from tests.api.api_world import LOCAL, PARENT, create, full


class StoringExecutions(FakeExecutions):
    """Commits to a store as the engine does."""

    def __init__(self, memory: MemoryStore, handlers: FakeHandlers) -> None:
        super().__init__(FakeStore(), handlers)
        self.memory = memory
        self.committed = asyncio.Event()

    async def create(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        """One group."""
        records = [replace(await self._judge(index, draft), version=1) for index, draft in enumerate(drafts)]
        group = tuple(Insert(record=record) for record in records)
        (result,) = await self.memory.commit([group], at=NOW)
        assert isinstance(result, Committed)
        self.committed.set()
        return records

    async def finish(self, name: ExecutionName) -> None:
        """Commit the end."""
        (record,) = await self.memory.get([name])
        assert record is not None
        outcome = Outcome(kind=OutcomeKind.SUCCEEDED, outputs={"n": 1})
        execution = record.execution.with_state(Done(outcome=outcome, ended_at=NOW + 9))
        change = Update(uid=execution.uid, expected_version=record.version, execution=execution)
        (result,) = await self.memory.commit([(change,)], at=NOW + 9)
        assert isinstance(result, Committed)
        self.committed.set()

    async def newer_than(self, seq: int) -> int:
        """Wait for a commit."""
        while (newest := await self.memory.last_seq()) <= seq:
            self.committed.clear()
            await self.committed.wait()
        return newest


@contextlib.asynccontextmanager
async def serving(
    store: MemoryStore,
) -> AsyncIterator[tuple[StoringExecutions, execution_service_pb2_grpc.ExecutionServiceAsyncStub]]:
    """A server over the store."""
    await store.open()
    handlers = FakeHandlers()
    executions = StoringExecutions(store, handlers)
    server = ApiServer(LOCAL, store=store, executions=executions, handlers=handlers, instrument=Heard())
    port = await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield executions, execution_service_pb2_grpc.ExecutionServiceStub(channel)
    finally:
        await server.stop(1.0)
        await store.close()


async def test_what_is_stored_is_read_listed_and_filtered() -> None:
    async with serving(MemoryStore()) as (executions, stub):
        for number in range(4):
            request = create(f"e{number}")
            request.execution.labels["parity"] = "even" if number % 2 == 0 else "odd"
            made = await stub.CreateExecution(request)
            assert made == await stub.GetExecution(GetExecutionRequest(name=made.name))
        await executions.finish(ExecutionName("p", "d", "e2"))
        for text, expected in (
            ('labels.parity = "even"', ["e2", "e0"]),
            ("labels.parity = odd AND NOT phase = SUCCEEDED", ["e3", "e1"]),
            ("phase = SUCCEEDED OR labels.parity = odd", ["e3", "e2", "e1"]),
            (
                "create_time > 2001-01-01T00:00:00Z AND attempt < 2 AND end_time > 2001-01-01T00:00:00Z",
                ["e2"],
            ),
            ("task_type = other", []),
        ):
            names: list[str] = []
            token = ""
            while True:
                ask = ListExecutionsRequest(
                    parent="projects/-/domains/d", page_size=1, filter=text, page_token=token
                )
                page = await stub.ListExecutions(ask)
                names += [one.name for one in page.executions]
                token = page.next_page_token
                if not token:
                    break
            assert names == [full(name) for name in expected]


async def test_a_watch_goes_on_after_a_crash_without_gap_or_repeat() -> None:
    store = MemoryStore()
    async with serving(store) as (_, stub):
        stream = stub.WatchExecutions(WatchExecutionsRequest(parent=PARENT))
        assert (await anext(aiter(stream))).kind == WatchExecutionsResponse.KIND_SYNCED
        await stub.CreateExecution(create("a"))
        await stub.CreateExecution(create("b"))
        first = await anext(aiter(stream))
        survivor = store.crash()
    assert first.execution.name == full("a")
    async with serving(survivor) as (executions, stub):
        again = stub.WatchExecutions(WatchExecutionsRequest(parent=PARENT, resume_token=first.resume_token))
        second = await anext(aiter(again))
        await executions.finish(ExecutionName("p", "d", "a"))
        third = await anext(aiter(again))
        again.cancel()
    told = [(one.execution.name, one.execution.phase) for one in (second, third)]
    assert told == [(full("b"), PHASE_QUEUED), (full("a"), PHASE_SUCCEEDED)]
