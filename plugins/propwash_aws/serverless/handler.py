"""EMR Serverless job runs in Propwash's words. Retries, deadlines, throttling and cleanup are the engine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from propwash.sdk import (
    CallLimits,
    Checked,
    Claim,
    Connection,
    CreateRequest,
    FlyteDialect,
    Job,
    Permanent,
    Rate,
    Spec,
    Traits,
    Unavailable,
    Verdict,
    pool_name,
)
from propwash_aws.accounts import Account, Accounts
from propwash_aws.clusters.answers import mapping, text
from propwash_aws.connection import AwsSettings, settings_of
from propwash_aws.errors import Meaning, RemoteError, verdict
from propwash_aws.runs.handler import RunHandler
from propwash_aws.runs.keys import PlaceHint
from propwash_aws.serverless.applications import NOT_STARTED, Applications, prefixed
from propwash_aws.serverless.differing import told
from propwash_aws.serverless.entry_points import EntryPoints, entry_point_of, in_folder
from propwash_aws.serverless.flyte import JobRunTasks
from propwash_aws.serverless.service import SERVICE, ServerlessService
from propwash_aws.serverless.sizing import most_vcpus
from propwash_aws.serverless.spec import ServerlessSpec
from propwash_aws.serverless.submission import start_input, telling

_STARTABLE = frozenset({"CREATED", "STOPPED"})
_SOON = frozenset({"CREATING", "STARTING", "STOPPING"})


class ServerlessHandler(RunHandler[ServerlessSpec]):
    """Runs Spark and Hive job runs on EMR Serverless."""

    task_types: ClassVar[tuple[str, ...]] = ("emr_serverless",)
    spec_type: ClassVar[type[Spec]] = ServerlessSpec
    description: ClassVar[str] = "Spark and Hive job runs on Amazon EMR Serverless."
    traits: ClassVar[Traits] = Traits(
        has_unique_names=True, settle_s=60.0, poll_floor_s=3.0, poll_ceiling_s=30.0
    )
    batch_size: ClassVar[int] = 10_000
    limits: ClassVar[CallLimits] = CallLimits(
        reads=Rate(per_s=10.0, burst=25.0),
        writes=Rate(per_s=10.0, burst=25.0),
        deletes=Rate(per_s=10.0, burst=25.0),
    )
    is_found_by_name: ClassVar[bool] = False
    pool_prefix: ClassVar[str] = "emr-serverless"
    flyte: ClassVar[FlyteDialect | None] = JobRunTasks()

    def __init__(self, *, accounts: Accounts) -> None:
        super().__init__(accounts=accounts, service=ServerlessService())
        self._applications = Applications(self._places)
        self._entry_points = EntryPoints(now=accounts.now)

    async def create(self, request: CreateRequest[ServerlessSpec]) -> Job:
        """As of any run; what the spec describes beyond the run is there before it is begun, or the run waits."""
        account, spec = self._accounts.of(request.connection), request.spec
        entry_point = entry_point_of(spec, account.settings) if spec.job_driver.command else None
        asked = start_input(request, "", account.settings, entry_point=entry_point.uri if entry_point else "")
        # Nothing is made for a run that is refused by now.
        if spec.described_name is not None:
            place = await self._applications.named(account, self._named(account, request).named, request)
        else:
            place = await self._place(account, request)
        if entry_point is not None:
            await self._entry_points.store(account, entry_point)
        async with self._applications.fitting(account, place, spec) as fit:
            asked = telling({**asked, "applicationId": fit.place}, fit.fields)
            said = "the run is submitted"
            if fit.differing:
                said += f"; application {place} differs from what is described: {told(fit.differing)}"
            return await self._start(account, request, asked, place=place, said=said)

    def claims(self, connection: Connection, spec: ServerlessSpec) -> Sequence[Claim]:
        """One unit of the application, and of its vCPUs as many as the run may take, where the spec says so."""
        by_run = super().claims(connection, spec)
        vcpus = most_vcpus(spec)
        if not by_run or vcpus is None:
            return by_run
        place = self.named_place(spec, settings_of(connection)).named
        pool = pool_name("emr-serverless-vcpu", connection.name, place)
        return (*by_run, Claim(pool=pool, units=vcpus))

    def place_of(self, spec: ServerlessSpec) -> str | None:
        """The application that a spec names."""
        return spec.application_id or spec.application_name

    def named_place(self, spec: ServerlessSpec, settings: AwsSettings) -> PlaceHint:
        """The application that a spec names or describes, or the connection's."""
        if spec.described_name is None:
            return super().named_place(spec, settings)
        return PlaceHint(prefixed(spec.described_name, settings), is_name=True)

    def default_place(self, settings: AwsSettings) -> str | None:
        """The connection's application."""
        return settings.serverless_application

    def swept_places(self, settings: AwsSettings) -> Sequence[str]:
        """The connection's further applications."""
        return settings.serverless_applications

    def sweeps_all(self, settings: AwsSettings) -> bool:
        """Where applications are made, runs may be in any."""
        return settings.creates_applications

    def names_role(self, spec: ServerlessSpec) -> bool:
        """Whether the spec names the execution role."""
        return spec.execution_role_arn is not None

    def started(
        self, request: CreateRequest[ServerlessSpec], place: str, settings: AwsSettings
    ) -> Mapping[str, object]:
        """The input of StartJobRun; raises Permanent."""
        return start_input(request, place, settings)

    async def check(self, connection: Connection) -> Sequence[Checked]:
        """As of any form; the entry point of commands is put in its place, too, where the connection names one."""
        found = await super().check(connection)
        if not all(one.is_ok for one in found):
            return found
        account = self._accounts.of(connection)
        location = account.settings.entry_point_location
        if location is None:
            return found
        wanted = in_folder(location)
        try:
            await self._entry_points.store(account, wanted)
        except Verdict as failed:
            remedy = (
                "allow s3:GetObject and s3:PutObject there, or correct entry_point_location and s3_endpoint"
            )
            return (*found, Checked(what="entry point", is_ok=False, message=failed.message, remedy=remedy))
        return (*found, Checked(what="entry point", is_ok=True, message=wanted.uri))

    async def refused(
        self, account: Account, place: str, error: RemoteError, spec: ServerlessSpec
    ) -> Verdict:
        """A run is refused for good, or for as long as its application is not started."""
        if error.meaning is not Meaning.REFUSED:
            return await super().refused(account, place, error, spec)
        try:
            answer = await account.look(SERVICE, "GetApplication", applicationId=place)
        except Verdict:
            # What the application is like cannot be seen: what was refused stands.
            return await super().refused(account, place, error, spec)
        application = mapping(answer, "application")
        state = text(application, "state")
        if state == "TERMINATED":
            return Permanent("APPLICATION_TERMINATED", f"application {place} is terminated")
        if state in _SOON:
            return _waits(f"application {place} is {state}; the run is sent when it is started")
        if state not in _STARTABLE or mapping(application, "autoStartConfiguration").get("enabled") is True:
            return await super().refused(account, place, error, spec)
        if not account.settings.starts_applications:
            said = f"application {place} is {state}, does not start by itself, and the connection does not start it"
            return _waits(said)
        try:
            await account.call(SERVICE, "StartApplication", applicationId=place)
        except RemoteError as failed:
            return _not_started(place, state, failed)
        return _waits(f"application {place} was {state}, and is being started for this run")


def _waits(message: str) -> Unavailable:
    # Not Throttled, which would slow the runs of other applications down, too.
    return Unavailable(NOT_STARTED, message)


def _not_started(place: str, state: str, error: RemoteError) -> Verdict:
    why = verdict(error, is_submitting=False)
    said = f"application {place} is {state}, and starting it failed: {why.message}"
    return Unavailable(NOT_STARTED, said)
