"""Loads plugins, each for itself: one that cannot be loaded is listed as broken, by name, and hurts no
other.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from propwash.handlers.checking import complaints, overrides, task_types_of
from propwash.handlers.discovery import PluginSource
from propwash.handlers.faults import short
from propwash.ports import HandlerInfo
from propwash.sdk import Handler, Plugin, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A handler that serves, and where it comes from."""

    key: str
    """Of the handler object: its plugin and number there."""
    plugin: str
    handler: Handler[Spec]
    root: Path | None
    """The folder of the plugin's files; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What was loaded."""

    served: Mapping[str, Served] = field(default_factory=dict)
    """By task type."""
    infos: Sequence[HandlerInfo] = ()
    """Every task type and every broken plugin, by task type. A plugin whose task types are not known stands
    under its own name.
    """

    @property
    def handlers(self) -> Sequence[Served]:
        """Each handler object once."""
        return tuple({one.key: one for one in self.served.values()}.values())

    @property
    def plugins(self) -> frozenset[str]:
        """The names of the plugins that serve or would."""
        return frozenset(info.plugin for info in self.infos)

    def broken(self, task_type: str) -> HandlerInfo | None:
        """Why a task type is not served, where a broken plugin offers it."""
        return next((one for one in self.infos if one.task_type == task_type and not one.is_serving), None)


class _Broken(Exception):
    """A plugin or handler does not serve; the message says why."""


async def load(
    sources: Iterable[PluginSource],
    *,
    report: Callable[[str], None] = lambda _: None,
    import_deadline_s: float = 60.0,
) -> Registry:
    """Load in the given order; where two handlers offer one task type, the first serves and the second is
    broken.

    Each import runs in a thread of its own, so that a slow one neither stops the loop nor, past its deadline,
    the others. report gets one line for each thing that is broken.
    """
    loading = _Loading(report=report)
    for source in sources:
        try:
            if source.name in loading.names:
                raise _Broken("another plugin of this name was loaded before")
            loading.names.add(source.name)
            offered = await _offered(source, deadline_s=import_deadline_s)
        except _Broken as broken:
            loading.add_broken(source, task_types=(source.name,), message=str(broken))
            continue
        for number, handler in enumerate(offered):
            loading.add(source, number, handler)
    infos = sorted(loading.infos, key=lambda info: (info.task_type, not info.is_serving, info.plugin))
    return Registry(served=loading.served, infos=tuple(infos))


class _Loading:
    def __init__(self, *, report: Callable[[str], None]) -> None:
        self.names: set[str] = set()
        self.served: dict[str, Served] = {}
        self.infos: list[HandlerInfo] = []
        self._report = report

    def add(self, source: PluginSource, number: int, handler: object) -> None:
        task_types = task_types_of(handler)
        try:
            wrong = list(complaints(handler))
        except BaseException as error:  # noqa: BLE001  its attributes may be code, and raise anything
            wrong = [f"looking at it raised {_told(error)}"]
        for task_type in task_types:
            if task_type in self.served:
                wrong.append(
                    f"task type {task_type} is served by plugin {self.served[task_type].plugin} already"
                )
        if wrong or not isinstance(handler, Handler):
            self.add_broken(source, task_types=task_types or (source.name,), message="; ".join(wrong))
            return
        served = Served(
            key=f"{source.name}#{number}", plugin=source.name, handler=handler, root=_root_of(type(handler))
        )
        schema = handler.spec_type.model_json_schema()
        for task_type in task_types:
            self.served[task_type] = served
            self.infos.append(
                HandlerInfo(
                    task_type=task_type,
                    plugin=source.name,
                    distribution=source.distribution,
                    description=handler.description,
                    is_serving=True,
                    spec_schema=schema,
                    has_logs=overrides(handler, "logs"),
                    has_results=overrides(handler, "results"),
                )
            )

    def add_broken(self, source: PluginSource, *, task_types: Sequence[str], message: str) -> None:
        self._report(f"plugin {source.name} is broken: {message}")
        for task_type in task_types:
            self.infos.append(
                HandlerInfo(
                    task_type=task_type,
                    plugin=source.name,
                    distribution=source.distribution,
                    description="",
                    is_serving=False,
                    message=message,
                )
            )


async def _offered(source: PluginSource, *, deadline_s: float) -> Sequence[object]:
    plugin = await _imported(source, deadline_s=deadline_s)
    if not isinstance(plugin, Plugin):
        raise _Broken(
            f"its entry point names an object of type {type(plugin).__qualname__}, not a propwash.sdk.Plugin"
        )
    try:
        offered: object = plugin.make()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _Broken(f"make() raised {_told(error)}") from error
    if isinstance(offered, str | bytes) or not isinstance(offered, Sequence):
        if inspect.iscoroutine(offered):
            offered.close()
        raise _Broken(f"make() must answer a sequence of handlers, not {type(offered).__qualname__}")
    if not offered:
        raise _Broken("make() answered no handler")
    return tuple(offered)


async def _imported(source: PluginSource, *, deadline_s: float) -> object:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[tuple[object, BaseException | None]] = loop.create_future()

    def settle(plugin: object, error: BaseException | None) -> None:
        if not future.done():
            future.set_result((plugin, error))

    def run() -> None:
        plugin, failed = None, None
        try:
            plugin = source.load()
        except BaseException as error:  # noqa: BLE001  told below, by the one who waits
            failed = error
        try:
            loop.call_soon_threadsafe(settle, plugin, failed)
        except RuntimeError:
            return  # The loop is closed: nobody waits any more.

    threading.Thread(target=run, name=f"import {source.name}", daemon=True).start()
    try:
        async with asyncio.timeout(deadline_s):
            plugin, error = await future
    except TimeoutError:
        raise _Broken(f"its import took longer than {deadline_s:g} s") from None
    if error is None:
        return plugin
    if isinstance(error, ModuleNotFoundError) and error.name:
        extra = source.extra_for(error.name)
        advice = f"; install the extra {extra}" if extra else ""
        raise _Broken(f"module {error.name} is not installed{advice}") from error
    raise _Broken(f"its import raised {_told(error)}") from error


def _root_of(kind: type) -> Path | None:
    module = sys.modules.get(kind.__module__.partition(".")[0])
    file = getattr(module, "__file__", None) or getattr(sys.modules.get(kind.__module__), "__file__", None)
    if file is None:
        return None
    path = Path(file)
    return path.parent if path.name == "__init__.py" else path


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {short(str(error))}"
