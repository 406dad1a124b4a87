"""What the handlers of both forms do alike: find, observe, end and list job runs by their place.

The remote name is the run's name, and what the client token is made of. StartJobRun answers a token that it knows with
the run that it made for it, and a run is looked up by name before any create is sent again after doubt.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

import pydantic

from propwash.sdk import (
    Checked,
    Claim,
    Connection,
    CreateRequest,
    Deletion,
    Handler,
    Job,
    Link,
    ListedJob,
    Observation,
    Permanent,
    RemoteName,
    RemotePhase,
    Spec,
    Unavailable,
    Verdict,
    parse_remote_name,
    pool_name,
)
from propwash_aws.accounts import Account, Accounts, Answer
from propwash_aws.clusters.answers import text
from propwash_aws.connection import AwsSettings, SettingsError, region_of, settings_of
from propwash_aws.errors import UNEXPECTED_ANSWER, RemoteError, verdict
from propwash_aws.runs.batching import RunObserver
from propwash_aws.runs.checking import check_runs
from propwash_aws.runs.finding import RunFinder
from propwash_aws.runs.keys import PlaceHint, RunKey, read_hint, read_meta
from propwash_aws.runs.places import Places
from propwash_aws.runs.service import RunService, run_id

SpecT = TypeVar("SpecT", bound=Spec)


class RunHandler(Handler[SpecT], abc.ABC, Generic[SpecT]):
    """Runs job runs on one service."""

    settings_type: ClassVar[type[pydantic.BaseModel] | None] = AwsSettings
    is_found_by_name: ClassVar[bool]
    """Whether the service lists runs by name."""
    pool_prefix: ClassVar[str]
    """Begins the names of pools that runs claim by default."""

    def __init__(self, *, accounts: Accounts, service: RunService) -> None:
        self._accounts = accounts
        self._service = service
        self._places = Places(service, now=accounts.now)
        self._finder = RunFinder(service, wall=accounts.wall, is_by_name=self.is_found_by_name)
        self._observer = RunObserver(service, self._finder)

    @abc.abstractmethod
    def place_of(self, spec: SpecT) -> str | None:
        """The place that a spec names, by id or name."""

    @abc.abstractmethod
    def default_place(self, settings: AwsSettings) -> str | None:
        """The place of specs that name none."""

    def named_place(self, spec: SpecT, settings: AwsSettings) -> PlaceHint:
        """The place that a run of the spec goes to."""
        return PlaceHint(self.place_of(spec) or self.default_place(settings) or "")

    @abc.abstractmethod
    def swept_places(self, settings: AwsSettings) -> Sequence[str]:
        """The places that the settings name for the sweep; empty for all."""

    def sweeps_all(self, settings: AwsSettings) -> bool:
        """Whether runs may be in places that the settings do not name."""
        return False

    @abc.abstractmethod
    def started(
        self, request: CreateRequest[SpecT], place: str, settings: AwsSettings
    ) -> Mapping[str, object]:
        """The input of StartJobRun; raises Permanent."""

    @abc.abstractmethod
    def names_role(self, spec: SpecT) -> bool:
        """Whether the spec names the role that the run has, rather than the connection."""

    async def refused(self, account: Account, place: str, error: RemoteError, spec: SpecT) -> Verdict:
        """What the refusal of a StartJobRun means."""
        return verdict(error, is_submitting=True, names_role=self.names_role(spec))

    async def create(self, request: CreateRequest[SpecT]) -> Job:
        """StartJobRun with a token made of the request's name; a run of that name that is there is adopted."""
        account = self._accounts.of(request.connection)
        place = await self._place(account, request)
        asked = self.started(request, place, account.settings)
        return await self._start(account, request, asked, place=place)

    async def _start(
        self,
        account: Account,
        request: CreateRequest[SpecT],
        asked: Mapping[str, object],
        *,
        place: str,
        said: str = "the run is submitted",
    ) -> Job:
        try:
            answer = await account.call(self._service.service, "StartJobRun", **asked)
        except RemoteError as error:
            if error.code == "ConflictException" and (found := await self._found(account, request, place)):
                return found
            raise await self.refused(account, place, error, request.spec) from error
        if not run_id(answer):
            raise Unavailable(UNEXPECTED_ANSWER, "the answer of StartJobRun names no job run")
        key = RunKey(place, run_id(answer), request.name)
        links = self._service.run_links(account.region, key)
        begun = Observation(phase=RemotePhase.PENDING, message=said, links=links)
        return Job(meta=key.meta(), observation=begun)

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        """Observe by ListJobRuns where there are many, singly where there are few or the list cannot tell."""
        return await self._observer.observe(self._accounts.of(connection), metas)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        """Look the name up in the list of its place's runs; further runs of the name are cancelled."""
        account = self._accounts.of(connection)
        return await self._kept(account, await self._keys(account, name, hint))

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        """CancelJobRun, confirmed by the run's state: ended is GONE, anything else PENDING."""
        account = self._accounts.of(connection)
        keys = [read_meta(meta)] if meta is not None else await self._keys(account, name, hint)
        ends = [await self._finder.end(account, key) for key in keys]
        if Deletion.PENDING in ends:
            return Deletion.PENDING
        return Deletion.GONE if Deletion.GONE in ends else Deletion.ABSENT

    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        """The live runs whose name carries the owner, in the places that the connection sweeps."""
        account, service = self._accounts.of(connection), self._service
        found: list[ListedJob] = []
        for place in await self._swept(account):
            async for page in service.pages_of_runs(account, place, states=service.live_states):
                for run in page:
                    parsed = parse_remote_name(text(run, "name"))
                    if parsed is not None and parsed.owner == owner and run_id(run):
                        key = RunKey(place, run_id(run), RemoteName(text(run, "name")))
                        found.append(ListedJob(name=key.name, meta=key.meta()))
        return found

    def hint(self, connection: Connection, spec: SpecT) -> bytes:
        """The place, as the spec or the connection has it now; raises SettingsError."""
        return self.named_place(spec, settings_of(connection)).packed()

    def claims(self, connection: Connection, spec: SpecT) -> Sequence[Claim]:
        """One unit of the place, as the spec or the connection names it."""
        place = self.named_place(spec, settings_of(connection)).named
        return (Claim(pool=pool_name(self.pool_prefix, connection.name, place)),) if place else ()

    def links(self, connection: Connection, name: RemoteName, spec: SpecT) -> Sequence[Link]:
        """The place in AWS's console, where its id is given; none where the settings do not serve."""
        try:
            settings = settings_of(connection)
            region = region_of(connection, settings)
        except SettingsError:
            return ()
        return self._service.place_links(region, self.named_place(spec, settings).named)

    async def check(self, connection: Connection) -> Sequence[Checked]:
        """Who we are, whether places and their runs may be listed, and whether the named places are there."""
        try:
            account = self._accounts.of(connection)
        except Unavailable as verdict_:
            return (Checked(what="settings", is_ok=False, message=verdict_.message),)
        settings = account.settings
        named = [one for one in (self.default_place(settings), *self.swept_places(settings)) if one]
        return await check_runs(account, self._service, self._places, named=list(dict.fromkeys(named)))

    async def close(self) -> None:
        """Stop look-ups, and close the accounts that all handlers of the plugin share."""
        await self._finder.close()
        await self._accounts.close()

    async def _place(self, account: Account, request: CreateRequest[SpecT]) -> str:
        spec = request.spec
        named = self._named(account, request).named
        if not named:
            said = f"neither the spec nor the connection names the {self._service.place_word}"
            raise Permanent(f"{self._service.place_reason}_MISSING", said)
        return await self._places.one(account, named, is_of_spec=self.place_of(spec) is not None)

    def _named(self, account: Account, request: CreateRequest[SpecT]) -> PlaceHint:
        hint = read_hint(request.hint)
        return hint if hint.named else self.named_place(request.spec, account.settings)

    async def _keys(self, account: Account, name: RemoteName, hint: bytes) -> Sequence[RunKey]:
        where = read_hint(hint)
        named = where.named or self.default_place(account.settings) or ""
        if not named:
            raise Unavailable(
                f"{self._service.place_reason}_MISSING",
                f"neither the hint nor the connection names the {self._service.place_word}",
            )
        places = await self._places.all_of(account, named, is_name=where.is_name)
        return await self._finder.find(account, places, name)

    async def _found(self, account: Account, request: CreateRequest[SpecT], place: str) -> Job | None:
        return await self._kept(account, await self._finder.find(account, [place], request.name))

    async def _kept(self, account: Account, keys: Sequence[RunKey]) -> Job | None:
        if not keys:
            return None
        for further in keys[1:]:
            await self._finder.end(account, further)
        run: Answer = await self._service.read(account, keys[0])
        observed = self._service.observation(run, keys[0], account.region)
        return Job(meta=keys[0].meta(), observation=observed)

    async def _swept(self, account: Account) -> Sequence[str]:
        settings = account.settings
        named = [one for one in (self.default_place(settings), *self.swept_places(settings)) if one]
        if not named or self.sweeps_all(settings):
            return await self._places.every(account)
        found = [one for each in dict.fromkeys(named) for one in await self._places.all_of(account, each)]
        return list(dict.fromkeys(found))
