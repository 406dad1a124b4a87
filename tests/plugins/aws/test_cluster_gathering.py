"""What is asked for while a go is under way is done in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from propwash.sdk import Throttled
from propwash_aws.clusters.gathering import Gatherer


class Work:
    """Doubles numbers, when it is let."""

    def __init__(self) -> None:
        self.goes: list[list[int]] = []
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.has_begun = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.goes.append(list(numbers))
        self.has_begun.set()
        await self.may_go.wait()
        if 13 in numbers:
            raise Throttled("RATE_EXCEEDED", "all of them")
        return [ValueError(str(one)) if one < 0 else one * 2 for one in numbers]


@pytest.fixture
async def work() -> Work:
    return Work()


async def test_waiting_items_share_the_next_go(work: Work) -> None:
    gatherer = Gatherer(work, name="test", most=3)
    work.may_go.clear()
    first = asyncio.create_task(gatherer.ask("a", 0))
    await work.has_begun.wait()
    others = [asyncio.create_task(gatherer.ask("a", number)) for number in range(1, 6)]
    other_lane = asyncio.create_task(gatherer.ask("b", 9))
    await asyncio.sleep(0)
    work.may_go.set()
    assert await asyncio.gather(first, *others, other_lane) == [0, 2, 4, 6, 8, 10, 18]
    assert sorted(work.goes) == [[0], [1, 2, 3], [4, 5], [9]]
    await gatherer.close()


async def test_each_gets_its_own_answer_or_error(work: Work) -> None:
    gatherer = Gatherer(work, name="test", most=10)
    answers = await asyncio.gather(*(gatherer.ask("a", one) for one in (1, -1, 2)), return_exceptions=True)
    assert [answers[0], answers[2]] == [2, 4]
    assert isinstance(answers[1], ValueError)
    answers = await asyncio.gather(*(gatherer.ask("a", one) for one in (1, 13)), return_exceptions=True)
    assert [type(one) for one in answers] == [Throttled, Throttled]
    assert await gatherer.ask("a", 4) == 8
    await gatherer.close()


async def test_asker_that_left_before_its_go_is_left_out(work: Work) -> None:
    gatherer = Gatherer(work, name="test", most=10)
    work.may_go.clear()
    first = asyncio.create_task(gatherer.ask("a", 0))
    await work.has_begun.wait()
    gone = asyncio.create_task(gatherer.ask("a", 1))
    last = asyncio.create_task(gatherer.ask("a", 2))
    await asyncio.sleep(0)
    gone.cancel()
    first.cancel()
    await asyncio.sleep(0)
    work.may_go.set()
    assert await last == 4
    # The one that left while its go was under way was carried through.
    assert work.goes == [[0], [2]]
    await gatherer.close()


async def test_close_lets_nobody_wait(work: Work) -> None:
    gatherer = Gatherer(work, name="test", most=1)
    work.may_go.clear()
    tasks = [asyncio.create_task(gatherer.ask("a", number)) for number in range(3)]
    await work.has_begun.wait()
    await gatherer.close()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in answers)


async def test_wrong_number_of_answers_is_nobodys_answer() -> None:
    async def work(numbers: Sequence[int]) -> list[int | Exception]:
        return [1]

    gatherer = Gatherer(work, name="test", most=10)
    answers = await asyncio.gather(gatherer.ask("a", 1), gatherer.ask("a", 2), return_exceptions=True)
    assert all(isinstance(one, RuntimeError) for one in answers)
    await gatherer.close()
