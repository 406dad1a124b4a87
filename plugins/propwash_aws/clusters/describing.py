"""Describes clusters; those who ask about one at the same time share the call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from propwash.sdk import NotFound
from propwash_aws.clusters.answers import Answer, state_of, text
from propwash_aws.clusters.emr import Emr, Refused
from propwash_aws.clusters.gathering import Gatherer
from propwash_aws.clusters.refusals import Refusal

_MOST_ASKERS = 10_000
_MOST_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    emr: Emr
    cluster: str


class ClusterDescriber:
    """Describes the clusters of all connections."""

    def __init__(self) -> None:
        self._gatherer = Gatherer(_described, name="emr-describe-cluster", most=_MOST_ASKERS)
        self._logs: OrderedDict[tuple[str, str], Answer] = OrderedDict()

    async def cluster(self, emr: Emr, cluster: str) -> Answer:
        """The cluster as it is now; raises NotFound where EMR knows none."""
        return await self._gatherer.ask((id(emr.account), cluster), _Asked(emr=emr, cluster=cluster))

    async def logs(self, emr: Emr, connection: str, cluster: str) -> Answer:
        """The cluster with no more than its LogUri, which never changes and so is asked for once."""
        key = (connection, cluster)
        if key not in self._logs:
            described = await self.cluster(emr, cluster)
            self._logs[key] = {"LogUri": text(described, "LogUri")}
            if len(self._logs) > _MOST_REMEMBERED:
                self._logs.popitem(last=False)
        return self._logs[key]

    async def close(self) -> None:
        """Stop."""
        await self._gatherer.close()


async def _described(asked: Sequence[_Asked]) -> list[Answer | Exception]:
    first = asked[0]
    try:
        cluster = await first.emr.describe_cluster(first.cluster)
    except Refused as refused:
        if refused.meaning is not Refusal.NO_SUCH_CLUSTER:
            raise
        return [NotFound(refused.error.message)] * len(asked)
    if text(cluster, "Id") != first.cluster or not state_of(cluster):
        return [NotFound(f"EMR knows no cluster {first.cluster[:40]}")] * len(asked)
    return [cluster] * len(asked)
