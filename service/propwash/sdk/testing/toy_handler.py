"""Handlers for the toy system: one asynchronous, one of plain methods. Both are complete, small examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

import pydantic

from propwash.core.events import Deletion
from propwash.core.model import Claim, Link, Observation, RemoteName, RemotePhase, Traits
from propwash.sdk.connections import Checked, Connection
from propwash.sdk.handler import CreateRequest, Handler, Job, ListedJob, Spec
from propwash.sdk.testing.toy_system import Ending, ToyError, ToyJob, ToyState, ToySystem
from propwash.sdk.verdicts import NotFound, Permanent, Throttled, Unavailable, Verdict


class ToySpec(Spec):
    """A job that lasts and then ends as told."""

    duration_s: float = pydantic.Field(
        default=1.0, ge=0, description="How long the job is active, in seconds."
    )
    ending: Ending = pydantic.Field(default="succeed", description="How the job ends.")
    pool: str = pydantic.Field(
        default="", description="The pool of which the job takes one unit; empty for none."
    )


class ToyCalls:
    """What both toy handlers do: one call each, the toy system's answers put into our words."""

    def __init__(self, system: ToySystem, *, key: str | None = None) -> None:
        self.system = system
        self._key = system.key if key is None else key

    def create(self, request: CreateRequest[ToySpec]) -> Job:
        """Submit; a job of that name that is there already is adopted."""
        spec = request.spec
        try:
            with _classified():
                job = self.system.submit(
                    self._key,
                    name=request.name,
                    owner=request.owner,
                    duration_s=spec.duration_s,
                    ending=spec.ending,
                )
        except _Taken:
            found = self.find(request.name)
            if found is None:
                raise Unavailable("NAME_IN_FLUX", "the name is taken, but no job is there") from None
            return found
        return self._job(job)

    def get(self, metas: Sequence[bytes]) -> dict[bytes, Observation | Verdict]:
        """Observe all in one call."""
        with _classified():
            jobs = self.system.describe(self._key, numbers=[int(meta) for meta in metas])
        return {
            meta: self.observed(jobs[int(meta)]) if int(meta) in jobs else NotFound(f"no job {int(meta)}")
            for meta in metas
        }

    def find(self, name: RemoteName) -> Job | None:
        """Look up; keep the oldest of a name and cancel the others."""
        with _classified():
            jobs = self.system.lookup(self._key, name=name)
            for duplicate in jobs[1:]:
                self.system.cancel(self._key, number=duplicate.number)
        return self._job(jobs[0]) if jobs else None

    def delete(self, name: RemoteName, meta: bytes | None) -> Deletion:
        """Cancel all of the name, and say what the states then are."""
        with _classified():
            if meta is None:
                jobs = self.system.lookup(self._key, name=name)
            else:
                jobs = [*self.system.describe(self._key, numbers=[int(meta)]).values()]
            states = [
                self.system.cancel(self._key, number=job.number).state(self.system.time()) for job in jobs
            ]
        if not states:
            return Deletion.ABSENT
        return Deletion.GONE if all(state.is_over for state in states) else Deletion.PENDING

    def list(self, owner: str) -> Sequence[ListedJob]:
        """The live jobs of an owner."""
        with _classified():
            jobs = self.system.live_of(self._key, owner=owner)
        return [ListedJob(name=RemoteName(job.name), meta=self._meta(job)) for job in jobs]

    def observed(self, job: ToyJob) -> Observation:
        """A job's state in our words."""
        match job.state(self.system.time()):
            case ToyState.ACCEPTED:
                return Observation(phase=RemotePhase.PENDING)
            case ToyState.ACTIVE:
                return Observation(phase=RemotePhase.RUNNING)
            case ToyState.GOOD:
                return Observation(phase=RemotePhase.SUCCEEDED, outputs={"number": job.number})
            case ToyState.BAD:
                return Observation(phase=RemotePhase.FAILED, reason="TOY_BROKE", message="the toy broke")
            case ToyState.PREEMPTED:
                return Observation(phase=RemotePhase.FAILED, reason="TOY_PREEMPTED", is_retryable=True)
            case ToyState.STOPPED:
                return Observation(phase=RemotePhase.FAILED, reason="TOY_STOPPED", message="it was cancelled")

    def _job(self, job: ToyJob) -> Job:
        return Job(meta=self._meta(job), observation=self.observed(job))

    def _meta(self, job: ToyJob) -> bytes:
        return str(job.number).encode()


