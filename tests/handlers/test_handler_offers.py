"""What connections offer to Flyte: asked every so often, kept while nobody answers, and never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from propwash.core.model import Traits
from propwash.handlers.connections import ConfiguredConnection, Scope
from propwash.handlers.options import HostOptions
from propwash.ports import NotAccepting, Refused
from propwash.sdk import (
    Connection,
    FlyteDialect,
    FlyteDone,
    FlyteJob,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    FlyteType,
    Json,
    Unavailable,
)
from propwash.sdk.testing import ToyHandler, ToySystem
from tests.engine.virtual_time import LoopClock, run
from tests.handlers.handler_rig import Rig, hosting, task


class ToyTasks:
    """Of a handler's own task types."""

    def request(self, task: FlyteTask) -> FlyteRequest:
        return FlyteRequest(spec={"pool": f"{task.task_type} {task.is_sync}"})

    def outputs(self, done: FlyteDone) -> FlyteOutputs:
        return {}

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:
        return FlyteJob(meta=b"7", request=FlyteRequest(spec={})) if meta else None


class ToyRelay(ToyTasks):
    def adopted_as_it_is(self, offered: FlyteType, meta: bytes) -> FlyteJob | None:
        return FlyteJob(meta=meta, request=FlyteRequest(spec={"pool": f"{offered.name} {offered.version}"}))


class OwnHandler(ToyHandler):
    task_types: ClassVar[tuple[str, ...]] = ("own",)
    flyte: ClassVar[FlyteDialect | None] = ToyTasks()


class RelayHandler(ToyHandler):
    """Offers what a test says, by connection; an exception is raised."""

    task_types: ClassVar[tuple[str, ...]] = ("relay",)
    flyte: ClassVar[FlyteDialect | None] = ToyRelay()
    answers_within_s: ClassVar[float | None] = 8.0

    def __init__(self, **told: Any) -> None:
        super().__init__(ToySystem())
        self.told = told
        self.stated: Sequence[FlyteType] = ()
        self.asked: list[str] = []

    async def flyte_types(self, connection: Connection) -> Sequence[FlyteType]:
        self.asked.append(connection.name)
        told = self.told[connection.name]
        if told is None:
            await asyncio.Event().wait()
        if isinstance(told, Exception):
            raise told
        answer: Sequence[FlyteType] = told
        return answer

    def stated_flyte_types(self, connection: Connection) -> Sequence[FlyteType]:
        return self.stated


DOWN = Unavailable("TOY_DOWN", "the toy is down")


def kinds(*names: str) -> list[FlyteType]:
    return [FlyteType(name=name) for name in names]


def connection(name: str, plugin: str = "toys", **more: Any) -> ConfiguredConnection:
    return ConfiguredConnection(plugin=plugin, connection=Connection(name=name), **more)


def names(rig: Rig) -> list[str]:
    return [one.name for one in rig.host.flyte.types()]


def asked(rig: Rig, task_type: str, *, project: str = "sales", domain: str = "prod") -> tuple[str, str, str]:
    request = rig.host.flyte.request(FlyteTask(task_type=task_type), project=project, domain=domain)
    return request.task_type, request.connection, str(request.spec["pool"])


def test_what_is_offered_is_asked_every_ten_seconds_and_kept_while_nobody_answers() -> None:
    async def play() -> None:
        clock, handler = LoopClock(), RelayHandler(a=kinds("spark", "airflow"))
        async with hosting(handler, connections=[connection("a")], clock=clock) as rig:
            assert names(rig) == []
            await clock.sleep_until(clock.now() + 1.0)
            assert names(rig) == ["airflow", "spark"]
            handler.told["a"] = DOWN
            await clock.sleep_until(clock.now() + 60.0)
            assert names(rig) == ["airflow", "spark"]
            assert len(handler.asked) == 7
            assert [message for message, _ in rig.recorder.troubles] == [
                "connection a of plugin toys does not say what it offers: TOY_DOWN: the toy is down; "
                "what it said last is offered"
            ]
            handler.told["a"] = kinds("spark", "slurm")
            await clock.sleep_until(clock.now() + 10.0)
            assert names(rig) == ["slurm", "spark"]
            # No longer listed, but what was begun before still has to be known.
            assert asked(rig, "airflow")[:2] == ("relay", "a")
            assert [message for message, _ in rig.recorder.troubles][1:] == [
                "connection a of plugin toys says what it offers again"
            ]
        count = len(handler.asked)
        await clock.sleep_until(clock.now() + 60.0)
        assert len(handler.asked) == count

    run(play())


