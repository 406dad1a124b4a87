"""What an operator wants to know of the connections: how each is set up, and whether it works from end to end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from propwash.core.model import Fault
from propwash.handlers import answers
from propwash.handlers.checking import overrides
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.handlers.desk import Desk, Target, as_unavailable
from propwash.handlers.registry import Registry, Served
from propwash.handlers.settings import SettingFault, SettingFaults
from propwash.sdk import Checked


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedStep:
    """One step of a check, and the task types whose handlers took it."""

    checked: Checked
    task_types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedConnection:
    """What came of the check of one connection."""

    configured: ConfiguredConnection
    steps: tuple[CheckedStep, ...]
    unchecked: tuple[str, ...] = field(default=())
    """The task types whose handlers offer no check."""

    @property
    def is_ok(self) -> bool:
        """Whether no step failed."""
        return all(step.checked.is_ok for step in self.steps)


class Inspector:
    """Looks at connections for the operator; nothing here is on the way of an execution."""

    def __init__(
        self, registry: Registry, *, connections: Connections, faults: SettingFaults, desk: Desk
    ) -> None:
        self._registry = registry
        self._connections = connections
        self._faults = faults
        self._desk = desk

    def connections(self) -> Sequence[ConfiguredConnection]:
        """What is configured; where nothing is, what the plugins have anyway."""
        return self._connections.all() or self.implied()

    def implied(self) -> Sequence[ConfiguredConnection]:
        """What plugins without a configured connection have anyway."""
        plugins = dict.fromkeys(one.plugin for one in self._registry.handlers)
        missing = [one for one in plugins if one not in self._connections.plugins]
        return tuple(one for plugin in missing for one in self._connections.of(plugin))

    def faults(self) -> Sequence[SettingFault]:
        """What is wrong with the configured connections, found without a call."""
        return self._faults.all()

    def shown_settings(self, configured: ConfiguredConnection) -> dict[str, object]:
        """The settings that may be shown: those that the plugin's own model takes. In place of the others stands that
        they are not shown, as one may be a secret in the wrong place.
        """
        handlers = [one for one in self._handlers(configured) if one.handler.settings_type is not None]
        name = configured.connection.name
        refused = [
            {fault.path.split(".")[1] if "." in fault.path else "" for fault in self._faults.of(one, name)}
            for one in handlers
        ]
        shown: dict[str, object] = {}
        for key, value in configured.connection.settings.items():
            is_known = any("" not in keys and key not in keys for keys in refused)
            shown[key] = value if is_known else "[not shown]"
        return shown

    async def check(self, configured: ConfiguredConnection) -> CheckedConnection:
        """Have every handler of the plugin check the connection, each behind its deadline. Raises nothing."""
        handlers = self._handlers(configured)
        if not handlers:
            message = next(
                (one.message for one in self.faults() if one.connection == configured.connection.name), ""
            )
            step = Checked(what="plugin", is_ok=False, message=message, remedy="install the plugin")
            return CheckedConnection(configured=configured, steps=(CheckedStep(checked=step, task_types=()),))
        found = await asyncio.gather(*(self._check(one, configured) for one in handlers))
        steps: dict[Checked, tuple[str, ...]] = {}
        unchecked: tuple[str, ...] = ()
        for served, checks in zip(handlers, found, strict=True):
            task_types = tuple(served.handler.task_types)
            if checks is None:
                unchecked += task_types
            for checked in checks or ():
                steps[checked] = steps.get(checked, ()) + task_types
        return CheckedConnection(
            configured=configured,
            steps=tuple(
                CheckedStep(checked=checked, task_types=task_types) for checked, task_types in steps.items()
            ),
            unchecked=unchecked,
        )

    async def _check(self, served: Served, configured: ConfiguredConnection) -> Sequence[Checked] | None:
        name = configured.connection.name
        if faults := self._faults.of(served, name):
            return [
                Checked(what=fault.path, is_ok=False, message=fault.message, remedy="mend the configuration")
                for fault in faults
            ]
        if not overrides(served.handler, "check"):
            return None
        target = Target(served, served.handler.task_types[0], configured.connection)
        answer = await self._desk.ask(
            target,
            "check",
            served.handler.check,
            configured.connection,
            check=answers.checked,
            missing=as_unavailable,
        )
        if isinstance(answer, Fault):
            return [Checked(what="check", is_ok=False, message=f"{answer.reason}: {answer.message}")]
        return answer

    def _handlers(self, configured: ConfiguredConnection) -> Sequence[Served]:
        return [one for one in self._registry.handlers if one.plugin == configured.plugin]
