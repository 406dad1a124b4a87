"""Plugins are discovered and loaded each for itself: a broken one is listed by name and hurts no other."""

from __future__ import annotations

import importlib.metadata
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import pydantic
import pytest

from propwash.handlers.discovery import PluginSource, discover, given
from propwash.handlers.registry import Registry, load
from propwash.sdk import Handler, Job, Plugin, Spec, Traits
from propwash.sdk.testing import PlainToyHandler, ToyHandler, ToySpec, ToySystem


def good() -> Plugin:
    return Plugin(name="good", make=lambda: [ToyHandler(ToySystem())])


def source(name: str, load: Callable[[], object]) -> PluginSource:
    return PluginSource(name=name, distribution=f"{name} 1.0", load=load)


async def loaded_beside_good(bad: PluginSource) -> tuple[Registry, list[str]]:
    lines: list[str] = []
    registry = await load([bad, given(good())], report=lines.append, import_deadline_s=5.0)
    assert registry.served["toy"].plugin == "good"
    return registry, lines


def raising(error: BaseException) -> Callable[[], object]:
    def call() -> object:
        raise error

    return call


def making(*handlers: object) -> Callable[[], object]:
    return lambda: Plugin(name="bad", make=lambda: handlers)


def make_abstract() -> Sequence[object]:
    class Unfinished(Handler[ToySpec]):
        task_types: ClassVar[tuple[str, ...]] = ("unfinished",)
        spec_type: ClassVar[type[Spec]] = ToySpec

    return [Unfinished()]  # type: ignore[abstract]


class WithoutGet(PlainToyHandler):
    get_one = Handler.get_one  # type: ignore[assignment]


class NumberType(PlainToyHandler):
    task_types: ClassVar[tuple[str, ...]] = ("fine", 7)  # type: ignore[assignment]


class NoTypes(PlainToyHandler):
    task_types: ClassVar[tuple[str, ...]] = ()


class PydanticSpec(PlainToyHandler):
    spec_type: ClassVar[type[Spec]] = pydantic.BaseModel  # type: ignore[assignment]


class OpenSpec(ToySpec):
    model_config = pydantic.ConfigDict(extra="allow")


class WithOpenSpec(PlainToyHandler):
    spec_type: ClassVar[type[Spec]] = OpenSpec


class NanTraits(PlainToyHandler):
    traits: ClassVar[Traits] = Traits(settle_s=float("nan"))


class NoTraits(PlainToyHandler):
    traits: ClassVar[Traits] = {"settle_s": 3}  # type: ignore[assignment]


class ZeroBatch(PlainToyHandler):
    batch_size: ClassVar[int] = 0


class EndlessMetas(PlainToyHandler):
    meta_limit: ClassVar[int] = 1 << 20


class NarrowCreate(PlainToyHandler):
    def create(self) -> Job:  # type: ignore[override]
        raise AssertionError


class ClaimsBySpecAlone(PlainToyHandler):
    def claims(self, spec: object) -> object:  # type: ignore[override]
        return ()


class AsyncLinks(PlainToyHandler):
    async def links(self, connection: object, name: object, spec: object) -> object:  # type: ignore[override]
        return ()


class ExitsWhenLookedAt(PlainToyHandler):
    @property
    def batch_size(self) -> int:  # type: ignore[override]
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("load_it", "said"),
    [
        (raising(ValueError("boom")), "its import raised ValueError: boom"),
        (raising(SystemExit(1)), "its import raised SystemExit: 1"),
        (raising(KeyboardInterrupt()), "its import raised KeyboardInterrupt"),
        (raising(ValueError("password=hunter2 token: abc")), "password=[redacted] token: [redacted]"),
        (lambda: object(), "not a propwash.sdk.Plugin"),
        (lambda: Plugin(name="bad", make=lambda: sys.exit("bye")), "make() raised SystemExit: bye"),
        (
            lambda: Plugin(name="bad", make=lambda: "handlers"),
            "make() must answer a sequence of handlers, not str",
        ),
        (lambda: Plugin(name="bad", make=lambda: None), "not NoneType"),  # type: ignore[arg-type,return-value]
        (lambda: Plugin(name="bad", make=list), "make() answered no handler"),
        (
            lambda: Plugin(name="bad", make=make_abstract),
            "make() raised TypeError: Can't instantiate abstract class",
        ),
        (making(object()), "an object of type object does not derive from propwash.sdk.Handler"),
        (making(ToyHandler), "ToyHandler does not derive from propwash.sdk.Handler"),
        (making(WithoutGet(ToySystem())), "get or get_one must be overridden"),
        (making(NumberType(ToySystem())), "7 is no task type"),
        (making(NoTypes(ToySystem())), "task_types must be a tuple of at least one string"),
        (making(PydanticSpec(ToySystem())), "spec_type must be a subclass of propwash.sdk.Spec"),
        (making(WithOpenSpec(ToySystem())), "the spec must refuse unknown fields"),
        (making(NanTraits(ToySystem())), "must be finite numbers of seconds"),
        (making(NoTraits(ToySystem())), "traits must be a propwash.sdk.Traits"),
        (making(ZeroBatch(ToySystem())), "batch_size must be a positive integer, not 0"),
        (making(EndlessMetas(ToySystem())), "meta_limit must be an integer from 1 to 65536, not 1048576"),
        (making(NarrowCreate(ToySystem())), "create must take 1 arguments besides self"),
        (making(ClaimsBySpecAlone(ToySystem())), "claims must take 2 arguments besides self"),
        (making(AsyncLinks(ToySystem())), "links must be a plain def"),
        (making(ExitsWhenLookedAt(ToySystem())), "looking at it raised SystemExit: 3"),
    ],
)
async def test_broken_plugin_is_listed_and_isolated(load_it: Callable[[], object], said: str) -> None:
    registry, lines = await loaded_beside_good(source("bad", load_it))
    broken = [info for info in registry.infos if not info.is_serving]
    assert {info.plugin for info in broken} == {"bad"}
    assert said in broken[0].message
    assert broken[0].distribution == "bad 1.0"
    assert len(lines) == 1
    assert lines[0] == f"plugin bad is broken: {broken[0].message}"


