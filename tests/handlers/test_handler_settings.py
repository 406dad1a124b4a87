"""Settings are checked by the handlers' models before any call, and nothing of them is shown."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import pydantic
import pytest

from propwash.core.model import Fault, FaultKind, Json
from propwash.handlers.connections import ConfiguredConnection
from propwash.sdk import Claim, Connection, Link, RemoteName, SecretRef, Unavailable, pool_name
from propwash.sdk.testing import PlainToyHandler, ToyHandler, ToySpec, ToySystem
from tests.handlers.handler_rig import NAME, Rig, hosting, job, task

SECRET = "hunter2-hunter2"


class ToySettings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    project: str = pydantic.Field(min_length=3)
    password: SecretRef | None = None
    size: int = 1
    region: Literal["near", "far"] = "near"
    auth: Key | Token | None = pydantic.Field(default=None, discriminator="kind")

    @pydantic.field_validator("project")
    @classmethod
    def _not_cursed(cls, project: str) -> str:
        if project == "cursed":
            raise RuntimeError(project)
        if project.startswith("bad"):
            raise ValueError(f"{project} is no project")
        return project


class Key(pydantic.BaseModel):
    kind: Literal["key"]
    file: SecretRef


class Token(pydantic.BaseModel):
    kind: Literal["token"]
    token: SecretRef


ToySettings.model_rebuild()


class OtherSettings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    project: str
    queue: str = ""


class Configured(ToyHandler):
    settings_type: ClassVar[type[pydantic.BaseModel] | None] = ToySettings

    def hint(self, connection: Connection, spec: ToySpec) -> bytes:
        return ToySettings.model_validate(dict(connection.settings)).project.encode()

    def claims(self, connection: Connection, spec: ToySpec) -> Sequence[Claim]:
        return (Claim(pool=pool_name(ToySettings.model_validate(dict(connection.settings)).project)),)


class Other(PlainToyHandler):
    settings_type: ClassVar[type[pydantic.BaseModel] | None] = OtherSettings


def toys(**settings: Json) -> ConfiguredConnection:
    return ConfiguredConnection(plugin="toys", connection=Connection(name="near", settings=settings))


def lines(rig: Rig) -> list[str]:
    return [str(fault) for fault in rig.host.inspector.faults()]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "connections.near.settings.project: Field required"),
        ({"project": "ab"}, "connections.near.settings.project: String should have at least 3 characters"),
        (
            {"project": "demo", "size": SECRET},
            "connections.near.settings.size: Input should be a valid integer",
        ),
        (
            {"project": "demo", "regoin": SECRET},
            "connections.near.settings.regoin: Extra inputs are not permitted",
        ),
        (
            {"project": "demo", "region": SECRET},
            "connections.near.settings.region: Input should be 'near' or 'far'",
        ),
        (
            {"project": "demo", "password": SECRET},
            "connections.near.settings.password: write env:NAME or file:/absolute/path; the secret itself never "
            "stands here",
        ),
        ({"project": f"bad-{SECRET}"}, "connections.near.settings.project: [not shown] is no project"),
        (
            {"project": "demo", "auth": {"kind": SECRET}},
            "connections.near.settings.auth: Input tag '[not shown]' found using 'kind'",
        ),
        (
            {"project": "demo", "auth": {"kind": "key", "file": SECRET}},
            "connections.near.settings.auth.key.file: write env:NAME",
        ),
        (
            {"project": "demo", "password": (SECRET,)},
            "connections.near.settings.password: Input should be a valid",
        ),
        (
            {"project": "cursed"},
            "connections.near.settings: the plugin's own check of the settings raised RuntimeError",
        ),
    ],
)
async def test_a_fault_names_connection_and_field_and_shows_no_value(
    settings: Mapping[str, Json], line: str
) -> None:
    async with hosting(Configured(ToySystem()), connections=[toys(**settings)]) as rig:
        (said,) = lines(rig)
        assert said.startswith(line)
        assert [message for message, _ in rig.recorder.troubles] == [said]
        shown = json.dumps(rig.host.inspector.shown_settings(toys(**settings)))
        waits = await rig.host.create(job(task(), connection="near"))
        refused = await rig.host.validate(job(task(), connection="near"))
        for text in (said, shown, repr(waits), repr(refused), repr(rig.recorder.troubles)):
            assert SECRET not in text
            assert urllib.parse.quote(SECRET) not in text


async def test_every_fault_has_its_line() -> None:
    settings = toys(password=SECRET, size="x", more=1)
    async with hosting(Configured(ToySystem()), connections=[settings]) as rig:
        paths = [line.partition(": ")[0].rpartition(".")[2] for line in lines(rig)]
        assert sorted(paths) == ["more", "password", "project", "size"]


async def test_what_the_operator_can_mend_ends_nothing() -> None:
    system = ToySystem()
    async with hosting(Configured(system), connections=[toys()]) as rig:
        admitted = rig.admit(task())
        assert (admitted.connection, admitted.hint, admitted.default_claims) == ("near", b"", ())
        assert rig.host.links(task(), connection="near", name=NAME) == ()
        answers = (
            await rig.host.create(job(task(), connection="near")),
            await rig.host.find("toy", "near", NAME, b""),
            await rig.host.delete("toy", "near", NAME, None, b""),
            await rig.host.list("toy", "near", "us"),
            (await rig.host.get("toy", "near", [b"1"]))[b"1"],
            await rig.host.logs("toy", "near", b"1", ""),
        )
        for answer in answers:
            assert isinstance(answer, Fault)
            assert (answer.kind, answer.reason) == (FaultKind.UNAVAILABLE, "CONNECTION_INVALID")
            assert answer.message == "connections.near.settings.project: Field required"
        assert system.calls == {}
        # Who only asks whether it would work is told that it would not.
        told = await rig.host.validate(job(task(), connection="near"))
        assert isinstance(told, Fault)
        assert (told.kind, told.reason) == (FaultKind.PERMANENT, "CONNECTION_INVALID")


async def test_settings_that_hold_are_used() -> None:
    settings = toys(project="demo", password="env:TOY", auth={"kind": "token", "token": "file:/run/token"})
    async with hosting(Configured(ToySystem()), connections=[settings]) as rig:
        assert lines(rig) == []
        admitted = rig.admit(task())
        assert (admitted.hint, admitted.default_claims) == (b"demo", (Claim(pool="demo"),))
        assert not isinstance(await rig.host.create(job(task(), connection="near")), Fault)
        assert rig.host.inspector.shown_settings(settings) == dict(settings.connection.settings)


async def test_settings_are_in_order_where_one_handler_of_the_plugin_takes_them() -> None:
    handlers = (Configured(ToySystem()), Other(ToySystem()))
    async with hosting(*handlers, connections=[toys(project="demo", queue="q")]) as rig:
        assert lines(rig) == []
        assert rig.recorder.troubles == []
        # The one that does not take them has its executions wait, and the other works.
        waits = await rig.host.create(job(task(), connection="near"))
        assert isinstance(waits, Fault)
        assert waits.reason == "CONNECTION_INVALID"
        assert not isinstance(await rig.host.create(job(task("plain_toy"), connection="near")), Fault)
    async with hosting(*handlers, connections=[toys(queue="q")]) as rig:
        assert len(lines(rig)) == 2, "missing for both, told once; and the queue that the first does not know"


async def test_a_setting_that_no_model_takes_is_not_shown() -> None:
    given = toys(project="demo", size=SECRET, extra=SECRET)
    async with hosting(Configured(ToySystem()), connections=[given]) as rig:
        assert rig.host.inspector.shown_settings(given) == {
            "project": "demo",
            "size": "[not shown]",
            "extra": "[not shown]",
        }
    async with hosting(ToyHandler(ToySystem()), connections=[given]) as rig:
        assert set(rig.host.inspector.shown_settings(given).values()) == {"[not shown]"}


async def test_a_plugin_that_is_not_there_is_a_fault() -> None:
    ghost = ConfiguredConnection(plugin="ghosts", connection=Connection(name="beyond"))
    broken = ConfiguredConnection(plugin="toys1", connection=Connection(name="broken"))
    handlers = (ToyHandler(ToySystem()), object())
    async with hosting(*handlers, apart=True, connections=[ghost, broken]) as rig:
        told = lines(rig)
        assert (
            told[0] == "connections.beyond.plugin: plugin ghosts is not installed; installed are: toys, toys1"
        )
        assert told[1].startswith(
            "connections.broken.plugin: plugin toys1 is broken: an object of type object"
        )


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("limits", 5, "limits must be a propwash.sdk.CallLimits"),
        ("settings_type", dict, "settings_type must be a pydantic model or None, not <class 'dict'>"),
    ],
)
async def test_a_handler_that_says_nonsense_of_its_connections_does_not_serve(
    attribute: str, value: object, said: str
) -> None:
    odd = type("Odd", (ToyHandler,), {attribute: value})
    async with hosting(odd(ToySystem())) as rig:
        (info,) = rig.host.catalogue()
        assert not info.is_serving
        assert info.message == said


async def test_a_hint_that_the_connection_cannot_give_refuses_nobody() -> None:
    class Hintless(ToyHandler):
        def hint(self, connection: Connection, spec: ToySpec) -> bytes:
            raise Unavailable("CONNECTION_INVALID", "no region is set")

        def links(self, connection: Connection, name: RemoteName, spec: ToySpec) -> Sequence[Link]:
            raise Unavailable("CONNECTION_INVALID", "no region is set")

    async with hosting(Hintless(ToySystem())) as rig:
        assert rig.admit(task()).hint == b""
        assert rig.host.links(task(), connection="toys", name=NAME) == ()
        assert rig.recorder.troubles == []
