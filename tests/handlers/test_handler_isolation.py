"""One bad plugin hurts only itself: raising, hanging, blocking, leaking, exiting, swallowing its
cancellation.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest

from propwash.core.breaker import Sign, sign_of
from propwash.core.model import Fault, FaultKind
from propwash.handlers.options import HostOptions
from propwash.sdk import (
    Connection,
    CreateRequest,
    Job,
    NotFound,
    Observation,
    RemoteName,
    RemotePhase,
    Verdict,
)
from propwash.sdk.handler import NotBatched
from propwash.sdk.testing import PlainToyHandler, ToyHandler, ToySpec, ToySystem
from tests.handlers.handler_rig import NAME, hosting, job, task

IMPATIENT = HostOptions(
    deadlines_s={"find": 0.02, "create": 0.02, "get": 0.02, "close": 0.02},
    slot_deadline_s=0.02,
    grace_s=0.02,
    calls=2,
    threads=2,
)


def fault(answer: object) -> Fault:
    assert isinstance(answer, Fault), answer
    return answer


class BadToy(ToyHandler):
    """Served beside good ones."""

    task_types: ClassVar[tuple[str, ...]] = ("bad",)


class BadPlain(PlainToyHandler):
    task_types: ClassVar[tuple[str, ...]] = ("bad",)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("v"),
        SystemExit(2),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        MemoryError(),
    ],
    ids=repr,
)
async def test_what_is_raised_is_contained(error: BaseException) -> None:
    class Raising(BadToy):
        async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            raise error

    class RaisingPlain(BadPlain):
        def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            raise error

    for handler in (Raising(ToySystem()), RaisingPlain(ToySystem())):
        async with hosting(handler, ToyHandler(ToySystem()), apart=True) as rig:
            answer = fault(await rig.host.find("bad", "toys", NAME, b""))
            assert (answer.kind, answer.reason) == (FaultKind.INTERNAL, "HANDLER_RAISED")
            assert answer.message.startswith(type(error).__name__)
            assert isinstance(await rig.host.create(job(task(), connection="toys1")), Job)


async def test_sys_exit_in_a_thread_leaves_the_thread_alive() -> None:
    class Exiting(BadPlain):
        def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            sys.exit(1)

    async with hosting(Exiting(ToySystem()), options=HostOptions(threads=1)) as rig:
        for _ in range(3):
            assert "SystemExit" in fault(await rig.host.find("bad", "toys", NAME, b"")).message
        assert await rig.host.list("bad", "toys", "us") == ()


async def test_a_hanging_coroutine_is_cut_off() -> None:
    cancelled = asyncio.Event()

    class Hanging(BadToy):
        async def create(self, request: CreateRequest[ToySpec]) -> Job:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            raise AssertionError

    async with hosting(Hanging(ToySystem()), options=IMPATIENT) as rig:
        answer = fault(await rig.host.create(job(task("bad"))))
        assert (answer.kind, answer.reason) == (FaultKind.UNAVAILABLE, "DEADLINE_EXCEEDED")
        assert cancelled.is_set()
        assert rig.host.abandoned == {"toys": 0}
        assert [one.code for one in rig.recorder.calls] == ["UNAVAILABLE:DEADLINE_EXCEEDED"]


async def test_a_swallowed_cancellation_is_abandoned_and_starves_only_its_plugin() -> None:
    release = asyncio.Event()

    class Swallowing(BadToy):
        async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue
            return None

    async with hosting(
        Swallowing(ToySystem()), ToyHandler(ToySystem()), options=IMPATIENT, apart=True
    ) as rig:
        for count in (1, 2):
            answer = fault(await rig.host.find("bad", "toys", NAME, b""))
            assert answer.reason == "DEADLINE_EXCEEDED"
            assert rig.host.abandoned == {"toys": count, "toys1": 0}
        message, fields = rig.recorder.troubles[-1]
        assert message == "plugin toys: a call of find outlived its deadline and was abandoned"
        assert fields == {"plugin": "toys", "task_type": "bad", "method": "find", "abandoned": "2"}
        busy = fault(await rig.host.find("bad", "toys", NAME, b""))
        assert (busy.kind, busy.reason) == (FaultKind.THROTTLED, "HANDLER_BUSY")
        assert sign_of(busy) is Sign.IRRELEVANT
        assert isinstance(await rig.host.create(job(task(), connection="toys1")), Job)
        release.set()
        assert await _until_found(rig.host.find, "bad")
        assert rig.host.abandoned == {"toys": 0, "toys1": 0}


async def test_hung_threads_starve_only_their_plugin() -> None:
    release = threading.Event()

    class Hanging(BadPlain):
        def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            release.wait(5)
            return None

    async with hosting(
        Hanging(ToySystem()), PlainToyHandler(ToySystem()), options=IMPATIENT, apart=True
    ) as rig:
        asked = [rig.host.find("bad", "toys", NAME, b"") for _ in range(6)]
        reasons = sorted(fault(answer).reason for answer in await asyncio.gather(*asked))
        assert reasons == ["DEADLINE_EXCEEDED"] * 2 + ["HANDLER_BUSY"] * 4
        assert rig.host.abandoned == {"toys": 2, "toys1": 0}
        assert isinstance(await rig.host.create(job(task("plain_toy"), connection="toys1")), Job)
        release.set()
        assert await _until_found(rig.host.find, "bad")


async def _until_found(find: object, task_type: str) -> bool:
    """Ask until the answer is no fault: the given up calls end when the loop next turns."""
    assert callable(find)
    for _ in range(200):
        if await find(task_type, "toys", NAME, b"") is None:
            return True
    return False


async def test_the_callers_own_cancellation_is_passed_on_and_ends_the_call() -> None:
    system = ToySystem()
    gate = system.hold("submit")
    async with hosting(ToyHandler(system), options=HostOptions(calls=1)) as rig:
        call = asyncio.create_task(rig.host.create(job(task())))
        await gate.reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gate.open()
        assert isinstance(await rig.host.create(job(task())), Job)
        assert system.calls["submit"] == 1
        assert rig.host.abandoned == {"toys": 0}
        assert not rig.recorder.troubles


async def test_calls_of_one_plugin_are_bounded() -> None:
    system = ToySystem()
    gate = system.hold("lookup")
    running = 0
    peak = 0

    class Counting(ToyHandler):
        async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            try:
                return await super().find(connection, name, hint)
            finally:
                running -= 1

    async with hosting(Counting(system), options=HostOptions(calls=3)) as rig:
        asked = [asyncio.create_task(rig.host.find("toy", "toys", NAME, b"")) for _ in range(10)]
        await gate.reached.wait()
        gate.open()
        assert await asyncio.gather(*asked) == [None] * 10
        assert peak == 3


async def test_get_one_is_asked_a_bounded_number_at_a_time() -> None:
    running: set[bytes] = set()
    peak = 0

    class Each(BadToy):
        async def get(
            self, connection: Connection, metas: Sequence[bytes]
        ) -> Mapping[bytes, Observation | Verdict]:
            raise NotBatched

        async def get_one(self, connection: Connection, meta: bytes) -> Observation:
            nonlocal peak
            running.add(meta)
            peak = max(peak, len(running))
            await asyncio.sleep(0)
            running.discard(meta)
            if meta == b"7":
                raise NotFound
            if meta == b"8":
                raise RuntimeError
            return Observation(phase=RemotePhase.RUNNING)

    async with hosting(Each(ToySystem()), options=HostOptions(get_one_calls=4)) as rig:
        seen = await rig.host.get("bad", "toys", [str(number).encode() for number in range(20)])
        assert len(seen) == 20
        assert peak == 4
        assert seen[b"7"] is None
        assert fault(seen[b"8"]).reason == "HANDLER_RAISED"


async def test_a_plain_def_that_answers_an_awaitable_is_awaited() -> None:
    class Mixed(BadPlain):
        def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            async def later() -> Job | None:
                assert threading.current_thread() is threading.main_thread()
                return None

            assert threading.current_thread().name.startswith("handlers toys ")
            return later()  # type: ignore[return-value]

    async with hosting(Mixed(ToySystem())) as rig:
        assert await rig.host.find("bad", "toys", NAME, b"") is None


async def test_close_reaches_every_handler_and_survives_a_bad_one() -> None:
    class Unclosing(BadToy):
        async def close(self) -> None:
            raise SystemExit("never")

    good = ToyHandler(ToySystem())
    async with hosting(Unclosing(ToySystem()), good, options=IMPATIENT) as rig:
        await rig.host.close()
        assert good.is_closed
        assert [message for message, _ in rig.recorder.troubles] == [
            "plugin toys did not close: SystemExit: never"
        ]


async def test_good_plugins_stay_quick_beside_a_bad_one() -> None:
    """The stated bound: beside a plugin whose every call hangs, raises or leaks, another's call is not
    slowed.
    """

    class Leaking(BadPlain):
        kept: ClassVar[list[bytes]] = []

        def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            self.kept.append(b"x" * 1000)
            release.wait(5)
            return None

    release = threading.Event()
    async with hosting(Leaking(ToySystem()), ToyHandler(ToySystem()), apart=True) as rig:
        stuck = [asyncio.create_task(rig.host.find("bad", "toys", NAME, b"")) for _ in range(100)]
        begun = time.perf_counter()
        for _ in range(50):
            assert await rig.host.find("toy", "toys1", NAME, b"") is None
        # 50 calls; the bound is for a loaded machine, and a wait for a bad plugin's slot would be 30 s.
        assert time.perf_counter() - begun < 1.0
        release.set()
        assert await asyncio.gather(*stuck) == [None] * 100