async def test_a_task_type_is_served_by_the_first_and_breaks_the_second() -> None:
    second = Plugin(name="second", make=lambda: [ToyHandler(ToySystem()), PlainToyHandler(ToySystem())])
    registry = await load([given(good()), given(second)])
    assert registry.served["toy"].plugin == "good"
    assert registry.served["plain_toy"].plugin == "second"
    shown = [(info.task_type, info.plugin, info.is_serving) for info in registry.infos]
    assert shown == [("plain_toy", "second", True), ("toy", "good", True), ("toy", "second", False)]
    assert "task type toy is served by plugin good already" in registry.infos[2].message


async def test_a_second_plugin_of_one_name_is_broken() -> None:
    registry = await load([given(good()), given(good())])
    assert {info.message for info in registry.infos} == {"", "another plugin of this name was loaded before"}


async def test_a_hung_import_is_given_up() -> None:
    release = threading.Event()
    registry = await load([source("slow", lambda: release.wait(5)), given(good())], import_deadline_s=0.01)
    release.set()
    assert "toy" in registry.served
    assert registry.infos[0].message == "its import took longer than 0.01 s"


async def test_a_serving_handler_is_described() -> None:
    (info,) = (await load([given(good(), distribution="goods 2.0")])).infos
    assert (info.task_type, info.plugin, info.distribution, info.is_serving) == (
        "toy",
        "good",
        "goods 2.0",
        True,
    )
    assert info.description == "Jobs on a system in memory."
    assert info.spec_schema["additionalProperties"] is False
    assert not info.has_logs
    assert not info.has_results


@pytest.fixture
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., importlib.metadata.EntryPoint]:
    """Makes a distribution on the path, with one entry point, an extra and a module that imports what is
    missing.
    """

    def install(name: str, *, value: str, body: str) -> importlib.metadata.EntryPoint:
        (tmp_path / f"{value.partition(':')[0]}.py").write_text(body)
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\nProvides-Extra: cloud\n"
            'Requires-Dist: no-such-thing-client>=1; extra == "cloud"\n'
        )
        (info / "entry_points.txt").write_text(f"[propwash.handlers]\nskies = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        (entry_point,) = importlib.metadata.Distribution.at(info).entry_points
        return entry_point

    return install


async def test_a_missing_extra_is_named(installed: Callable[..., importlib.metadata.EntryPoint]) -> None:
    entry_point = installed("skies", value="skies_a:plugin", body="import no_such_thing.client\n")
    (info,) = (await load(discover([entry_point]))).infos
    assert info.message == "module no_such_thing is not installed; install the extra skies[cloud]"
    assert info.distribution == "skies 1.2"


async def test_a_missing_module_without_an_extra_is_named(
    installed: Callable[..., importlib.metadata.EntryPoint],
) -> None:
    entry_point = installed("skies", value="skies_b:plugin", body="import nowhere_to_be_found\n")
    (info,) = (await load(discover([entry_point]))).infos
    assert info.message == "module nowhere_to_be_found is not installed"


async def test_entry_points_are_discovered_and_served(
    installed: Callable[..., importlib.metadata.EntryPoint],
) -> None:
    body = (
        "from propwash.sdk import Plugin\nfrom propwash.sdk.testing import ToyHandler, ToySystem\n"
        "plugin = Plugin(name='skies', make=lambda: [ToyHandler(ToySystem())])\n"
    )
    installed("skies", value="skies_c:plugin", body=body)
    sources = [one for one in discover() if one.name == "skies"]
    registry = await load(sources)
    assert registry.served["toy"].plugin == "skies"


async def test_several_task_types_of_one_handler_share_its_key() -> None:
    class Both(PlainToyHandler):
        task_types: ClassVar[tuple[str, ...]] = ("one", "two")

    registry = await load([given(Plugin(name="both", make=lambda: [Both(ToySystem())]))])
    assert registry.served["one"].key == registry.served["two"].key
    assert len(registry.handlers) == 1
