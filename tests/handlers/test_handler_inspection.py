"""The check of a connection: every handler's steps, each once, and whatever a check does becomes a step."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import pydantic
import pytest

from propwash.handlers.connections import ConfiguredConnection
from propwash.handlers.inspection import CheckedConnection
from propwash.handlers.options import HostOptions
from propwash.sdk import Checked, Connection, NotFound, Permanent, Throttled, Unavailable
from propwash.sdk.testing import PlainToyHandler, ToyHandler, ToySystem
from tests.handlers.handler_rig import hosting

NEAR = ConfiguredConnection(plugin="toys", connection=Connection(name="near"))
GOOD = Checked(what="token", is_ok=True, message="the token is good")


class Answering(PlainToyHandler):
    """Its check answers, or raises, what it is given."""

    task_types: ClassVar[tuple[str, ...]] = ("answering",)

    def __init__(self, answer: object, *task_types: str) -> None:
        super().__init__(ToySystem())
        if task_types:
            setattr(self, "task_types", task_types)  # noqa: B010  a class variable for mypy
        self.answer = answer

    def check(self, connection: Connection) -> Sequence[Checked]:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[return-value]


async def checked(*handlers: object, configured: ConfiguredConnection = NEAR) -> CheckedConnection:
    async with hosting(*handlers, connections=[configured]) as rig:
        return await rig.host.inspector.check(configured)


async def test_a_connection_that_works() -> None:
    found = await checked(ToyHandler(ToySystem()))
    assert found.is_ok
    (step,) = found.steps
    assert step.checked == Checked(what="list jobs", is_ok=True, message="the toy answers")
    assert step.task_types == ("toy",)
    assert found.unchecked == ()


async def test_wrong_credentials_and_what_to_do_about_them() -> None:
    found = await checked(ToyHandler(ToySystem(), key="wrong"))
    assert not found.is_ok
    (step,) = found.steps
    assert step.checked.message.startswith("KEY_REFUSED: ")
    assert step.checked.remedy == "give the toy its key"


async def test_equal_steps_of_several_handlers_are_one() -> None:
    other = Checked(what="bucket", is_ok=False, message="not there", remedy="make it")
    found = await checked(
        Answering([GOOD], "a"),
        Answering((GOOD, other), "b", "c"),
        ToyHandler(ToySystem()),
        PlainToyHandler(ToySystem()),
    )
    assert not found.is_ok
    assert [(step.checked.what, step.task_types) for step in found.steps] == [
        ("token", ("a", "b", "c")),
        ("bucket", ("b", "c")),
        ("list jobs", ("toy",)),
    ]
    assert found.unchecked == ("plain_toy",)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Unavailable("DOWN", "no answer"), "DOWN: no answer"),
        (Permanent("NO_ACCESS", "may not"), "NO_ACCESS: may not"),
        (Throttled("SLOW", "too many"), "SLOW: too many"),
        (NotFound("no such project"), "NOT_FOUND: no such project"),
        (RuntimeError("password=hunter2hunter2"), "HANDLER_RAISED: RuntimeError: password=[redacted]"),
        (SystemExit(3), "HANDLER_RAISED: SystemExit: 3"),
        ((), "HANDLER_ANSWERED_NONSENSE: check answered no step"),
        ("ok", "HANDLER_ANSWERED_NONSENSE: check answered str in place of a sequence"),
        ([("token", True)], "HANDLER_ANSWERED_NONSENSE: check answered an item of type tuple"),
        ([Checked(what="", is_ok=True)], "HANDLER_ANSWERED_NONSENSE: check answered a step without a name"),
    ],
)
async def test_whatever_a_check_does_is_a_failed_step(answer: object, said: str) -> None:
    found = await checked(Answering(answer))
    assert not found.is_ok
    (step,) = found.steps
    assert (step.checked.what, step.checked.is_ok) == ("check", False)
    assert step.checked.message.startswith(said)
    assert "hunter2" not in repr(found)


async def test_what_looks_like_a_credential_is_taken_out_of_every_text() -> None:
    step = Checked(
        what="sign in", is_ok=False, message="sent Bearer abcdefghijklmnop", remedy="mend token=abcdefgh"
    )
    found = await checked(Answering([step]))
    assert "abcdefgh" not in repr(found)


async def test_a_check_that_hangs_is_given_up() -> None:
    class Hanging(ToyHandler):
        async def check(self, connection: Connection) -> Sequence[Checked]:
            await asyncio.Event().wait()
            raise AssertionError

    options = HostOptions(deadlines_s={"check": 0.01}, grace_s=0.01)
    async with hosting(Hanging(ToySystem()), connections=[NEAR], options=options) as rig:
        found = await rig.host.inspector.check(NEAR)
        assert found.steps[0].checked.message.startswith(
            "DEADLINE_EXCEEDED: check of plugin toys gave no answer"
        )


async def test_settings_that_do_not_hold_are_not_tried() -> None:
    class Settings(pydantic.BaseModel):
        project: str

    class Strict(ToyHandler):
        settings_type: ClassVar[type[pydantic.BaseModel] | None] = Settings

    system = ToySystem()
    found = await checked(Strict(system))
    assert [step.checked for step in found.steps] == [
        Checked(
            what="settings.project", is_ok=False, message="Field required", remedy="mend the configuration"
        )
    ]
    assert system.calls == {}


async def test_a_plugin_that_is_not_there() -> None:
    ghost = ConfiguredConnection(plugin="ghosts", connection=Connection(name="beyond"))
    found = await checked(ToyHandler(ToySystem()), configured=ghost)
    assert not found.is_ok
    assert found.steps[0].checked.message == "plugin ghosts is not installed; installed are: toys"


async def test_connections_are_those_configured_or_those_that_plugins_have_anyway() -> None:
    handlers = (ToyHandler(ToySystem()), PlainToyHandler(ToySystem()))
    async with hosting(*handlers, apart=True, connections=[NEAR]) as rig:
        assert [one.connection.name for one in rig.host.inspector.connections()] == ["near"]
        assert [one.connection.name for one in rig.host.inspector.implied()] == ["toys1"]
    async with hosting(*handlers, apart=True) as rig:
        assert [one.connection.name for one in rig.host.inspector.connections()] == ["toys", "toys1"]


async def test_a_connection_that_a_handler_cannot_use_is_not_swept() -> None:
    class Settings(pydantic.BaseModel):
        project: str

    class Strict(ToyHandler):
        settings_type: ClassVar[type[pydantic.BaseModel] | None] = Settings

    async with hosting(Strict(ToySystem()), PlainToyHandler(ToySystem()), connections=[NEAR]) as rig:
        assert rig.host.connections() == (("plain_toy", "near"),)