def test_an_upstream_that_hangs_holds_nobody_up() -> None:
    async def play() -> None:
        clock, handler = LoopClock(), RelayHandler(a=None, b=kinds("spark"))
        options = HostOptions(deadlines_s={"flyte_types": 3.0})
        connections = [connection("a"), connection("b")]
        async with hosting(handler, connections=connections, clock=clock, options=options) as rig:
            await clock.sleep_until(clock.now() + 0.5)
            assert names(rig) == ["spark"]
            await clock.sleep_until(clock.now() + 5.0)
            ((message, fields),) = rig.recorder.troubles
            assert "DEADLINE_EXCEEDED" in message
            assert fields["connection"] == "a"

    run(play())


def test_what_is_stated_is_offered_before_any_answer_and_goes_on() -> None:
    async def play() -> None:
        clock, handler = LoopClock(), RelayHandler(a=DOWN)
        handler.stated = [FlyteType(name="chatgpt"), FlyteType(name="spark")]
        async with hosting(handler, connections=[connection("a")], clock=clock) as rig:
            assert names(rig) == ["chatgpt", "spark"]
            assert asked(rig, "spark") == ("relay", "a", "spark False")
            # What else there is nobody knows yet: that is no refusal for good.
            with pytest.raises(NotAccepting, match="a did not say"):
                asked(rig, "slurm")
            handler.told["a"] = [FlyteType(name="chatgpt", is_sync=True)]
            await clock.sleep_until(clock.now() + 11.0)
            assert names(rig) == ["chatgpt", "spark"]
            assert asked(rig, "chatgpt") == ("relay", "a", "chatgpt True")
            assert rig.host.flyte.answers_within_s("chatgpt") == 8.0
            assert rig.host.flyte.answers_within_s("spark") is None
            assert rig.host.flyte.is_passed_on("spark")
            with pytest.raises(Refused, match="served are: chatgpt, spark"):
                asked(rig, "slurm")

    run(play())


def test_a_handler_s_own_task_type_goes_before_an_offered_one() -> None:
    async def play() -> None:
        clock = LoopClock()
        own, relay = (
            OwnHandler(ToySystem()),
            RelayHandler(a=[FlyteType(name="own", version=3), *kinds("spark")]),
        )
        async with hosting(
            own, relay, connections=[connection("a", "toys1")], apart=True, clock=clock
        ) as rig:
            await clock.sleep_until(clock.now() + 1.0)
            assert [(one.name, one.version) for one in rig.host.flyte.types()] == [("own", 0), ("spark", 0)]
            assert asked(rig, "own") == ("own", "toys", "own False")
            assert not rig.host.flyte.is_passed_on("own")

    run(play())


def test_of_two_connections_that_offer_a_type_the_project_s_default_is_chosen() -> None:
    async def play() -> None:
        clock = LoopClock()
        handler = RelayHandler(a=kinds("spark", "slurm"), b=kinds("spark"), c=kinds("slurm"))
        connections = [
            connection("a", is_default=True),
            connection("b", defaults_for=(Scope(project="sales"),)),
            connection("c", only_for=(Scope(project="lab"),)),
        ]
        async with hosting(handler, connections=connections, clock=clock) as rig:
            await clock.sleep_until(clock.now() + 1.0)
            assert asked(rig, "spark")[1] == "b"
            assert asked(rig, "spark", project="other")[1] == "a"
            # The default does not offer it, and another may not be used.
            assert asked(rig, "slurm")[1] == "a"
            assert asked(rig, "slurm", project="lab")[1] == "a"
            handler.told["a"] = kinds("spark")
            await clock.sleep_until(clock.now() + 10.0)
            assert asked(rig, "slurm", project="lab")[1] == "c"
            with pytest.raises(Refused, match="no connections of plugin toys are for this project"):
                asked(rig, "slurm")

    run(play())


