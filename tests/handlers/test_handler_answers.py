"""What handlers answer is checked before the engine believes a word of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest

from propwash.core.model import Fault, FaultKind
from propwash.handlers.desk import TURN
from propwash.handlers.faults import short
from propwash.sdk import (
    Column,
    Connection,
    CreateRequest,
    Job,
    Link,
    LogLine,
    LogPage,
    Observation,
    RemoteName,
    RemotePhase,
    ResultPage,
    Verdict,
)
from propwash.sdk.testing import ToyHandler, ToySpec, ToySystem
from tests.handlers.handler_rig import NAME, hosting, job, task

RUNNING = Observation(phase=RemotePhase.RUNNING)


def fault(answer: object) -> Fault:
    assert isinstance(answer, Fault), answer
    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "left a meta unanswered"),
        ({b"1": RUNNING, b"2": RUNNING}, "1 metas that it was not asked about"),
        ([RUNNING], "get answered list in place of a mapping"),
        ({b"1": "RUNNING"}, "an answer of type str in place of an Observation"),
        ({b"1": Observation(phase="RUNNING")}, "a phase of type str"),  # type: ignore[arg-type]
        ({b"1": Observation(phase=RemotePhase.FAILED)}, "a failed job without a reason"),
        ({b"1": Observation(phase=RemotePhase.RUNNING, message=3)}, "is no string"),  # type: ignore[arg-type]
        (
            {b"1": Observation(phase=RemotePhase.RUNNING, ask_again_s=float("nan"))},
            "no finite number of seconds",
        ),
        ({b"1": Observation(phase=RemotePhase.RUNNING, ask_again_s="9")}, "no finite number of seconds"),  # type: ignore[arg-type]
        ({b"1": Observation(phase=RemotePhase.RUNNING, outputs={"x": object()})}, "a value of type object"),  # type: ignore[dict-item]
        (
            {
                b"1": Observation(
                    phase=RemotePhase.RUNNING, links=(Link(title="x", uri="javascript:alert(1)"),)
                )
            },
            "no http or https address",
        ),
        (
            {b"1": Observation(phase=RemotePhase.RUNNING, links=(Link(title="x", uri="https://u:pw@h/"),))},
            "no http or https address",
        ),
    ],
)
async def test_nonsense_of_get_is_our_own_fault(answer: object, said: str) -> None:
    class Nonsensical(ToyHandler):
        async def get(self, connection: Connection, metas: Sequence[bytes]) -> object:  # type: ignore[override]
            return answer

    async with hosting(Nonsensical(ToySystem())) as rig:
        seen = fault((await rig.host.get("toy", "toys", [b"1"]))[b"1"])
        assert (seen.kind, seen.reason) == (FaultKind.INTERNAL, "HANDLER_ANSWERED_NONSENSE")
        assert said in seen.message


async def test_a_long_answer_is_looked_at_in_turns() -> None:
    class Many(ToyHandler):
        async def get(
            self, connection: Connection, metas: Sequence[bytes]
        ) -> Mapping[bytes, Observation | Verdict]:
            return dict.fromkeys(metas, RUNNING)

    metas = [str(number).encode() for number in range(10 * TURN)]
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with hosting(Many(ToySystem())) as rig:
        await rig.host.get("toy", "toys", metas[:1])
        counting = asyncio.create_task(count())
        assert len(await rig.host.get("toy", "toys", metas)) == len(metas)
        counting.cancel()
    assert turns >= 10


async def test_an_answer_that_raises_when_it_is_looked_at_is_a_fault_of_its_job_alone() -> None:
    class Sly(str):
        __slots__ = ()

        def __hash__(self) -> int:
            raise RuntimeError("sly")

    class Raising(ToyHandler):
        async def get(
            self, connection: Connection, metas: Sequence[bytes]
        ) -> Mapping[bytes, Observation | Verdict]:
            return {b"1": Observation(phase=RemotePhase.RUNNING, message=Sly("x")), b"2": RUNNING}

    async with hosting(Raising(ToySystem())) as rig:
        seen = await rig.host.get("toy", "toys", [b"1", b"2"])
        assert fault(seen[b"1"]).reason == "HANDLER_ANSWERED_NONSENSE"
        assert seen[b"2"] == RUNNING


async def test_outputs_keep_their_types_and_lists_become_tuples() -> None:
    outputs = {"n": 1, "f": float("nan"), "rows": [[1, b"x"], []], "deep": {"a": None}}

    class Rich(ToyHandler):
        async def get(
            self, connection: Connection, metas: Sequence[bytes]
        ) -> Mapping[bytes, Observation | Verdict]:
            done = Observation(phase=RemotePhase.SUCCEEDED, outputs=outputs)  # type: ignore[arg-type]
            return dict.fromkeys(metas, done)

    async with hosting(Rich(ToySystem())) as rig:
        seen = (await rig.host.get("toy", "toys", [b"1"]))[b"1"]
        assert isinstance(seen, Observation)
        assert seen.outputs["rows"] == ((1, b"x"), ())
        assert type(seen.outputs["n"]) is int


@pytest.mark.parametrize(
    "answer",
    [
        None,
        RUNNING,
        Job(meta="1", observation=RUNNING),  # type: ignore[arg-type]
        Job(meta=b"", observation=RUNNING),
        Job(meta=b"x" * 1025, observation=RUNNING),
        Job(meta=b"1", observation=None),  # type: ignore[arg-type]
    ],
)
async def test_nonsense_of_other_methods(answer: object) -> None:
    class Nonsensical(ToyHandler):
        async def create(self, request: object) -> object:  # type: ignore[override]
            return answer

        def delete(self, connection: object, name: object, meta: object, hint: object) -> object:  # type: ignore[override]
            return answer

        async def list(self, connection: object, owner: str) -> object:  # type: ignore[override]
            return [answer]

        async def logs(self, connection: object, meta: bytes, cursor: str) -> object:  # type: ignore[override]
            return LogPage(lines=(LogLine(text="x", at=float("inf")),), cursor="")

        async def results(self, connection: object, meta: bytes, cursor: str, limit: int) -> object:  # type: ignore[override]
            return ResultPage(columns=(Column(name="a", type="T"),), rows=((1, 2),))

        async def validate(self, request: object) -> object:  # type: ignore[override]
            return "fine"

    async with hosting(Nonsensical(ToySystem())) as rig:
        for given in (
            await rig.host.create(job(task())),
            await rig.host.delete("toy", "toys", NAME, None, b""),
            await rig.host.list("toy", "toys", "us"),
            await rig.host.logs("toy", "toys", b"1", ""),
            await rig.host.results("toy", "toys", b"1", "", 1),
            await rig.host.validate(job(task())),
        ):
            assert fault(given).reason == "HANDLER_ANSWERED_NONSENSE"


@pytest.mark.parametrize(
    "text",
    [
        "401 for GET https://x/?access_token=SECRET&y=1",
        "Authorization: Bearer SECRETSECRET",
        'body {"client_secret": "SECRET"}',
        "cannot reach postgres://me:SECRET@db/x",
        "-----BEGIN RSA PRIVATE KEY-----\nSECRET\n-----END RSA PRIVATE KEY-----",
        "x" * 400 + "SECRET",
    ],
)
async def test_what_a_handler_raises_is_shown_short_and_without_credentials(text: str) -> None:
    class Raising(ToyHandler):
        async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            raise RuntimeError(text)

    async with hosting(Raising(ToySystem())) as rig:
        seen = fault(await rig.host.find("toy", "toys", NAME, b""))
        assert seen.message.startswith("RuntimeError: ")
        assert "SECRET" not in seen.message
        assert len(seen.message) <= 320


def test_plain_text_stays_as_it_is() -> None:
    assert short("Syntax error: unexpected token at [3:1]") == "Syntax error: unexpected token at [3:1]"


@pytest.mark.parametrize(("size", "is_taken"), [(1500, True), (1501, False)])
async def test_a_meta_may_be_as_long_as_its_handler_says(size: int, is_taken: bool) -> None:
    class Wordy(ToyHandler):
        meta_limit: ClassVar[int] = 1500

        async def create(self, request: CreateRequest[ToySpec]) -> Job:
            return Job(meta=b"x" * size, observation=RUNNING)

    async with hosting(Wordy(ToySystem())) as rig:
        answer = await rig.host.create(job(task()))
        assert isinstance(answer, Job) is is_taken
