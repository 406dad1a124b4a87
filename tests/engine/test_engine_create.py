"""The way in: durable before it is answered or acted upon, one execution for one request."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from propwash.core.model import OutcomeKind, Phase
from propwash.ports import AlreadyExists, DuplicateOf, NoSuchExecution, Refused
from tests.engine.engine_rig import draft_of, engine_rig, execution_name, settled
from tests.engine.virtual_time import run


def test_an_execution_goes_its_way_to_the_end() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            created = await rig.create("one", duration_s=3.0)
            assert created.version == 1
            ended = await rig.until("one")
            assert ended.execution.phase is Phase.SUCCEEDED
            assert (rig.count("submit"), rig.live(), len(rig.system.ledger())) == (1, 0, 1)
            phases = [step.phase for step in rig.log.steps if step.name == "one"]
            assert phases == [Phase.INITIALIZING, Phase.RUNNING, Phase.SUCCEEDED]
            assert rig.log.forgotten == ["one"]

    run(play())


def test_nothing_is_answered_or_sent_before_the_commit() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            gate = asyncio.Event()

            async def wait() -> None:
                await gate.wait()

            rig.store.before_commit = wait
            creating = asyncio.ensure_future(rig.create("one"))
            await rig.after(10.0)
            assert not creating.done()
            assert rig.count("submit") == 0
            rig.store.before_commit = None
            gate.set()
            await creating
            await rig.until("one")
            assert rig.count("submit") == 1

    run(play())


def test_one_request_id_is_one_execution_at_once_and_later() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            draft = draft_of("one", request_id="r", duration_s=2.0)
            create = rig.engine.executions.create
            answers = await asyncio.gather(*(create([draft]) for _ in range(5)))
            await rig.until("one")
            answers.append(await create([draft]))
            assert len({record.execution.uid for (record,) in answers}) == 1
            assert rig.count("submit") == 1
            other = draft_of("one", request_id="r", duration_s=9.0)
            with pytest.raises(AlreadyExists) as raised:
                await create([other])
            assert raised.value.differences == ("spec.duration_s",)
            assert raised.value.of is DuplicateOf.REQUEST_ID
            with pytest.raises(AlreadyExists) as raised:
                await create([replace(draft, priority=3, request=replace(draft.request, digest=b"other"))])
            assert raised.value.differences == ("priority",)
            with pytest.raises(AlreadyExists) as raised:
                await create([draft_of("one", duration_s=2.0)])
            assert raised.value.of is DuplicateOf.NAME

    run(play())


def test_a_batch_is_all_or_none_and_may_repeat_one() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            create = rig.engine.executions.create
            first = draft_of("one", request_id="1")
            (there,) = await create([first])
            records = await create([draft_of("two", request_id="2"), first, draft_of("three")])
            assert [record.name.execution for record in records] == ["two", "one", "three"]
            assert records[1].execution.uid == there.execution.uid
            with pytest.raises(AlreadyExists) as raised:
                await create([draft_of("four"), draft_of("two", request_id="x")])
            assert raised.value.index == 1
            with pytest.raises(Refused):
                await create([draft_of("five"), draft_of("six", ending="none")])
            assert (
                await rig.store.get([execution_name(name) for name in ("four", "five", "six")]) == [None] * 3
            )
            for name in ("one", "two", "three"):
                assert await rig.outcome(name) is OutcomeKind.SUCCEEDED
            assert rig.count("submit") == 3

    run(play())


def test_a_batch_that_repeats_itself_is_one_execution() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            draft = draft_of("one", request_id="1")
            one, again = await rig.engine.executions.create([draft, draft])
            assert one == again
            await rig.until("one")
            assert rig.count("submit") == 1

    run(play())


def test_an_abort_before_the_create_sticks() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            with pytest.raises(NoSuchExecution):
                await rig.abort("one")
            assert await rig.abort("one", allow_missing=True) is None
            async with asyncio.timeout(5):
                born = await rig.create("one", pool="p")
            assert born.execution.phase is Phase.ABORTED
            await rig.after(5.0)
            assert rig.count("submit") == 0
            await rig.create("two", pool="p")
            assert await rig.outcome("two") is OutcomeKind.SUCCEEDED

    run(play())


def test_a_refused_insert_gives_its_tokens_back() -> None:
    async def play() -> None:
        async with engine_rig(p=2) as rig:
            await rig.create("taken")
            await rig.until("taken")
            batch = [draft_of(name, pool="p") for name in ("a", "b", "c", "taken")]
            inserting = asyncio.ensure_future(rig.engine.executions.create([draft_of("taken", pool="p")]))
            await settled()
            with pytest.raises(AlreadyExists):
                await rig.engine.executions.create(batch)
            with pytest.raises(AlreadyExists):
                await inserting
            await rig.create("a", pool="p")
            await rig.create("b", pool="p")
            assert await rig.outcome("a") is OutcomeKind.SUCCEEDED
            assert await rig.outcome("b") is OutcomeKind.SUCCEEDED

    run(play())


def test_validate_stores_nothing() -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            record = await rig.engine.executions.validate(draft_of("one"))
            assert record.name == execution_name("one")
            assert await rig.store.get([record.name]) == [None]
            assert rig.count("submit") == 0
            with pytest.raises(Refused):
                await rig.engine.executions.validate(draft_of("one", duration_s="soon"))

    run(play())