def test_a_meta_of_any_bytes_is_adopted_for_an_offered_type_alone() -> None:
    async def play() -> None:
        clock = LoopClock()
        own, relay = OwnHandler(ToySystem()), RelayHandler(a=[FlyteType(name="spark", version=2)])
        async with hosting(
            own, relay, connections=[connection("a", "toys1")], apart=True, clock=clock
        ) as rig:
            with pytest.raises(NotAccepting):
                rig.host.flyte.adopted("spark", {}, b"\x80\x05.", project="p", domain="d")
            await clock.sleep_until(clock.now() + 1.0)
            found = rig.host.flyte.adopted("spark", {}, b"\x80\x05.", project="p", domain="d")
            assert found is not None
            request, job = found
            assert job is not None
            assert (request.task_type, request.spec, job.meta) == ("relay", {"pool": "spark 2"}, b"\x80\x05.")
            assert rig.host.flyte.adopted("own", {}, b"\x80\x05.", project="p", domain="d") is None
            assert rig.host.flyte.adopted("own", {"a": 1}, b'{"a": 1}', project="p", domain="d") is not None
            assert rig.host.flyte.adopted("slurm", {}, b"x", project="p", domain="d") is None

    run(play())


@pytest.mark.parametrize(
    "answer",
    ["spark", [1], [FlyteType(name="")], [FlyteType(name="x", version=-1)], kinds(*map(str, range(1001)))],
)
def test_an_answer_that_is_none_changes_nothing(answer: Any) -> None:
    async def play() -> None:
        clock, handler = LoopClock(), RelayHandler(a=kinds("spark"))
        async with hosting(handler, connections=[connection("a")], clock=clock) as rig:
            await clock.sleep_until(clock.now() + 1.0)
            handler.told["a"] = answer
            await clock.sleep_until(clock.now() + 10.0)
            assert names(rig) == ["spark"]
            assert "HANDLER_ANSWERED_NONSENSE" in rig.recorder.troubles[0][0]

    run(play())


def test_of_a_type_that_is_told_twice_the_first_counts() -> None:
    async def play() -> None:
        clock = LoopClock()
        handler = RelayHandler(a=[FlyteType(name="spark"), FlyteType(name="spark", version=1)])
        async with hosting(handler, connections=[connection("a")], clock=clock) as rig:
            await clock.sleep_until(clock.now() + 1.0)
            assert rig.host.flyte.types() == (FlyteType(name="spark"),)

    run(play())


class Apart(ToyHandler):
    """A handler whose connections lead to different systems."""

    def traits_of(self, connection: Connection) -> Traits:
        match connection.name:
            case "broken":
                raise KeyError("x")
            case "nonsense":
                return Traits(settle_s=-1.0)
            case name:
                return Traits(settle_s=3.0, can_look_up=name != "a")


def test_traits_are_the_connection_s() -> None:
    async def play() -> None:
        connections = [
            connection("a"),
            connection("b", settle_s=9.0),
            connection("broken"),
            connection("nonsense"),
        ]
        async with hosting(Apart(ToySystem()), connections=connections) as rig:
            assert rig.admit(task(connection="a")).traits == Traits(settle_s=3.0, can_look_up=False)
            assert rig.admit(task(connection="b")).traits == Traits(settle_s=9.0)
            for name in ("broken", "nonsense"):
                with pytest.raises(Refused, match="traits_of"):
                    rig.admit(task(connection=name))

    run(play())
