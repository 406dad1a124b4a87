"""EMR on EKS job runs in Propwash's words. Retries, deadlines, throttling and cleanup are the engine's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from propwash.sdk import CallLimits, CreateRequest, Rate, Spec, Throttled, Traits, Verdict
from propwash_aws.accounts import Account, Accounts
from propwash_aws.connection import AwsSettings
from propwash_aws.containers.service import ContainersService
from propwash_aws.containers.spec import ContainersSpec
from propwash_aws.containers.submission import start_input
from propwash_aws.errors import Meaning, RemoteError
from propwash_aws.runs.handler import RunHandler

_QUEUE_IS_FULL = re.compile(r"\bqueue\b|maxInQueueJobRuns", re.IGNORECASE)


class ContainersHandler(RunHandler[ContainersSpec]):
    """Runs Spark job runs on EMR on EKS."""

    task_types: ClassVar[tuple[str, ...]] = ("emr_containers",)
    spec_type: ClassVar[type[Spec]] = ContainersSpec
    description: ClassVar[str] = "Spark job runs on Amazon EMR on EKS."
    traits: ClassVar[Traits] = Traits(
        has_unique_names=True, settle_s=60.0, poll_floor_s=3.0, poll_ceiling_s=30.0
    )
    batch_size: ClassVar[int] = 10_000
    limits: ClassVar[CallLimits] = CallLimits(
        reads=Rate(per_s=5.0, burst=20.0),
        writes=Rate(per_s=5.0, burst=20.0),
        deletes=Rate(per_s=5.0, burst=20.0),
    )
    is_found_by_name: ClassVar[bool] = True
    pool_prefix: ClassVar[str] = "emr-eks"

    def __init__(self, *, accounts: Accounts) -> None:
        super().__init__(accounts=accounts, service=ContainersService())

    def place_of(self, spec: ContainersSpec) -> str | None:
        """The virtual cluster that a spec names."""
        return spec.virtual_cluster_id or spec.virtual_cluster_name

    def default_place(self, settings: AwsSettings) -> str | None:
        """The connection's virtual cluster."""
        return settings.virtual_cluster

    def swept_places(self, settings: AwsSettings) -> Sequence[str]:
        """The connection's further virtual clusters."""
        return settings.virtual_clusters

    def names_role(self, spec: ContainersSpec) -> bool:
        """Whether the spec, or the template that it names, says which role the run has."""
        return spec.execution_role_arn is not None or spec.job_template_id is not None

    def started(
        self, request: CreateRequest[ContainersSpec], place: str, settings: AwsSettings
    ) -> Mapping[str, object]:
        """The input of StartJobRun; raises Permanent."""
        return start_input(request, place, settings)

    async def refused(
        self, account: Account, place: str, error: RemoteError, spec: ContainersSpec
    ) -> Verdict:
        """A virtual cluster whose queue is full refuses as it refuses what is invalid (SchedulerConfiguration)."""
        if error.meaning is Meaning.REFUSED and _QUEUE_IS_FULL.search(error.message):
            return Throttled("QUEUE_FULL", error.message, retry_after_s=error.retry_after_s)
        return await super().refused(account, place, error, spec)
