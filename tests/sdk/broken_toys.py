"""Toy handlers with one planted defect each; test_battery_catches.py says what catches it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pydantic

from propwash.sdk import (
    Checked,
    Claim,
    Connection,
    CreateRequest,
    Deletion,
    Job,
    Link,
    ListedJob,
    NotFound,
    Observation,
    Permanent,
    RemoteName,
    RemotePhase,
    Spec,
    Throttled,
    Traits,
    Unavailable,
    Verdict,
)
from propwash.sdk.testing import ToyHandler, ToySpec, ToySystem


class IgnoresTheName(ToyHandler):
    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        renamed = RemoteName(f"job-{random.random()}")
        job = self.system.submit(
            self.system.key,
            name=renamed,
            owner=request.owner,
            duration_s=request.spec.duration_s,
            ending="succeed",
        )
        return Job(meta=str(job.number).encode(), observation=Observation(phase=RemotePhase.PENDING))


class RefusesTheRepeat(ToyHandler):
    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        if self.system.lookup(self.system.key, name=request.name):
            raise Permanent("NAME_TAKEN", "there is a job of that name")
        return await super().create(request)


class LeavesDuplicates(ToyHandler):
    traits: ClassVar[Traits] = Traits(has_unique_names=False)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        jobs = self.system.lookup(self.system.key, name=name)
        if not jobs:
            return None
        return Job(meta=str(jobs[0].number).encode(), observation=self.calls.observed(jobs[0]))


class FindsByPrefix(ToyHandler):
    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        found = await super().find(connection, name, hint)
        return found or Job(meta=b"1", observation=Observation(phase=RemotePhase.RUNNING))


class AnswersHalf(ToyHandler):
    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        return await super().get(connection, metas[: (len(metas) + 1) // 2])


class CallsMissingFailed(ToyHandler):
    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        failed = Observation(phase=RemotePhase.FAILED, reason="GONE")
        answers = await super().get(connection, metas)
        return {m: failed if isinstance(answer, NotFound) else answer for m, answer in answers.items()}


class SpoilsTheBatch(ToyHandler):
    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        answers = await super().get(connection, metas)
        for answer in answers.values():
            if isinstance(answer, Verdict):
                raise answer
        return answers


class FailsWithoutReason(ToyHandler):
    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        answers = await super().get(connection, metas)
        return {
            m: Observation(phase=a.phase, reason="it broke") if isinstance(a, Observation) else a
            for m, a in answers.items()
        }


class RetriesEverything(ToyHandler):
    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        answers = await super().get(connection, metas)
        return {
            m: Observation(phase=a.phase, reason="BROKE", is_retryable=True)
            if isinstance(a, Observation)
            else a
            for m, a in answers.items()
        }


class SaysGoneTooSoon(ToyHandler):
    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        answer = await super().delete(connection, name, meta, hint)
        return Deletion.GONE if answer is Deletion.PENDING else answer


class DeletesByMetaOnly(ToyHandler):
    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        return Deletion.ABSENT if meta is None else await super().delete(connection, name, meta, hint)


class NeverConfirms(ToyHandler):
    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        answer = await super().delete(connection, name, meta, hint)
        return Deletion.PENDING if answer is Deletion.GONE else answer


class RaisesOnUnknownDelete(ToyHandler):
    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        answer = await super().delete(connection, name, meta, hint)
        if answer is Deletion.ABSENT:
            raise Permanent("NO_SUCH_JOB", "nothing to delete")
        return answer


class ClaimsToRemember(ToyHandler):
    traits: ClassVar[Traits] = Traits(remembers_deleted_names=True)


class ListsEveryone(ToyHandler):
    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        return [
            ListedJob(name=RemoteName(job.name), meta=str(job.number).encode())
            for job in self.system.live_jobs()
        ]


class ListsTheFinished(ToyHandler):
    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        return [
            ListedJob(name=RemoteName(job.name), meta=str(job.number).encode())
            for job in self.system.ledger()
            if job.owner == owner
        ]


class FattensTheMeta(ToyHandler):
    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        job = await super().create(request)
        return Job(meta=job.meta.rjust(1025, b"0"), observation=job.observation)


class PutsTheKeyIntoTheMessage(ToyHandler):
    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        try:
            return await super().create(request)
        except Throttled as verdict:
            raise Throttled(verdict.reason, f"{verdict.message} (key {self.system.key})") from None


class ShowsTheKey(ToyHandler):
    def __repr__(self) -> str:
        return f"ShowsTheKey(key={self.system.key!r})"


class CallsLostPermanent(ToyHandler):
    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        try:
            return await super().create(request)
        except Unavailable as verdict:
            raise Permanent("LOST", verdict.message) from None


class CallsThrottledUnavailable(ToyHandler):
    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        try:
            return await super().create(request)
        except Throttled as verdict:
            raise Unavailable("BUSY", verdict.message) from None


class FindsNothingWhenThrottled(ToyHandler):
    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        try:
            return await super().find(connection, name, hint)
        except Throttled:
            return None


class KeepsTheLock(ToyHandler):
    def __init__(self, system: ToySystem) -> None:
        super().__init__(system)
        self.lock = asyncio.Lock()

    async def create(self, request: CreateRequest[ToySpec]) -> Job:
        async with asyncio.timeout(0.05):
            await self.lock.acquire()
        await asyncio.sleep(0)
        job = await super().create(request)
        self.lock.release()
        return job


class MakesAJobToValidate(ToyHandler):
    async def validate(self, request: CreateRequest[ToySpec]) -> None:
        await self.create(request)


class MakesAJobToCheck(ToyHandler):
    async def check(self, connection: Connection) -> Sequence[Checked]:
        self.system.submit(
            self.system.key,
            name=f"check-{random.random()}",
            owner="battery",
            duration_s=1e9,
            ending="succeed",
        )
        return await super().check(connection)


class ChecksNothing(ToyHandler):
    async def check(self, connection: Connection) -> Sequence[Checked]:
        return ()


class ChecksAloud(ToyHandler):
    async def check(self, connection: Connection) -> Sequence[Checked]:
        return (Checked(what="key", is_ok=True, message=f"the key {self.system.key} is good"),)


class LaxSettings(pydantic.BaseModel):
    project: str = ""


class TakesAnySetting(ToyHandler):
    settings_type: ClassVar[type[pydantic.BaseModel] | None] = LaxSettings


class DrawsItsLinks(ToyHandler):
    def links(self, connection: Connection, name: RemoteName, spec: ToySpec) -> Sequence[Link]:
        return (Link(title="Console", uri=f"https://toy.example/{random.random()}"),)


class ReadsForItsClaims(ToyHandler):
    def claims(self, connection: Connection, spec: ToySpec) -> Sequence[Claim]:
        with open(__file__) as file:
            return (Claim(pool=file.readline()[:3]),)


class HintsAtTheKey(ToyHandler):
    def hint(self, connection: Connection, spec: ToySpec) -> bytes:
        return self.system.key.encode()


class LaxSpec(ToySpec):
    model_config = pydantic.ConfigDict(extra="ignore")


class TakesAnyField(ToyHandler):
    spec_type: ClassVar[type[Spec]] = LaxSpec
