"""The host turns what handlers do into values: verdicts, batches, pages, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest

from propwash.core.model import Fault, FaultKind
from propwash.sdk import (
    Connection,
    CreateRequest,
    Deletion,
    Job,
    ListedJob,
    LogLine,
    LogPage,
    NotFound,
    NotOffered,
    Observation,
    Permanent,
    RemoteName,
    RemotePhase,
    Retryable,
    Throttled,
    Unavailable,
    Verdict,
)
from propwash.sdk.testing import PlainToyHandler, ToyFault, ToyHandler, ToySpec, ToySystem
from tests.handlers.handler_rig import NAME, hosting, job, task

RUNNING = Observation(phase=RemotePhase.RUNNING)


def fault(answer: object) -> Fault:
    assert isinstance(answer, Fault), answer
    return answer


async def test_toy_job_lives_through_the_host() -> None:
    for handler, task_type in ((ToyHandler, "toy"), (PlainToyHandler, "plain_toy")):
        system = ToySystem()
        async with hosting(handler(system)) as rig:
            request = task(task_type, duration_s=5.0)
            made = await rig.host.create(job(request))
            assert isinstance(made, Job)
            assert made.observation == RUNNING
            seen = await rig.host.get(task_type, "toys", [made.meta, b"99", made.meta])
            assert seen == {made.meta: RUNNING, b"99": None}
            assert await rig.host.find(task_type, "toys", NAME, b"") == made
            assert await rig.host.find(task_type, "toys", RemoteName("pw-other"), b"") is None
            assert await rig.host.list(task_type, "toys", "us") == (ListedJob(name=NAME, meta=made.meta),)
            assert await rig.host.delete(task_type, "toys", NAME, None, b"") is Deletion.GONE
            assert await rig.host.delete(task_type, "toys", NAME, b"99", b"") is Deletion.ABSENT
            assert await rig.host.logs(task_type, "toys", made.meta, "") is None
            assert await rig.host.results(task_type, "toys", made.meta, "", 5) is None
            assert await rig.host.validate(job(request)) is None
            assert {one.code for one in rig.recorder.calls} == {"OK"}
            assert not rig.recorder.troubles
    assert not system.live_jobs()


@pytest.mark.parametrize(
    ("planned", "kind", "reason", "retry_after_s"),
    [
        (ToyFault.THROTTLE, FaultKind.THROTTLED, "TOO_MANY_CALLS", 3.0),
        (ToyFault.DOWN, FaultKind.UNAVAILABLE, "TOY_DOWN", None),
        (ToyFault.LOSE_ANSWER, FaultKind.UNAVAILABLE, "CONNECTION_LOST", None),
        (ToyFault.REFUSE, FaultKind.PERMANENT, "TOY_REFUSED", None),
        (ToyFault.CRASH, FaultKind.INTERNAL, "HANDLER_RAISED", None),
    ],
)
async def test_verdicts_become_faults(
    planned: ToyFault, kind: FaultKind, reason: str, retry_after_s: float | None
) -> None:
    system = ToySystem()
    async with hosting(ToyHandler(system)) as rig:
        system.plan("submit", planned, retry_after_s=3.0)
        answer = fault(await rig.host.create(job(task())))
        assert (answer.kind, answer.reason, answer.retry_after_s) == (kind, reason, retry_after_s)
        assert {one.code for one in rig.recorder.calls} == {f"{kind.name}:{reason}"}


async def test_the_instrument_hears_of_every_call() -> None:
    class Slow(ToyHandler):
        async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            rig.clock.time += 2.5
            return None

    async with hosting(Slow(ToySystem())) as rig:
        await rig.host.find("toy", "toys", NAME, b"")
        (call,) = rig.recorder.calls
        assert (call.task_type, call.connection, call.method, call.code) == ("toy", "toys", "find", "OK")
        assert call.seconds == 2.5


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NotFound(), None),
        (Retryable("PREEMPTED", "m"), FaultKind.RETRYABLE),
        (Unavailable("DOWN", "m"), FaultKind.UNAVAILABLE),
        (Verdict("ODD", "m"), FaultKind.INTERNAL),
    ],
)
async def test_what_find_raises(error: Verdict, expected: FaultKind | None) -> None:
    class Raising(ToyHandler):
        async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            raise error

        async def delete(
            self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
        ) -> Deletion:
            raise error

        async def create(self, request: CreateRequest[ToySpec]) -> Job:
            raise error

    async with hosting(Raising(ToySystem())) as rig:
        found = await rig.host.find("toy", "toys", NAME, b"")
        deleted = await rig.host.delete("toy", "toys", NAME, None, b"")
        created = fault(await rig.host.create(job(task())))
        if expected is None:
            assert found is None
            assert deleted is Deletion.ABSENT
            assert created.reason == "HANDLER_ANSWERED_NONSENSE"
        else:
            assert fault(found).kind is fault(deleted).kind is created.kind is expected


async def test_get_is_cut_into_batches_and_judged_one_by_one() -> None:
    sizes: list[int] = []

    class Batching(ToyHandler):
        batch_size: ClassVar[int] = 2

        async def get(
            self, connection: Connection, metas: Sequence[bytes]
        ) -> Mapping[bytes, Observation | Verdict]:
            sizes.append(len(metas))
            if b"9" in metas:
                raise Throttled("SLOW", "down", retry_after_s=float("inf"))
            answers: dict[bytes, Observation | Verdict] = {
                b"1": RUNNING,
                b"2": NotFound(),
                b"3": Unavailable("DOWN", "m"),
                b"4": Observation(phase=RemotePhase.FAILED, reason="not upper"),
            }
            return {meta: answers[meta] for meta in metas if meta in answers}

    async with hosting(Batching(ToySystem())) as rig:
        seen = await rig.host.get("toy", "toys", [b"1", b"2", b"3", b"4", b"5", b"9", b"9"])
        assert sizes == [2, 2, 2]
        assert seen[b"1"] == RUNNING
        assert seen[b"2"] is None
        assert fault(seen[b"3"]).kind is FaultKind.UNAVAILABLE
        assert fault(seen[b"4"]).reason == "HANDLER_ANSWERED_NONSENSE"
        for meta in (b"5", b"9"):
            assert fault(seen[meta]).kind is FaultKind.THROTTLED
            assert fault(seen[meta]).retry_after_s is None
        assert await rig.host.get("toy", "toys", []) == {}


async def test_optional_methods_that_offer_nothing_are_none() -> None:
    class Offering(PlainToyHandler):
        def logs(self, connection: Connection, meta: bytes, cursor: str) -> LogPage:
            if meta == b"none":
                raise NotOffered
            if meta == b"gone":
                raise NotFound
            return LogPage(lines=(LogLine(text="hello"),), cursor="2")

        def validate(self, request: CreateRequest[ToySpec]) -> None:
            raise Permanent("NO_SUCH_TABLE", "there is no table x")

    async with hosting(Offering(ToySystem())) as rig:
        assert await rig.host.logs("plain_toy", "toys", b"none", "") is None
        page = await rig.host.logs("plain_toy", "toys", b"1", "")
        assert isinstance(page, LogPage)
        assert fault(await rig.host.logs("plain_toy", "toys", b"gone", "")).kind is FaultKind.PERMANENT
        assert fault(await rig.host.validate(job(task("plain_toy")))).message == "there is no table x"
        assert [info.has_logs for info in rig.host.catalogue()] == [True]
