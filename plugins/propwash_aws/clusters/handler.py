"""Transient EMR clusters in Propwash's words. Retries, deadlines, throttling and cleanup are the engine's.

The remote name is the cluster's Name. EMR makes any number of clusters of one name and takes no client token, so a
create in doubt is looked up by name before another is sent, the oldest of a name is kept and the others are ended.
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
    Rate,
    RemoteName,
    Spec,
    Traits,
    Verdict,
    parse_remote_name,
    pool_name,
)
from propwash_aws.accounts import Accounts
from propwash_aws.clusters.answers import Answer, oldest_first, state_of, text
from propwash_aws.clusters.batching import ClusterObserver
from propwash_aws.clusters.checking import check_clusters
from propwash_aws.clusters.console import clusters_link, region_or_none
from propwash_aws.clusters.describing import ClusterDescriber
from propwash_aws.clusters.emr import LIVE_CLUSTERS, Emr, Refused, looked_at
from propwash_aws.clusters.finding import ClusterEnder, ClusterFinder
from propwash_aws.clusters.keys import ClusterKey, read_meta
from propwash_aws.clusters.observing import is_over, new_job, observation
from propwash_aws.clusters.refusals import Refusal
from propwash_aws.clusters.sizing import most_machines
from propwash_aws.clusters.spec import ClusterSpec
from propwash_aws.clusters.submission import cluster_request
from propwash_aws.connection import AwsSettings
from propwash_aws.errors import verdict


class ClusterHandler(Handler[ClusterSpec]):
    """Runs EMR clusters that end with their last step."""

    task_types: ClassVar[tuple[str, ...]] = ("emr_cluster",)
    spec_type: ClassVar[type[Spec]] = ClusterSpec
    description: ClassVar[str] = "Transient Amazon EMR clusters with their steps (EMR on EC2)."
    traits: ClassVar[Traits] = Traits(
        has_unique_names=False, settle_s=120.0, poll_floor_s=15.0, poll_ceiling_s=60.0
    )
    batch_size: ClassVar[int] = 10_000
    settings_type: ClassVar[type[pydantic.BaseModel] | None] = AwsSettings
    limits: ClassVar[CallLimits] = CallLimits(
        reads=Rate(per_s=5.0, burst=20.0),
        writes=Rate(per_s=0.5, burst=5.0),
        deletes=Rate(per_s=5.0, burst=50.0),
    )
    """RunJobFlow is one call a cluster, and EMR refills its bucket with half a call a second."""

    def __init__(self, *, accounts: Accounts) -> None:
        self._accounts = accounts
        self._describer = ClusterDescriber()
        self._finder = ClusterFinder()
        self._ender = ClusterEnder()
        self._observer = ClusterObserver(self._describer, self._finder, self._ender)

    async def create(self, request: CreateRequest[ClusterSpec]) -> Job:
        """RunJobFlow under the request's name."""
        asked = cluster_request(request)
        emr = self._emr(request.connection)
        try:
            cluster = await emr.run_cluster(asked)
        except Refused as refused:
            raise verdict(refused.error, is_submitting=True) from refused
        return new_job(ClusterKey(cluster, request.name), emr.region)

    async def validate(self, request: CreateRequest[ClusterSpec]) -> None:
        """EMR has no dry run: inputs are filled in. Raises Permanent."""
        cluster_request(request)

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        """Observe by the list where there are many, by descriptions where there are few."""
        return await self._observer.observe(self._emr(connection), connection.name, metas)

    async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
        """All clusters of the name are looked up; the oldest is kept, the others are ended."""
        emr = self._emr(connection)
        try:
            found = await self._finder.named(emr, name)
            if not found:
                return None
            kept, *others = oldest_first(found)
            for one in others:
                await self._end(emr, one)
        except Refused as refused:
            raise looked_at(refused) from refused
        key = ClusterKey(text(kept, "Id"), name)
        return Job(meta=key.meta(), observation=await self._seen(emr, connection, key, kept))

    async def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion:
        """TerminateJobFlows for every live cluster of the name; only what EMR calls terminated is GONE."""
        emr = self._emr(connection)
        try:
            if meta is None:
                found = await self._finder.named(emr, name)
                live = [one for one in found if not is_over(one)]
                if not found:
                    return Deletion.ABSENT
            else:
                live = list(await self._finder.live(emr, name))
                if not live:
                    cluster = await self._describer.cluster(emr, read_meta(meta).cluster)
                    live = [] if is_over(cluster) else [cluster]
            for one in live:
                await self._end(emr, one)
        except NotFound:
            return Deletion.ABSENT
        except Refused as refused:
            raise looked_at(refused) from refused
        return Deletion.PENDING if live else Deletion.GONE

    async def list(self, connection: Connection, owner: str) -> Sequence[ListedJob]:
        """The live clusters whose name carries the owner."""
        emr = self._emr(connection)
        found = []
        try:
            async for page in emr.list_clusters(states=LIVE_CLUSTERS):
                for one in page:
                    name = text(one, "Name")
                    parsed = parse_remote_name(name)
                    if parsed is not None and parsed.owner == owner and text(one, "Id"):
                        key = ClusterKey(text(one, "Id"), RemoteName(name))
                        found.append(ListedJob(name=key.name, meta=key.meta()))
        except Refused as refused:
            raise looked_at(refused) from refused
        return found

    async def check(self, connection: Connection) -> Sequence[Checked]:
        """Who we are, and ListClusters."""
        return await check_clusters(self._emr(connection))

    def claims(self, connection: Connection, spec: ClusterSpec) -> Sequence[Claim]:
        """One cluster, and its machines at most, where the spec says how many those are."""
        by_cluster = Claim(pool=pool_name("emr-cluster", connection.name))
        machines = most_machines(spec)
        if machines is None:
            return (by_cluster,)
        return (
            by_cluster,
            Claim(pool=pool_name("emr-cluster-instances", connection.name), units=machines),
        )

    def links(self, connection: Connection, name: RemoteName, spec: ClusterSpec) -> Sequence[Link]:
        """The clusters in AWS's console: a cluster's own page is known when EMR has named it."""
        return clusters_link(region_or_none(connection))

    async def close(self) -> None:
        """Stop what is under way, and close the sessions."""
        for part in (self._describer, self._finder, self._ender):
            await part.close()
        await self._accounts.close()

    def _emr(self, connection: Connection) -> Emr:
        return Emr(self._accounts.of(connection))

    async def _end(self, emr: Emr, cluster: Answer) -> None:
        if is_over(cluster) or state_of(cluster) == "TERMINATING":
            return
        try:
            await self._ender.end(emr, text(cluster, "Id"))
        except Refused as refused:
            # That there is nothing to end is for the cluster's state to tell, at the next look.
            if refused.meaning not in (Refusal.NO_SUCH_CLUSTER, Refusal.CLUSTER_CLOSED):
                raise

    async def _seen(self, emr: Emr, connection: Connection, key: ClusterKey, found: Answer) -> Observation:
        if not is_over(found):
            return observation(found, key, emr.region)
        seen = (await self._observer.observe(emr, connection.name, [key.meta()]))[key.meta()]
        if isinstance(seen, Verdict):
            raise seen
        return seen
