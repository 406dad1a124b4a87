"""Applications that specs describe: found by name or made, compared, and brought up to what is described.

An application is made once, whoever asks: its client token is made of its name alone, so that a lost answer, or two at
once, come to one application, and who describes it otherwise meets a conflict and then finds it. A token that is spent
on an application that has been terminated since gives way to the next. Source: EMR Serverless API Reference,
CreateApplication, UpdateApplication (of what is CREATED or STOPPED), StopApplication (refused while runs are live).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from propwash.sdk import CreateRequest, NotFound, Permanent, Unavailable, Verdict
from propwash_aws.accounts import Account, Answer
from propwash_aws.clusters.answers import mapping, text
from propwash_aws.connection import AwsSettings
from propwash_aws.errors import UNEXPECTED_ANSWER, Meaning, RemoteError, verdict
from propwash_aws.names import OWNER
from propwash_aws.runs.places import Places
from propwash_aws.runs.service import Place
from propwash_aws.serverless.application_spec import ApplicationSpec
from propwash_aws.serverless.differing import IMAGE, Difference, differences, told
from propwash_aws.serverless.service import SERVICE
from propwash_aws.serverless.spec import ServerlessSpec

NOT_STARTED = "APPLICATION_NOT_STARTED"
NOT_UPDATED = "APPLICATION_NOT_UPDATED"
_CHANGEABLE = frozenset({"CREATED", "STOPPED"})
_MOST_ENDED = 16
"""How many terminated applications of a name are gone past."""
_NOT_SENT = {"if_different", "name", "tags"}


@dataclass(frozen=True, slots=True)
class Fit:
    """The application that a run goes to, and how it differs from what its spec describes."""

    place: str
    differing: tuple[Difference, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """What differs, by the application's own fields."""
        return tuple(dict.fromkeys(one.field for one in self.differing))


def prefixed(name: str, settings: AwsSettings) -> str:
    """A name after the connection's prefix."""
    prefix = settings.application_name_prefix
    return name if name.startswith(prefix) else prefix + name


