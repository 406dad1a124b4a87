"""One question to one handler: whom it is for, what it is asked with, and what its answer is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from propwash.core.events import Deletion
from propwash.core.model import Fault, FaultKind, Observation, RemoteName
from propwash.core.names import account_of
from propwash.handlers import answers
from propwash.handlers.admission import Admitter
from propwash.handlers.calling import Caller
from propwash.handlers.connections import Connections
from propwash.handlers.derived import DerivedConnections, is_derived
from propwash.handlers.faults import Nonsense, fault_of, internal, nonsense
from propwash.handlers.options import HostOptions
from propwash.handlers.outcome import Answered, Outcome, Raised
from propwash.handlers.registry import Served
from propwash.handlers.settings import INVALID, SettingFaults
from propwash.handlers.watchdog import Call
from propwash.ports import Clock, Instrument, JobRequest, Refused
from propwash.sdk import CREDENTIALS_UNAVAILABLE, Connection, CreateRequest, NotFound, NotOffered, Spec
from propwash.sdk.handler import NotBatched

T = TypeVar("T")
TURN = 100
"""Answers of a batch looked at before the loop is given a turn: a few milliseconds. Ten thousand take a third of a
second."""
_FAULTS_TOLD = 5


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a call is for."""

    served: Served
    task_type: str
    connection: Connection


def as_permanent(error: NotFound) -> Fault:
    """A NotFound that tells the one who asks that there is nothing to read."""
    return fault_of(error, not_found=FaultKind.PERMANENT)


def as_unavailable(error: NotFound) -> Fault:
    """A NotFound that says nothing about any one job."""
    return fault_of(error, not_found=FaultKind.UNAVAILABLE)


