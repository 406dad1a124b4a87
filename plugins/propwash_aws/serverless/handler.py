"""EMR Serverless job runs in Propwash's words. Retries, deadlines, throttling and cleanup are the engine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from propwash.sdk import (
    CallLimits,
    CreateRequest,
    FlyteDialect,
    Permanent,
    Rate,
    Spec,
    Traits,
    Unavailable,
    Verdict,
)
from propwash_aws.accounts import Account, Accounts
from propwash_aws.clusters.answers import mapping, text
from propwash_aws.connection import AwsSettings
from propwash_aws.errors import Meaning, RemoteError, verdict
from propwash_aws.runs.handler import RunHandler
from propwash_aws.serverless.flyte import JobRunTasks
from propwash_aws.serverless.service import SERVICE, ServerlessService
from propwash_aws.serverless.spec import ServerlessSpec
from propwash_aws.serverless.submission import start_input

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
    flyte: ClassVar[FlyteDialect | None] = JobRunTasks()

    def __init__(self, *, accounts: Accounts) -> None:
        super().__init__(accounts=accounts, service=ServerlessService())

    def place_of(self, spec: ServerlessSpec) -> str | None:
        """The application that a spec names."""
        return spec.application_id or spec.application_name

    def default_place(self, settings: AwsSettings) -> str | None:
        """The connection's application."""
        return settings.serverless_application

    def swept_places(self, settings: AwsSettings) -> Sequence[str]:
        """The connection's further applications."""
        return settings.serverless_applications

    def names_role(self, spec: ServerlessSpec) -> bool:
        """Whether the spec names the execution role."""
        return spec.execution_role_arn is not None

    def started(
        self, request: CreateRequest[ServerlessSpec], place: str, settings: AwsSettings
    ) -> Mapping[str, object]:
        """The input of StartJobRun; raises Permanent."""
        return start_input(request, place, settings)

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
    return Unavailable("APPLICATION_NOT_STARTED", message)


def _not_started(place: str, state: str, error: RemoteError) -> Verdict:
    why = verdict(error, is_submitting=False)
    said = f"application {place} is {state}, and starting it failed: {why.message}"
    return Unavailable("APPLICATION_NOT_STARTED", said)
