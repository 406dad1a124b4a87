"""What the host asks of a handler without input or output: is this spec valid, what does it claim, where are
its links.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from propwash.core.model import Claim, Link, RemoteName, Traits
from propwash.handlers import answers, specs
from propwash.handlers.checking import about_traits, overrides
from propwash.handlers.claiming import claimed
from propwash.handlers.connections import Connections
from propwash.handlers.faults import Nonsense, short
from propwash.handlers.registry import Registry, Served
from propwash.handlers.settings import SettingFaults
from propwash.handlers.watchdog import Call, Watchdog
from propwash.ports import Admission, FieldFault, Instrument, Refused, TaskRequest
from propwash.sdk import Connection, Spec, Unavailable

T = TypeVar("T")


class Admitter:
    """Asks on the loop, as these answers depend on their arguments alone; the watchdog names one that
    blocks.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        connections: Connections,
        faults: SettingFaults,
        watchdog: Watchdog,
        instrument: Instrument,
    ) -> None:
        self._registry = registry
        self._connections = connections
        self._faults = faults
        self._watchdog = watchdog
        self._instrument = instrument

    def served(self, task_type: str) -> Served:
        """Who serves a task type; raises Refused UNKNOWN_TASK_TYPE or HANDLER_BROKEN."""
        served = self._registry.served.get(task_type)
        if served is not None:
            return served
        broken = self._registry.broken(task_type)
        if broken is not None:
            plugin = f"plugin {broken.plugin}, which is broken: {broken.message}"
            raise Refused("HANDLER_BROKEN", f"task type {task_type!r:.100} is of {plugin}")
        known = ", ".join(sorted(self._registry.served)) or "none"
        message = f"no handler serves task type {task_type!r:.100}; served are: {known}"
        raise Refused("UNKNOWN_TASK_TYPE", message, faults=(FieldFault(path="task_type", message=message),))

    def admit(self, request: TaskRequest, *, project: str, domain: str) -> Admission:
        """Validate a request of this project and domain; raises Refused."""
        served = self.served(request.task_type)
        connection = self._connections.pick(served.plugin, request.connection, project=project, domain=domain)
        configured = self._connections.named(served.plugin, connection.name)
        spec = self.parse(served, request)
        facts = {
            "spec": spec,
            "inputs": request.inputs,
            "labels": request.labels,
            "project": project,
            "domain": domain,
            "connection": connection.name,
            "task_type": request.task_type,
        }
        return Admission(
            connection=connection.name,
            traits=self._traits(served, request, connection),
            claims=(*configured.claims, *claimed(configured.claim_rules, facts)),
            default_claims=self._default_claims(served, request, connection, spec)
            if configured.has_default_claims
            else (),
            hint=self._hint(served, request, connection, spec),
        )

    def _traits(self, served: Served, request: TaskRequest, connection: Connection) -> Traits:
        handler = served.handler
        traits = handler.traits
        if overrides(handler, "traits_of") and not self._faults.of(served, connection.name):
            traits = self._ask(
                served, request, "traits_of", lambda: _well_formed(handler.traits_of(connection))
            )
        settle_s = self._connections.named(served.plugin, connection.name).settle_s
        return traits if settle_s is None else replace(traits, settle_s=settle_s)

    def _default_claims(
        self, served: Served, request: TaskRequest, connection: Connection, spec: Spec
    ) -> tuple[Claim, ...]:
        """None where the operator has yet to mend the connection: its settings may say which pools are meant."""
        if self._faults.of(served, connection.name):
            return ()

        def question() -> tuple[Claim, ...]:
            try:
                return answers.claims(served.handler.claims(connection, spec))
            except Unavailable:
                return ()

        return self._ask(served, request, "claims", question)

    def _hint(self, served: Served, request: TaskRequest, connection: Connection, spec: Spec) -> bytes:
        """Empty where the operator has yet to mend the connection: that refuses nobody, the execution waits."""
        if self._faults.of(served, connection.name):
            return b""

        def question() -> bytes:
            try:
                return answers.hint(served.handler.hint(connection, spec))
            except Unavailable:
                return b""

        return self._ask(served, request, "hint", question)

    def parse(self, served: Served, request: TaskRequest) -> Spec:
        """The spec; raises Refused INVALID_SPEC, or HANDLER_BROKEN where the plugin's own validators
        break.
        """
        return self._ask(served, request, "spec", lambda: specs.parse(served.handler.spec_type, request.spec))

    def links(self, request: TaskRequest, *, connection: str, name: RemoteName) -> Sequence[Link]:
        """Links known from the start; empty where anything is wrong."""
        try:
            served = self.served(request.task_type)
            account = self._connections.named(served.plugin, connection).connection
            if self._faults.of(served, connection):
                return ()
            spec = self.parse(served, request)
            handler = served.handler

            def question() -> Sequence[Link]:
                try:
                    return answers.links(handler.links(account, name, spec))
                except Unavailable:
                    return ()

            return self._ask(served, request, "links", question)
        except Refused:
            return ()

    def _ask(self, served: Served, request: TaskRequest, method: str, question: Callable[[], T]) -> T:
        call = Call(plugin=served.plugin, task_type=request.task_type, method=method, root=served.root)
        try:
            with self._watchdog.inline(call):
                return question()
        except (Refused, KeyboardInterrupt):
            raise
        except Nonsense as error:
            wrong = f"{method} answered nonsense: {short(str(error))}"
        except BaseException as error:  # noqa: BLE001  a SystemExit of a plugin must not end the server
            wrong = f"{method} raised {type(error).__name__}: {short(str(error))}"
        message = f"plugin {served.plugin} is broken: {wrong}"
        self._instrument.trouble(
            "handlers", message, plugin=served.plugin, task_type=request.task_type, method=method
        )
        raise Refused("HANDLER_BROKEN", message)


def _well_formed(traits: Traits) -> Traits:
    if wrong := list(about_traits(traits)):
        raise Nonsense("; ".join(wrong))
    return traits
