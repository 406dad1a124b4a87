"""The task types that connections offer to Flyte, asked every so often, so that nobody who lists them waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from propwash.core.model import Fault
from propwash.handlers import answers
from propwash.handlers.checking import overrides
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.handlers.desk import Desk, Target, as_unavailable
from propwash.handlers.faults import Nonsense, short
from propwash.handlers.registry import Registry, Served
from propwash.handlers.settings import SettingFaults
from propwash.ports import Clock, Instrument
from propwash.sdk import FlyteDialect, FlyteType

EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Offer:
    """A task type that one connection of a handler offers."""

    served: Served
    dialect: FlyteDialect
    connection: str
    type: FlyteType


@dataclass(slots=True)
class _Asked:
    """One connection of a handler whose task types are its remote side's."""

    served: Served
    dialect: FlyteDialect
    configured: ConfiguredConnection
    stated: Sequence[FlyteType]
    told: Sequence[FlyteType] | None = None
    """The last answer; None before the first."""
    is_failing: bool = False
    types: Mapping[str, FlyteType] = field(default_factory=dict)
    """What is offered: what is stated, and what was told last."""

    @property
    def name(self) -> str:
        return self.configured.connection.name

    def combine(self) -> None:
        self.types = {one.name: one for one in (*self.stated, *(self.told or ()))}


class Offers:
    """Asks every handler that overrides flyte_types, for each of its connections that is set up well. Start and close
    belong to the running loop; what is stated is offered from the beginning.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        connections: Connections,
        faults: SettingFaults,
        desk: Desk,
        clock: Clock,
        instrument: Instrument,
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._instrument = instrument
        self._tasks: list[asyncio.Task[None]] = []
        self._asked = [
            _Asked(served, dialect, configured, self._stated(served, configured))
            for served in registry.handlers
            if overrides(served.handler, "flyte_types") and (dialect := served.handler.flyte) is not None
            for configured in connections.of(served.plugin)
            if not faults.of(served, configured.connection.name)
        ]
        self._offers: dict[str, list[Offer]] = {}
        self._dropped: dict[str, list[Offer]] = {}
        """What was offered once: its tasks may still come, while a remote side is being replaced."""
        self._renew()

    def start(self) -> None:
        """Begin to ask."""
        for one in self._asked:
            name = f"flyte types {one.served.plugin}/{one.name}"
            task = asyncio.get_running_loop().create_task(self._run(one), name=name)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def close(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def types(self) -> Mapping[str, FlyteType]:
        """What is offered at this moment, by name."""
        return {name: offers[0].type for name, offers in self._offers.items()}

    def of(self, task_type: str) -> Sequence[Offer]:
        """Who offers a task type, by plugin and in the order of its connections; or who did last."""
        return self._offers.get(task_type) or self._dropped.get(task_type) or ()

    def silent(self) -> Sequence[str]:
        """The connections that have not answered yet: what else they offer is not known."""
        return [one.name for one in self._asked if one.told is None]

    async def _run(self, one: _Asked) -> None:
        target = Target(one.served, one.served.handler.task_types[0], one.configured.connection)
        while True:
            answer = await self._desk.ask(
                target,
                "flyte_types",
                one.served.handler.flyte_types,
                target.connection,
                check=answers.flyte_types,
                missing=as_unavailable,
            )
            self._heed(one, answer)
            await self._clock.sleep_until(self._clock.now() + EVERY_S)

    def _heed(self, one: _Asked, answer: Sequence[FlyteType] | Fault) -> None:
        if isinstance(answer, Fault):
            if not one.is_failing:
                one.is_failing = True
                kept = "what it said last" if one.told is not None else "what is stated"
                self._tell(
                    one, f"does not say what it offers: {answer.reason}: {answer.message}; {kept} is offered"
                )
            return
        if one.is_failing:
            one.is_failing = False
            self._tell(one, "says what it offers again")
        if answer != one.told:
            one.told = answer
            self._renew()

    def _renew(self) -> None:
        made: dict[str, list[Offer]] = {}
        for one in self._asked:
            one.combine()
            for kind in one.types.values():
                made.setdefault(kind.name, []).append(Offer(one.served, one.dialect, one.name, kind))
        self._dropped = {**self._dropped, **self._offers}
        self._offers = made

    def _stated(self, served: Served, configured: ConfiguredConnection) -> Sequence[FlyteType]:
        try:
            return answers.flyte_types(served.handler.stated_flyte_types(configured.connection))
        except (Nonsense, Exception) as error:  # noqa: BLE001  a plugin's code may raise anything
            told = f"{type(error).__name__}: {short(str(error))}"
            self._instrument.trouble(
                "handlers",
                f"plugin {served.plugin} is broken: stated_flyte_types raised {told}",
                plugin=served.plugin,
            )
            return ()

    def _tell(self, one: _Asked, said: str) -> None:
        self._instrument.trouble(
            "handlers",
            f"connection {one.name} of plugin {one.served.plugin} {said}",
            plugin=one.served.plugin,
            connection=one.name,
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            told = f"{type(error).__name__}: {short(str(error))}"
            self._instrument.trouble("handlers", f"task {task.get_name()} died: {told}")