class Desk:
    """Where the host's questions go out and the answers are judged and counted."""

    def __init__(
        self,
        admitter: Admitter,
        *,
        connections: Connections,
        derived: DerivedConnections,
        faults: SettingFaults,
        callers: Mapping[str, Caller],
        clock: Clock,
        instrument: Instrument,
        options: HostOptions,
    ) -> None:
        self.callers = callers
        self._admitter = admitter
        self._connections = connections
        self._derived = derived
        self._faults = faults
        self._clock = clock
        self._instrument = instrument
        self._options = options
        self._forgetting: set[asyncio.Task[None]] = set()

    def target(self, task_type: str, connection: str) -> Target | Fault:
        """Whom to ask. What is not there now may be there after a restart: a fault of our own, which ends
        nothing.
        """
        try:
            served = self._admitter.served(task_type)
            configured = self._connections.named(served.plugin, connection)
        except Refused as refused:
            return internal(refused.reason, refused.message)
        if faults := self._faults.of(served, connection):
            message = "; ".join(map(str, faults[:_FAULTS_TOLD]))
            return Fault(kind=FaultKind.UNAVAILABLE, reason=INVALID, message=message)
        if not is_derived(connection):
            return Target(served, task_type, configured.connection)
        found = self._derived.connection(served, configured, connection)
        return found if isinstance(found, Fault) else Target(served, task_type, found)

    def create_request(self, target: Target, job: JobRequest) -> CreateRequest[Spec] | Fault:
        """What a create is asked with. The spec is parsed again, as the handler may be a newer one than at
        admission.
        """
        try:
            spec = self._admitter.parse(target.served, job.request)
        except Refused as refused:
            kind = FaultKind.PERMANENT if refused.reason == "INVALID_SPEC" else FaultKind.INTERNAL
            return Fault(kind=kind, reason=refused.reason, message=refused.message)
        return CreateRequest(
            name=job.name,
            owner=job.owner,
            uid=job.uid,
            attempt=job.attempt,
            spec=spec,
            inputs=job.request.inputs,
            labels=job.request.labels,
            connection=target.connection,
            run_deadline_s=job.run_deadline_s,
            hint=job.hint,
        )

    async def ask(
        self,
        target: Target,
        name: str,
        method: Callable[..., object],
        *arguments: object,
        check: Callable[[object], T],
        missing: Callable[[NotFound], T | Fault],
    ) -> T | Fault:
        """Ask, judge, and tell the instrument. missing says what a raised NotFound means; not offered is
        None.
        """
        served = target.served
        call = Call(plugin=served.plugin, task_type=target.task_type, method=name, root=served.root)
        begun_at = self._clock.now()
        outcome = await self.callers[served.plugin].call(call, method, *arguments)
        answer = _judged(outcome, check=check, missing=missing)
        if isinstance(answer, Fault) and is_derived(target.connection.name):
            answer = self._derived.without_secrets(target.connection.name, answer)
        self._instrument.called(
            task_type=target.task_type,
            connection=account_of(target.connection.name),
            method=name,
            code=f"{answer.kind.name}:{answer.reason}" if isinstance(answer, Fault) else "OK",
            seconds=self._clock.now() - begun_at,
        )
        return answer

    async def get_batch(
        self, target: Target, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Fault | None]:
        """One get; a fault of the call is the fault of each."""

        def check(answer: object) -> Mapping[bytes, object] | None:
            return None if answer is None else answers.batch(answer, metas)

        method = target.served.handler.get
        answer = await self.ask(
            target, "get", method, target.connection, metas, check=check, missing=as_unavailable
        )
        if answer is None:
            return await self.get_each(target, metas)
        if isinstance(answer, Fault):
            return dict.fromkeys(metas, answer)
        seen: dict[bytes, Observation | Fault | None] = {}
        for number, (meta, one) in enumerate(answer.items(), start=1):
            seen[meta] = answers.of_batch(one)
            if number % TURN == 0:
                await asyncio.sleep(0)
        return seen

    async def get_each(
        self, target: Target, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Fault | None]:
        """A get_one for each, so many at once."""
        seen: dict[bytes, Observation | Fault | None] = {}
        left = iter(metas)

        async def work() -> None:
            for meta in left:
                seen[meta] = await self.ask(
                    target,
                    "get_one",
                    target.served.handler.get_one,
                    target.connection,
                    meta,
                    check=answers.observation,
                    missing=lambda _: None,
                )

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._options.get_one_calls, len(metas))):
                group.create_task(work(), name=f"get_one {target.task_type}")
        return seen

    async def delete(
        self, task_type: str, connection: str, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion | Fault:
        """End a job. Where a task's own secrets do not serve, by the credentials of the connection itself: those may
        never come again, and the account is the same.
        """
        target = self.target(task_type, connection)
        if not is_derived(connection):
            return target if isinstance(target, Fault) else await self._delete(target, name, meta, hint)
        if isinstance(target, Fault):
            wait = target
        elif (refusal := self._derived.refusal(connection)) is not None:
            wait = refusal
        else:
            deletion = await self._delete(target, name, meta, hint)
            if isinstance(deletion, Fault):
                self._derived.heed(connection, deletion)
            return deletion
        instead = self.target(task_type, account_of(connection))
        if wait.reason != CREDENTIALS_UNAVAILABLE or isinstance(instead, Fault):
            return wait
        found = await self._delete(instead, name, meta, hint)
        is_throttled = isinstance(found, Fault) and found.kind is FaultKind.THROTTLED
        # Who may not see a job may be told that there is none: only of one that was seen is anything believed.
        return found if found in (Deletion.GONE, Deletion.PENDING) or is_throttled else wait

    async def close(self, served: Served) -> None:
        """Close a handler; what it raises is reported."""
        await self._end(served, "close", served.handler.close)

    def forget(self, served: Served, connection: Connection) -> None:
        """Have a handler forget a connection, in a task of its own; what it raises is reported."""
        task = asyncio.get_running_loop().create_task(
            self._end(served, "forget", served.handler.forget, connection), name=f"forget {served.plugin}"
        )
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def quiet(self) -> None:
        """Return when all is forgotten that was to be."""
        await asyncio.gather(*self._forgetting)

    async def _delete(
        self, target: Target, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion | Fault:
        return await self.ask(
            target,
            "delete",
            target.served.handler.delete,
            target.connection,
            name,
            meta,
            hint,
            check=answers.deletion,
            missing=lambda _: Deletion.ABSENT,
        )

    async def _end(
        self, served: Served, name: str, method: Callable[..., object], *arguments: object
    ) -> None:
        call = Call(
            plugin=served.plugin, task_type=served.handler.task_types[0], method=name, root=served.root
        )
        outcome = await self.callers[served.plugin].call(call, method, *arguments)
        if not isinstance(outcome, Answered):
            fault = (
                outcome
                if isinstance(outcome, Fault)
                else fault_of(outcome.error, not_found=FaultKind.INTERNAL)
            )
            self._instrument.trouble(
                "handlers", f"plugin {served.plugin} did not {name}: {fault.message}", plugin=served.plugin
            )


def _judged(
    outcome: Outcome, *, check: Callable[[object], T], missing: Callable[[NotFound], T | Fault]
) -> T | Fault:
    match outcome:
        case Fault():
            return outcome
        case Raised(error=NotFound() as error):
            return missing(error)
        case Raised(error=NotOffered() | NotBatched()):
            value: object = None
        case Raised(error=error):
            return fault_of(error, not_found=FaultKind.INTERNAL)
        case Answered(value=value):
            pass
    try:
        return check(value)
    except Nonsense as error:
        return nonsense(str(error))
    except Exception as error:  # noqa: BLE001  an answer's own methods may raise anything
        return nonsense(f"looking at the answer raised {type(error).__name__}")
