"""EMR steps in Propwash's words. Retries, deadlines, throttling and cleanup are the engine's.

The remote name is the step's Name. EMR takes any number of steps of one name and no client token, so a create in doubt
is looked up by name before another is sent, the oldest step of a name is kept and the others are cancelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pydantic

from propwash.sdk import (
    CallLimits,
    Checked,
    Claim,
    Connection,
    CreateRequest,
    Deletion,
    Handler,
    Job,
    Link,
    ListedJob,
    NotFound,
    Observation,
    Permanent,
    Rate,
    RemoteName,
    Retryable,
    Spec,
    Throttled,
    Traits,
    Unavailable,
    Verdict,
    pool_name,
)
from propwash_aws.accounts import Accounts
from propwash_aws.clusters.answers import Answer, earliest_s, oldest_first, state_of, text
from propwash_aws.clusters.console import cluster_link, clusters_link, region_or_none
from propwash_aws.clusters.describing import ClusterDescriber
from propwash_aws.clusters.emr import OPEN_CLUSTERS, Emr, Refused, looked_at
from propwash_aws.clusters.refusals import Refusal
from propwash_aws.connection import AwsSettings
from propwash_aws.errors import verdict
from propwash_aws.steps.batching import StepObserver
from propwash_aws.steps.cancelling import StepCanceller
from propwash_aws.steps.checking import check_steps
from propwash_aws.steps.keys import Place, StepKey, read_hint, read_meta
from propwash_aws.steps.listing import our_steps
from propwash_aws.steps.looking import StepFinder
from propwash_aws.steps.observing import Surroundings, is_ending, is_over, job_of, new_job
from propwash_aws.steps.resolving import ClusterFinder
from propwash_aws.steps.spec import StepSpec
from propwash_aws.steps.submission import step_config
from propwash_aws.steps.writing import StepWriter, WantedStep


class StepHandler(Handler[StepSpec]):
    """Runs steps on EMR clusters that exist."""

    task_types: ClassVar[tuple[str, ...]] = ("emr_step",)
    spec_type: ClassVar[type[Spec]] = StepSpec
    description: ClassVar[str] = "Steps on Amazon EMR clusters (EMR on EC2)."
    traits: ClassVar[Traits] = Traits(
        has_unique_names=False, settle_s=60.0, poll_floor_s=5.0, poll_ceiling_s=30.0
    )
    batch_size: ClassVar[int] = 10_000
    settings_type: ClassVar[type[pydantic.BaseModel] | None] = AwsSettings
    limits: ClassVar[CallLimits] = CallLimits(
        reads=Rate(per_s=20.0, burst=100.0),
        writes=Rate(per_s=50.0, burst=256.0),
        deletes=Rate(per_s=50.0, burst=256.0),
    )
    """Of the handler's methods, which share EMR's calls: its own buckets are per call, and far smaller."""

    def __init__(self, *, accounts: Accounts) -> None:
        self._accounts = accounts
        self._writer = StepWriter()
        self._clusters = ClusterFinder()
        self._steps = StepFinder()
        self._canceller = StepCanceller()
        self._describer = ClusterDescriber()
        self._observer = StepObserver(self._describer, self._canceller)

    async def create(self, request: CreateRequest[StepSpec]) -> Job:
        """AddJobFlowSteps under the request's name, together with the steps that wait for the same cluster."""
        emr = self._emr(request.connection)
        config, place = (
            step_config(request),
            read_hint(request.hint) if request.hint else _place(request.spec),
        )
        try:
            cluster = await self._cluster(emr, place, request.spec)
            role = request.spec.execution_role_arn
            wanted = WantedStep(emr=emr, cluster=cluster, role=role, config=config)
            step = await self._writer.add(wanted)
        except Refused as refused:
            raise _refused(refused, place) from refused
        around = Surroundings(region=emr.region)
        return new_job(StepKey(cluster, step, request.name), around)

    async def validate(self, request: CreateRequest[StepSpec]) -> None:
        """EMR has no dry run: inputs are filled in, and the cluster is looked at. Raises Permanent."""
        emr, place = self._emr(request.connection), _place(request.spec)
        step_config(request)
        try:
            cluster = await self._cluster(emr, place, request.spec)
            if place.cluster:
                state = state_of(await self._describer.cluster(emr, cluster))
                if state not in OPEN_CLUSTERS:
                    raise Permanent("CLUSTER_GONE", f"the cluster {cluster} is {state} and takes no step")
        except NotFound as missing:
            raise Permanent("CLUSTER_GONE", missing.message) from missing
        except Refused as refused:
            raise _refused(refused, place) from refused

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        """Observe by ids where a cluster has few, by its lists where there are many."""
        return await self._observer.observe(self._emr(connection), connection.name, metas)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        """All steps of the name are looked up; the oldest is kept, the others are cancelled.

        Raises Unavailable where a duplicate's cancel was not taken: the job is not adopted before it was.
        """
        emr, place = self._emr(connection), read_hint(hint)
        found = await self._named(emr, place, name)
        if not found:
            return None
        where = {text(step, "Id"): cluster for cluster, step in found}
        kept, *others = oldest_first([step for _, step in found])
        for step in others:
            if not is_over(step):
                await self._cancel(emr, where[text(step, "Id")], step, place)
        around = Surroundings(region=emr.region)
        return job_of(kept, where[text(kept, "Id")], name, around)

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        """CancelSteps for every live step of the name, confirmed by state: only what is over is GONE.

        Raises Unavailable CANCEL_REFUSED with EMR's reason where it does not take the wish.
        """
        emr, place = self._emr(connection), read_hint(hint)
        if meta is None:
            found = await self._named(emr, place, name)
            live = [(cluster, step) for cluster, step in found if not is_over(step)]
            for cluster, step in live:
                await self._cancel(emr, cluster, step, place)
            if live:
                return Deletion.PENDING
            return Deletion.GONE if found else Deletion.ABSENT
        key = read_meta(meta)
        return await self._deleted(emr, key, place)

    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        """The live steps whose name carries the owner, on the connection's clusters or else on all that are live."""
        try:
            return await our_steps(self._emr(connection), owner)
        except Refused as refused:
            raise looked_at(refused) from refused

    async def check(self, connection: Connection) -> Sequence[Checked]:
        """Who we are, ListClusters, and ListSteps on the connection's clusters."""
        return await check_steps(self._emr(connection))

    def hint(self, connection: Connection, spec: StepSpec) -> bytes:
        """The cluster as the spec names it, and how its step is to be cancelled."""
        return _place(spec).hint()

    def claims(self, connection: Connection, spec: StepSpec) -> Sequence[Claim]:
        """One unit of the cluster, as the spec names it."""
        cluster = spec.cluster_id or spec.cluster_name or ""
        return (Claim(pool=pool_name("emr", connection.name, cluster)),)

    def links(self, connection: Connection, name: RemoteName, spec: StepSpec) -> Sequence[Link]:
        """The cluster in AWS's console."""
        region = region_or_none(connection)
        return cluster_link(region, spec.cluster_id) if spec.cluster_id else clusters_link(region)

    async def close(self) -> None:
        """Stop what is under way, and close the sessions."""
        for part in (self._writer, self._clusters, self._steps, self._canceller, self._describer):
            await part.close()
        await self._accounts.close()

    def _emr(self, connection: Connection) -> Emr:
        return Emr(self._accounts.of(connection))

    async def _cluster(self, emr: Emr, place: Place, spec: StepSpec) -> str:
        return place.cluster or await self._clusters.open_one(emr, place.cluster_name, spec)

    async def _named(self, emr: Emr, place: Place, name: RemoteName) -> Sequence[tuple[str, Answer]]:
        """Every step of the name with its cluster, wherever the hint says that it may be.

        Clusters that ended since hold no live step, and are read only where the live ones know none of the name.
        """
        if not place.cluster and not place.cluster_name:
            raise Unavailable("CLUSTER_MISSING", "the hint names no cluster")
        try:
            if place.cluster:
                return await self._on(emr, [place.cluster], name)
            found = await self._on(emr, await self._clusters.live_ones(emr, place.cluster_name), name)
            if not found:
                ended = await self._clusters.ended_since(emr, place.cluster_name, earliest_s(name))
                found = await self._on(emr, ended, name)
        except Refused as refused:
            raise looked_at(refused) from refused
        return found

    async def _on(self, emr: Emr, clusters: Sequence[str], name: RemoteName) -> Sequence[tuple[str, Answer]]:
        return [(one, step) for one in clusters for step in await self._steps.named(emr, one, name)]

    async def _deleted(self, emr: Emr, key: StepKey, place: Place) -> Deletion:
        try:
            clusters = [key.cluster]
            if place.cluster_name:
                clusters += await self._clusters.live_ones(emr, place.cluster_name)
            live = [
                (one, step)
                for one in dict.fromkeys(clusters)
                for step in await self._steps.live(emr, one, key.name)
            ]
            if not live:
                step = await self._steps.by_id(emr, key.cluster, key.step)
                if is_over(step):
                    return Deletion.GONE
                live = [(key.cluster, step)]
        except NotFound:
            return Deletion.ABSENT
        except Refused as refused:
            raise looked_at(refused) from refused
        for cluster, step in live:
            await self._cancel(emr, cluster, step, place)
        return Deletion.PENDING

    async def _cancel(self, emr: Emr, cluster: str, step: Answer, place: Place) -> None:
        number = text(step, "Id")
        reason = await self._canceller.cancel(emr, cluster, number, option=place.cancellation)
        if not reason:
            return
        try:
            now = await self._steps.by_id(emr, cluster, number)
        except NotFound:
            return
        except Refused as refused:
            raise looked_at(refused) from refused
        if not is_ending(now):
            raise Unavailable("CANCEL_REFUSED", f"EMR does not cancel the step {number}: {reason}")


def _place(spec: StepSpec) -> Place:
    return Place(spec.cluster_id or "", spec.cluster_name or "", spec.step_cancellation_option)


def _refused(refused: Refused, place: Place) -> Verdict:
    """A refused create."""
    message = refused.error.message
    match refused.meaning:
        case Refusal.CLUSTER_FULL:
            said = f"the cluster has 256 pending or running steps: {message}"
            return Throttled("CLUSTER_FULL", said, retry_after_s=refused.error.retry_after_s)
        case Refusal.NO_SUCH_CLUSTER | Refusal.CLUSTER_CLOSED if place.cluster_name:
            return Retryable("CLUSTER_GONE", f"the cluster that had the name takes no step: {message}")
        case Refusal.NO_SUCH_CLUSTER | Refusal.CLUSTER_CLOSED:
            return Permanent("CLUSTER_GONE", message)
        case _:
            return verdict(refused.error, is_submitting=True)