class _Taken(Exception):
    """The name is taken."""


@contextmanager
def _classified() -> Iterator[None]:
    try:
        yield
    except ConnectionResetError as error:
        raise Unavailable("CONNECTION_LOST", str(error)) from error
    except ToyError as error:
        match error.status:
            case 409:
                raise _Taken from error
            case 404:
                raise NotFound(str(error)) from error
            case 429:
                raise Throttled("TOO_MANY_CALLS", str(error), retry_after_s=error.retry_after_s) from error
            case 503:
                raise Unavailable("TOY_DOWN", str(error)) from error
            case 401:
                raise Unavailable("KEY_REFUSED", str(error)) from error
            case _:
                raise Permanent("TOY_REFUSED", str(error)) from error


class ToyHandler(Handler[ToySpec]):
    """Asynchronous: every call waits at the system's gates first, so that a test can hold it in flight."""

    task_types: ClassVar[tuple[str, ...]] = ("toy",)
    spec_type: ClassVar[type[Spec]] = ToySpec
    description: ClassVar[str] = "Jobs on a system in memory."
    traits: ClassVar[Traits] = Traits(settle_s=5.0)

    def __init__(self, system: ToySystem, *, key: str | None = None) -> None:
        self.calls = ToyCalls(system, key=key)
        self.system = system
        self.is_closed = False

    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        """Submit."""
        await self.system.reach("submit")
        return self.calls.create(request)

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        """Observe all in one call."""
        await self.system.reach("describe")
        return self.calls.get(metas)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        """Look up."""
        await self.system.reach("lookup")
        return self.calls.find(name)

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        """Cancel."""
        await self.system.reach("cancel")
        return self.calls.delete(name, meta)

    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        """List."""
        await self.system.reach("list")
        return self.calls.list(owner)

    def claims(self, connection: Connection, spec: ToySpec) -> Sequence[Claim]:
        """One unit of the pool that the spec names."""
        return (Claim(pool=spec.pool),) if spec.pool else ()

    def links(self, connection: Connection, name: RemoteName, spec: ToySpec) -> Sequence[Link]:
        """The page that the toy system would have."""
        return (Link(title="Toy console", uri=f"https://toy.example/jobs/{name}"),)

    async def check(self, connection: Connection) -> Sequence[Checked]:
        """List, which needs the key and makes nothing."""
        try:
            await self.list(connection, "check")
        except Verdict as verdict:
            said = f"{verdict.reason}: {verdict.message}"
            return (Checked(what="list jobs", is_ok=False, message=said, remedy="give the toy its key"),)
        return (Checked(what="list jobs", is_ok=True, message="the toy answers"),)

    async def close(self) -> None:
        """Remember it."""
        self.is_closed = True


class PlainToyHandler(Handler[ToySpec]):
    """The same with plain def methods and get_one in place of get: what an author with a blocking library
    writes.
    """

    task_types: ClassVar[tuple[str, ...]] = ("plain_toy",)
    spec_type: ClassVar[type[Spec]] = ToySpec
    description: ClassVar[str] = "Jobs on a system in memory, by blocking calls."
    traits: ClassVar[Traits] = ToyHandler.traits

    def __init__(self, system: ToySystem, *, key: str | None = None) -> None:
        self.calls = ToyCalls(system, key=key)

    def create(self, request: CreateRequest[ToySpec]) -> Job:
        """Submit."""
        return self.calls.create(request)

    def get_one(self, connection: Connection, meta: bytes) -> Observation:
        """Observe one."""
        answer = self.calls.get([meta])[meta]
        if isinstance(answer, Verdict):
            raise answer
        return answer

    def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        """Look up."""
        return self.calls.find(name)

    def delete(self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes) -> Deletion:
        """Cancel."""
        return self.calls.delete(name, meta)

    def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        """List."""
        return self.calls.list(owner)
