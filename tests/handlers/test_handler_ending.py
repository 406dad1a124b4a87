"""A job that runs with secrets of its task is ended also where those are gone, or serve no more."""

from __future__ import annotations

import asyncio

import pytest

from propwash.core.events import Deletion
from propwash.core.model import Fault
from propwash.sdk import (
    CREDENTIALS_UNAVAILABLE,
    Throttled,
    Unavailable,
    Verdict,
)
from tests.handlers.handler_rig import NAME
from tests.handlers.keyed_rig import MINE, OWN, asked, create, keyed


@pytest.fixture(autouse=True)
def own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_KEY", OWN)


REFUSED = Unavailable(CREDENTIALS_UNAVAILABLE, "the key is not accepted")


@pytest.mark.parametrize("answer", [Deletion.GONE, Deletion.PENDING])
async def test_a_job_whose_key_is_gone_is_ended_by_the_connection_s_own(answer: Deletion) -> None:
    async with keyed() as (rig, handler):
        handler.deletions[OWN] = answer
        assert await rig.host.delete("toy", "near~0011223344556677", NAME, b"1", b"") is answer
        assert handler.calls_made == [("delete", OWN, "u")]


async def test_a_job_whose_key_is_refused_is_ended_by_the_connection_s_own_the_next_time() -> None:
    async with keyed() as (rig, handler):
        name = asked(rig).connection
        handler.deletions.update({MINE: REFUSED, OWN: Deletion.PENDING})
        answers = [await rig.host.delete("toy", name, NAME, b"1", b"") for _ in range(4)]
        # One call each, as each has had one turn of the budget; the key is tried again in between.
        assert [key for _, key, _ in handler.calls_made] == [MINE, OWN, MINE, OWN]
        assert [isinstance(one, Fault) for one in answers] == [True, False, True, False]
        handler.deletions[MINE] = Deletion.GONE
        assert await rig.host.delete("toy", name, NAME, b"1", b"") is Deletion.GONE
        rig.clock.time += 1000.0
        assert await rig.host.delete("toy", name, NAME, b"1", b"") is Deletion.GONE


@pytest.mark.parametrize(
    ("own", "told"),
    [
        pytest.param(Deletion.ABSENT, CREDENTIALS_UNAVAILABLE, id="may not see it"),
        pytest.param(REFUSED, CREDENTIALS_UNAVAILABLE, id="is refused too"),
        pytest.param(Unavailable("TOY_DOWN", "down"), CREDENTIALS_UNAVAILABLE, id="fails"),
        pytest.param(Throttled("SLOW_DOWN", "slow"), "SLOW_DOWN", id="asks for a pause"),
    ],
)
async def test_what_others_credentials_do_not_see_is_not_taken_for_gone(
    own: Deletion | Verdict, told: str
) -> None:
    async with keyed() as (rig, handler):
        handler.deletions[OWN] = own
        answer = await rig.host.delete("toy", "near~0011223344556677", NAME, b"1", b"")
        assert isinstance(answer, Fault)
        assert answer.reason == told


async def test_without_a_task_s_key_nothing_but_an_end_is_asked_with_the_connection_s_own() -> None:
    async with keyed() as (rig, handler):
        handler.deletions[OWN] = Deletion.ABSENT
        assert await rig.host.delete("toy", "near", NAME, b"1", b"") is Deletion.ABSENT
        handler.calls_made.clear()
        name = "near~0011223344556677"
        await asyncio.gather(
            create(rig, name), rig.host.find("toy", name, NAME, b""), rig.host.get("toy", name, [b"1"])
        )
        assert handler.calls_made == []
