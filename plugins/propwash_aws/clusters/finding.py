"""Finds our clusters by name, and ends clusters; those who ask at the same time share the calls.

Source: Amazon EMR API Reference, ListClusters (in no order, by state and creation), TerminateJobFlows (ten at a time,
asynchronous), SetTerminationProtection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from propwash.sdk import RemoteName, Verdict
from propwash_aws.clusters.answers import Answer, earliest_s, text
from propwash_aws.clusters.emr import LIVE_CLUSTERS, MOST_TERMINATED, Emr, Refused
from propwash_aws.clusters.gathering import Gatherer
from propwash_aws.clusters.refusals import Refusal

_MOST_ASKERS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    emr: Emr
    name: RemoteName
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unwanted:
    emr: Emr
    cluster: str


class ClusterFinder:
    """Finds the clusters of all connections by name."""

    def __init__(self) -> None:
        self._gatherer = Gatherer(_listed, name="emr-find-clusters", most=_MOST_ASKERS)

    async def named(self, emr: Emr, name: RemoteName) -> Sequence[Answer]:
        """All clusters of this name, whatever their state."""
        return await self._ask(emr, name, ())

    async def live(self, emr: Emr, name: RemoteName) -> Sequence[Answer]:
        """The clusters of this name that are not over."""
        return await self._ask(emr, name, LIVE_CLUSTERS)

    async def close(self) -> None:
        """Stop."""
        await self._gatherer.close()

    async def _ask(self, emr: Emr, name: RemoteName, states: tuple[str, ...]) -> Sequence[Answer]:
        asked = _Named(emr=emr, name=name, states=states)
        return await self._gatherer.ask((id(emr.account), states), asked)


class ClusterEnder:
    """Ends the clusters of all connections."""

    def __init__(self) -> None:
        self._gatherer = Gatherer(_ended, name="emr-terminate", most=MOST_TERMINATED)

    async def end(self, emr: Emr, cluster: str) -> None:
        """Wish for a cluster's end; the protection from termination is taken away where there is one."""
        await self._gatherer.ask(id(emr.account), _Unwanted(emr=emr, cluster=cluster))

    async def close(self) -> None:
        """Stop."""
        await self._gatherer.close()


async def _listed(asked: Sequence[_Named]) -> list[Sequence[Answer] | Exception]:
    first = asked[0]
    since_s = min(earliest_s(one.name) for one in asked)
    by_name: dict[str, dict[str, Answer]] = {}
    async for page in first.emr.list_clusters(states=first.states, created_after_s=since_s):
        for cluster in page:
            by_name.setdefault(text(cluster, "Name"), {})[text(cluster, "Id")] = cluster
    return [list(by_name.get(one.name, {}).values()) for one in asked]


async def _ended(asked: Sequence[_Unwanted]) -> list[None | Exception]:
    emr, clusters = asked[0].emr, list(dict.fromkeys(one.cluster for one in asked))
    try:
        await _terminate(emr, clusters)
    except Refused as refused:
        if len(clusters) == 1:
            return [refused] * len(asked)
    else:
        return [None] * len(asked)
    # One cluster spoils the wish for all: each is wished for by itself.
    answers: dict[str, Exception | None] = {}
    for cluster in clusters:
        try:
            await _terminate(emr, [cluster])
            answers[cluster] = None
        except (Verdict, Refused) as error:
            answers[cluster] = error
    return [answers[one.cluster] for one in asked]


async def _terminate(emr: Emr, clusters: Sequence[str]) -> None:
    try:
        await emr.terminate(clusters)
    except Refused as refused:
        if refused.meaning is not Refusal.PROTECTED:
            raise
        # Ours by name, and unprotected when it was made: nothing of ours is left behind for a lock put on since.
        await emr.unprotect(clusters)
        await emr.terminate(clusters)
