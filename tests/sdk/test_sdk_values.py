"""Verdicts, the spec's shaping of wire values, and the toy system's own behaviour."""

from __future__ import annotations

import asyncio
import enum
from typing import Annotated

import pydantic
import pytest

from propwash.sdk import NotFound, Permanent, Retryable, Spec, Throttled, Unavailable, Verdict
from propwash.sdk.shaping import shape
from propwash.sdk.testing import ToyFault, ToyHandler, ToyState, ToySystem, toy_harness
from propwash.sdk.testing.toy_system import ToyError


@pytest.mark.parametrize("kind", [Permanent, Retryable, Throttled, Unavailable])
def test_a_verdict_has_a_reason_and_a_message(kind: type[Verdict]) -> None:
    verdict = kind("NO_SPACE_2", "the disk is full")
    assert (verdict.reason, verdict.message, str(verdict)) == (
        "NO_SPACE_2",
        "the disk is full",
        "the disk is full",
    )


@pytest.mark.parametrize("reason", ["", "lower", "2_FIRST", "A-B", "A" * 64, "A B", "A\n"])
def test_a_reason_of_another_form_is_refused(reason: str) -> None:
    with pytest.raises(ValueError, match="UPPER_SNAKE_CASE"):
        Permanent(reason, "m")


def test_throttled_and_not_found_have_their_own() -> None:
    assert Throttled("SLOW", "m", retry_after_s=2.0).retry_after_s == 2.0
    assert Throttled("SLOW", "m").retry_after_s is None
    assert NotFound().reason == "NOT_FOUND"


class Size(enum.Enum):
    SMALL = "small"


class Part(Spec):
    ids: tuple[int, ...]


@pytest.mark.parametrize(
    ("annotation", "value", "shaped"),
    [
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, tuple[str, ...]], [1, ["a"]], (1, ("a",))),
        (tuple[int, int], [1, 2, 3], (1, 2, 3)),
        (list[int], (1, 2), [1, 2]),
        (list, (1, 2), [1, 2]),
        (set[str], ["a", "a"], {"a"}),
        (frozenset[Size], ["small"], frozenset({Size.SMALL})),
        (set[object], [[1]], [[1]]),
        (tuple[int, ...] | None, [1], (1,)),
        (Annotated[tuple[int, ...], "note"], [1], (1,)),
        (Annotated[tuple[int, ...], "note"] | None, [1], (1,)),
        (dict[str, tuple[int, ...]], {"a": [1]}, {"a": (1,)}),
        (Size, "small", Size.SMALL),
        (Size | None, "small", Size.SMALL),
        (Annotated[Size, ["a note without a hash"]], "small", Size.SMALL),
        (Annotated[str, ["a note without a hash"]], "a", "a"),
        (Size, "huge", "huge"),
        (Size, Size.SMALL, Size.SMALL),
        (int, [1], [1]),
        (str, "a", "a"),
        (object, {"a": [1]}, {"a": [1]}),
    ],
)
def test_wire_values_get_the_annotated_container(annotation: object, value: object, shaped: object) -> None:
    assert shape(annotation, value) == shaped
    assert type(shape(annotation, value)) is type(shaped)


def test_nested_specs_are_shaped_and_stay_strict() -> None:
    class Whole(Spec):
        parts: tuple[Part, ...]

    assert Whole.model_validate({"parts": [{"ids": [1]}]}).parts[0].ids == (1,)
    with pytest.raises(pydantic.ValidationError):
        Whole.model_validate({"parts": [{"ids": ["1"]}]})
    with pytest.raises(pydantic.ValidationError):
        Whole.model_validate("parts")


async def test_a_late_create_appears_later_and_once() -> None:
    system = ToySystem()
    system.plan("submit", ToyFault.LATE, late_s=5.0)
    with pytest.raises(ConnectionResetError):
        system.submit(system.key, name="a", owner="us", duration_s=10.0, ending="succeed")
    assert system.lookup(system.key, name="a") == []
    system.advance(5.0)
    (job,) = system.lookup(system.key, name="a")
    assert job.state(system.time()) is ToyState.ACTIVE
    with pytest.raises(ToyError) as raised:
        system.submit(system.key, name="a", owner="us", duration_s=1.0, ending="succeed")
    assert raised.value.status == 409


async def test_a_held_operation_waits_for_its_gate() -> None:
    system = ToySystem()
    gate = system.hold("submit")
    harness = toy_harness(system, ToyHandler(system))
    call = asyncio.create_task(harness.create(harness.new_request(harness.quick)))
    await gate.reached.wait()
    assert not system.ledger()
    gate.open()
    await call
    assert len(system.ledger()) == 1


def test_a_vanished_job_stays_in_the_ledger() -> None:
    system = ToySystem()
    job = system.submit(system.key, name="a", owner="us", duration_s=10.0, ending="succeed")
    system.vanish("a")
    assert system.describe(system.key, numbers=[job.number]) == {}
    assert system.live_jobs() == ()
    assert len(system.ledger()) == 1
    with pytest.raises(ToyError) as raised:
        system.cancel("wrong", number=job.number)
    assert raised.value.status == 401