class Applications:
    """The applications of all connections."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._locks: WeakKeyDictionary[Account, dict[str, asyncio.Lock]] = WeakKeyDictionary()

    async def named(self, account: Account, name: str, request: CreateRequest[ServerlessSpec]) -> str:
        """The id of the one application of this name, which is made where there is none; raises a verdict."""
        found = await self._places.live_of(account, name)
        if len(found) > 1:
            raise Permanent(
                "APPLICATION_AMBIGUOUS", f"there are {len(found)} of the name {name}: give the id"
            )
        if found:
            return found[0]
        if not account.settings.creates_applications:
            raise Permanent(
                "APPLICATION_NOT_FOUND",
                f"there is no application {name} in {account.region}, and connection {account.connection.name} makes "
                "none: make it, name one that exists, or set creates_applications in the connection",
            )
        async with self._lock(account, name):
            # Made by another while this waited.
            found = await self._places.live_of(account, name)
            return found[0] if found else await self._made(account, name, request)

    @asynccontextmanager
    async def fitting(self, account: Account, place: str, spec: ServerlessSpec) -> AsyncGenerator[Fit]:
        """The application, brought up to what the spec describes. It is changed for no other run of this process until
        this is left; raises a verdict.
        """
        described = spec.application
        if described is None:
            yield Fit(place)
            return
        async with self._held(account, place):
            found = await self._read(account, place)
            if text(found, "state") == "TERMINATED":
                # It may be there again under another id.
                self._places.forget(account)
                if spec.described_name is not None:
                    raise Unavailable(
                        NOT_STARTED, f"application {place} was terminated; its name is looked up again"
                    )
                raise Permanent("APPLICATION_TERMINATED", f"application {place} is terminated")
            if described.name is not None:
                described = described.model_copy(update={"name": prefixed(described.name, account.settings)})
            differing = differences(described, found)
            yield (
                await self._settled(account, place, described, found, differing) if differing else Fit(place)
            )

    async def _settled(
        self,
        account: Account,
        place: str,
        described: ApplicationSpec,
        found: Answer,
        differing: Sequence[Difference],
    ) -> Fit:
        match described.if_different:
            case "RUN":
                wrong: list[Difference] = []
            case "UPDATE_IMAGE":
                wrong = [one for one in differing if one.field == IMAGE]
            case _:
                wrong = list(differing)
        if not wrong:
            return Fit(place, tuple(differing))
        said = f"application {place} differs from what is described: {told(wrong)}"
        if described.if_different == "REFUSE" or any(one.field == "name" for one in wrong):
            raise Permanent(
                "APPLICATION_DIFFERS", f"{said}; describe it as it is, change it, or name another"
            )
        if not account.settings.updates_applications:
            raise Permanent(
                "APPLICATION_DIFFERS",
                f"{said}; connection {account.connection.name} changes none: change it, name another, or set "
                "updates_applications in the connection",
            )
        await self._changed(account, place, described, found, wrong, said)
        return Fit(place, tuple(one for one in differing if one not in wrong))

    async def _changed(
        self,
        account: Account,
        place: str,
        described: ApplicationSpec,
        found: Answer,
        wrong: Sequence[Difference],
        said: str,
    ) -> None:
        state = text(found, "state")
        if state == "STARTED":
            try:
                await account.call(SERVICE, "StopApplication", applicationId=place)
            except RemoteError as error:
                if error.meaning is not Meaning.REFUSED:
                    raise _unanswered(error) from error
                waits = f"{said}; it is changed when no run is live on it, as it must be stopped for that"
                raise Unavailable(NOT_UPDATED, waits) from error
            raise Unavailable(NOT_UPDATED, f"{said}; it is being stopped, and is then changed")
        if state not in _CHANGEABLE:
            raise Unavailable(NOT_UPDATED, f"{said}; it is {state}, and is changed when it is stopped")
        whole = described.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_NOT_SENT)
        changes = {name: whole[name] for name in sorted({one.field for one in wrong})}
        # Another after every change, so that a change back is not taken for the one before it.
        token = _digest("update", place, str(found.get("updatedAt")), json.dumps(changes, sort_keys=True))
        try:
            await account.call(
                SERVICE, "UpdateApplication", applicationId=place, clientToken=token, **changes
            )
        except RemoteError as error:
            if error.meaning is not Meaning.REFUSED:
                raise _unanswered(error) from error
            state = text(await self._read(account, place), "state")
            if state not in _CHANGEABLE:
                # Another run has started it since it was read.
                raise Unavailable(
                    NOT_UPDATED, f"{said}; it is {state}, and is changed when it is stopped"
                ) from error
            refusal = f"{said}; changing it was refused: {error.message}"
            raise Permanent("APPLICATION_DIFFERS", refusal) from error

    async def _made(self, account: Account, name: str, request: CreateRequest[ServerlessSpec]) -> str:
        described, driver = request.spec.application, request.spec.job_driver
        assert described is not None
        asked = {
            **described.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_NOT_SENT),
            "name": name,
            "type": "SPARK" if driver.hive is None else "HIVE",
            "tags": {**(described.tags or {}), OWNER: request.owner},
        }
        ended: list[str] = []
        while len(ended) < _MOST_ENDED:
            token = _digest("create", name, *ended)
            try:
                answer = await account.call(SERVICE, "CreateApplication", clientToken=token, **asked)
            except RemoteError as error:
                if error.meaning is Meaning.CONFLICT:
                    # Another description of the name came first, and is found when the list is read again.
                    self._places.forget(account)
                raise verdict(error, is_submitting=True) from error
            place = text(answer, "applicationId")
            if not place:
                raise Unavailable(UNEXPECTED_ANSWER, "the answer of CreateApplication names no application")
            state = text(await self._read(account, place, is_new=True), "state")
            if state != "TERMINATED":
                self._places.add(account, Place(id=place, name=name, state=state))
                return place
            ended.append(place)
        raise Unavailable(
            NOT_STARTED, f"{len(ended)} applications of the name {name} were made and terminated"
        )

    async def _read(self, account: Account, place: str, *, is_new: bool = False) -> Answer:
        try:
            answer = await account.call(SERVICE, "GetApplication", applicationId=place)
        except RemoteError as error:
            if is_new and error.meaning is Meaning.MISSING:
                raise Unavailable(NOT_STARTED, f"application {place} is made, and not shown yet") from error
            raise verdict(error, is_submitting=error.meaning is Meaning.MISSING) from error
        found = mapping(answer, "application")
        if not text(found, "state"):
            raise Unavailable(UNEXPECTED_ANSWER, "the answer of GetApplication has no state")
        return found

    def _held(self, account: Account, place: str) -> contextlib.AbstractAsyncContextManager[object]:
        is_changed = account.settings.updates_applications
        return self._lock(account, place) if is_changed else contextlib.nullcontext()

    def _lock(self, account: Account, named: str) -> asyncio.Lock:
        return self._locks.setdefault(account, {}).setdefault(named, asyncio.Lock())


def _unanswered(error: RemoteError) -> Verdict:
    meant = verdict(error, is_submitting=False)
    return Unavailable(NOT_STARTED, meant.message) if isinstance(meant, NotFound) else meant


def _digest(*parts: str) -> str:
    """A client token: the same for the same parts."""
    text_ = "\0".join(parts)
    return "pw-" + hashlib.sha256(text_.encode()).hexdigest()[:40]
