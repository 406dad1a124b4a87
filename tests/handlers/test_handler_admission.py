"""A request is admitted or refused with the reason and the path of each wrong field."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable
from typing import ClassVar

import pydantic
import pytest

from propwash.core.model import Fault, FaultKind
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.ports import FieldFault, Refused
from propwash.sdk import (
    Claim,
    Connection,
    Link,
    Spec,
)
from propwash.sdk.testing import PlainToyHandler, ToyHandler, ToySpec, ToySystem
from tests.handlers.handler_rig import NAME, hosting, job, task


def refused(host_call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as raised:
        host_call()
    return raised.value


def fault(answer: object) -> Fault:
    assert isinstance(answer, Fault), answer
    return answer


class Colour(enum.Enum):
    RED = "red"


class Parameter(Spec):
    name: str
    value: int | str = 0


class RichSpec(ToySpec):
    query: str
    parameters: tuple[Parameter, ...] = ()
    colours: frozenset[Colour] = frozenset()
    tags: list[str] | None = None
    limits: dict[str, tuple[int, ...]] = pydantic.Field(default={}, alias="bounds")
    at: dt.datetime | None = None

    @pydantic.field_validator("query")
    @classmethod
    def _not_cursed(cls, query: str) -> str:
        if query == "exit":
            raise SystemExit(1)
        return query


class RichHandler(ToyHandler):
    task_types: ClassVar[tuple[str, ...]] = ("rich", "richer")
    spec_type: ClassVar[type[Spec]] = RichSpec
    batch_size: ClassVar[int] = 7


async def test_admission_fills_in_what_the_handler_says() -> None:
    class Hinting(ToyHandler):
        def hint(self, connection: Connection, spec: ToySpec) -> bytes:
            return connection.name.encode()

    async with hosting(Hinting(ToySystem())) as rig:
        admission = rig.admit(task(pool="heavy"))
        assert admission.connection == "toys"
        assert admission.default_claims == (Claim(pool="heavy"),)
        assert admission.claims == ()
        assert admission.hint == b"toys"
        assert admission.traits is Hinting.traits
        links = rig.host.links(task(), connection="toys", name=NAME)
        assert links == (Link(title="Toy console", uri=f"https://toy.example/jobs/{NAME}"),)


async def test_spec_takes_the_wires_lists_and_enum_values() -> None:
    async with hosting(RichHandler(ToySystem())) as rig:
        rig.admit(
            task(
                "rich",
                query="q",
                parameters=[{"name": "a"}, {"name": "b", "value": "x"}],
                colours=["red"],
                tags=("t",),
                bounds={"low": [1, 2]},
                at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            )
        )


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({}, "spec.query"),
        ({"query": 3}, "spec.query"),
        ({"query": "q", "quarry": 1}, "spec.quarry"),
        ({"query": "q", "duration_s": "1"}, "spec.duration_s"),
        ({"query": "q", "duration_s": -1.0}, "spec.duration_s"),
        ({"query": "q", "parameters": [{"name": "a"}, {"value": 1}]}, "spec.parameters[1].name"),
        ({"query": "q", "parameters": [{"name": "a", "value": 1.5}]}, "spec.parameters[0].value"),
        ({"query": "q", "parameters": "abc"}, "spec.parameters"),
        ({"query": "q", "colours": ["blue"]}, "spec.colours[0]"),
        ({"query": "q", "bounds": {"a b": [1, "2"]}}, "spec.bounds['a b'][1]"),
        ({"query": "q", "at": "2026-01-01"}, "spec.at"),
    ],
)
async def test_bad_spec_is_refused_with_the_fields_path(spec: dict[str, object], path: str) -> None:
    async with hosting(RichHandler(ToySystem())) as rig:
        error = refused(lambda: rig.admit(task("rich", **spec)))  # type: ignore[arg-type]
        assert error.reason == "INVALID_SPEC"
        assert [one.path for one in error.faults] == [path]
        assert error.message == f"{path}: {error.faults[0].message}"
        made = fault(await rig.host.create(job(task("rich", **spec))))  # type: ignore[arg-type]
        assert (made.kind, made.reason) == (FaultKind.PERMANENT, "INVALID_SPEC")
        assert not rig.recorder.calls


async def test_every_wrong_field_is_named_once() -> None:
    async with hosting(RichHandler(ToySystem())) as rig:
        error = refused(lambda: rig.admit(task("rich", query=1, x=2, y=3)))
        assert {one.path for one in error.faults} == {"spec.query", "spec.x", "spec.y"}
        assert error.message.endswith("(and 2 more)")


async def test_unknown_things_are_refused() -> None:
    async with hosting(ToyHandler(ToySystem()), object()) as rig:
        unknown = refused(lambda: rig.admit(task("toyish")))
        assert unknown.reason == "UNKNOWN_TASK_TYPE"
        assert unknown.message == "no handler serves task type 'toyish'; served are: toy"
        assert unknown.faults == (FieldFault(path="task_type", message=unknown.message),)
        broken = refused(lambda: rig.admit(task("toys")))
        assert broken.reason == "HANDLER_BROKEN"
        assert "does not derive from propwash.sdk.Handler" in broken.message
        elsewhere = refused(lambda: rig.admit(task(connection="mars")))
        assert elsewhere.reason == "UNKNOWN_CONNECTION"
        assert elsewhere.message == "plugin toys has no connection 'mars'; it has: toys"
        # What was admitted before a restart may have lost its handler or connection: that ends nothing.
        lost = fault(await rig.host.find("toyish", "toys", NAME, b""))
        assert (lost.kind, lost.reason) == (FaultKind.INTERNAL, "UNKNOWN_TASK_TYPE")
        lost = fault((await rig.host.get("toy", "mars", [b"1"]))[b"1"])
        assert (lost.kind, lost.reason) == (FaultKind.INTERNAL, "UNKNOWN_CONNECTION")
        assert rig.host.batch_size("toyish") == 1
        assert rig.host.handler_key("toyish") == "toyish"
        assert rig.host.links(task("toyish"), connection="", name=NAME) == ()


async def test_connections_are_those_of_the_plugin() -> None:
    configured = [
        ConfiguredConnection(plugin="toys", connection=Connection(name="near")),
        ConfiguredConnection(plugin="toys", connection=Connection(name="far"), is_default=True),
        ConfiguredConnection(plugin="ghosts", connection=Connection(name="beyond")),
    ]
    async with hosting(RichHandler(ToySystem()), ToyHandler(ToySystem()), connections=configured) as rig:
        assert rig.admit(task()).connection == "far"
        assert rig.admit(task(connection="near")).connection == "near"
        assert refused(lambda: rig.admit(task(connection="beyond"))).reason == "UNKNOWN_CONNECTION"
        assert rig.host.connections() == (("rich", "near"), ("rich", "far"), ("toy", "near"), ("toy", "far"))
        assert rig.host.handler_key("rich") == rig.host.handler_key("richer") != rig.host.handler_key("toy")
        assert rig.host.batch_size("richer") == 7
        assert [message for message, _ in rig.recorder.troubles] == [
            "connections.beyond.plugin: plugin ghosts is not installed; installed are: toys"
        ]


def test_connections_without_a_default_or_with_two() -> None:
    near = ConfiguredConnection(plugin="toys", connection=Connection(name="near"))
    far = ConfiguredConnection(plugin="toys", connection=Connection(name="far"))
    with pytest.raises(Refused, match="several connections, name one of them: far, near"):
        Connections([near, far]).pick("toys", "", project="p", domain="d")
    assert Connections([near]).pick("toys", "", project="p", domain="d") == near.connection
    with pytest.raises(ValueError, match="two connections have the name 'near'"):
        Connections([near, near])
    default = [
        ConfiguredConnection(plugin="toys", connection=Connection(name=name), is_default=True)
        for name in "ab"
    ]
    with pytest.raises(ValueError, match="plugin toys has two default connections: a, b"):
        Connections(default)


@pytest.mark.parametrize(
    ("claims", "hint", "said"),
    [
        ([Claim(pool="a", units=0)], b"", "claims answered nonsense: a claim of 0 units"),
        ([Claim(pool="a"), Claim(pool="a")], b"", "claims names a pool twice"),
        ([Claim(pool="a b")], b"", "claims answered nonsense: 'a b' is no pool's name"),
        (3, b"", "claims answered int in place of a sequence"),
        ([], b"x" * 257, "one of more than 256 bytes"),
        ([], "x", "a hint of type str"),
        ([], SystemExit("no"), "hint raised SystemExit: no"),
    ],
)
async def test_nonsense_at_admission_breaks_nothing_else(claims: object, hint: object, said: str) -> None:
    class Nonsensical(ToyHandler):
        def claims(self, connection: object, spec: object) -> object:  # type: ignore[override]
            return claims

        def hint(self, connection: object, spec: object) -> object:  # type: ignore[override]
            if isinstance(hint, BaseException):
                raise hint
            return hint

        def links(self, connection: object, name: object, spec: object) -> object:  # type: ignore[override]
            raise SystemExit(1)

    async with hosting(Nonsensical(ToySystem()), PlainToyHandler(ToySystem())) as rig:
        error = refused(lambda: rig.admit(task()))
        assert error.reason == "HANDLER_BROKEN"
        assert said in error.message
        assert rig.host.links(task(), connection="toys", name=NAME) == ()
        assert rig.admit(task("plain_toy"))


async def test_a_validator_that_exits_breaks_only_its_request() -> None:
    async with hosting(RichHandler(ToySystem())) as rig:
        assert refused(lambda: rig.admit(task("rich", query="exit"))).reason == "HANDLER_BROKEN"
        assert rig.admit(task("rich", query="stay"))
