"""Finds clusters by name: for a step that is to be sent, the one that takes it; for a look-up, all that may have it.

ListClusters filters by state and creation alone and answers in no order, so its pages are read to the end; all who ask
at the same time share one reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from propwash.sdk import Permanent
from propwash_aws.clusters.answers import Answer, made_s, mapping, seconds, state_of, text
from propwash_aws.clusters.emr import LIVE_CLUSTERS, OVER_CLUSTERS, Emr
from propwash_aws.clusters.gathering import Gatherer
from propwash_aws.steps.spec import StepSpec

_MOST_ASKERS = 10_000
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    emr: Emr
    states: tuple[str, ...]


class ClusterFinder:
    """Finds the clusters of all connections by name."""

    def __init__(self) -> None:
        self._gatherer = Gatherer(_listed, name="emr-list-clusters", most=_MOST_ASKERS)

    async def open_one(self, emr: Emr, name: str, spec: StepSpec) -> str:
        """The id of the cluster of this name that takes a step.

        Raises Permanent CLUSTER_NOT_FOUND where there is none, CLUSTER_AMBIGUOUS where there are several and the spec
        does not say to take the newest.
        """
        states = tuple(spec.cluster_states)
        found = [one for one in await self._named(emr, name, states) if state_of(one) in states]
        if not found:
            raise Permanent(
                "CLUSTER_NOT_FOUND", f"no cluster is named {name[:80]!r} and is {' or '.join(states)}"
            )
        newest_first = sorted(found, key=lambda one: (made_s(one) or 0.0, text(one, "Id")), reverse=True)
        if len(found) > 1 and spec.when_ambiguous == "refuse":
            ids = ", ".join(text(one, "Id") for one in newest_first[:_SHOWN])
            raise Permanent(
                "CLUSTER_AMBIGUOUS",
                f"{len(found)} clusters are named {name[:80]!r}: {ids}; give an id, or when_ambiguous: newest",
            )
        return text(newest_first[0], "Id")

    async def live_ones(self, emr: Emr, name: str) -> list[str]:
        """The ids of the clusters of this name that are not over."""
        return [text(one, "Id") for one in await self._named(emr, name, LIVE_CLUSTERS)]

    async def ended_since(self, emr: Emr, name: str, since_s: float) -> list[str]:
        """The ids of the clusters of this name that ended at this instant (UTC seconds) or later."""
        found = await self._named(emr, name, OVER_CLUSTERS)
        return [text(one, "Id") for one in found if _ended_s(one) >= since_s]

    async def close(self) -> None:
        """Stop."""
        await self._gatherer.close()

    async def _named(self, emr: Emr, name: str, states: tuple[str, ...]) -> list[Answer]:
        lane = (id(emr.account), states)
        clusters = await self._gatherer.ask(lane, _Asked(emr=emr, states=states))
        return [one for one in clusters if text(one, "Name") == name and text(one, "Id")]


async def _listed(asked: Sequence[_Asked]) -> list[list[Answer] | Exception]:
    first = asked[0]
    clusters = [one async for page in first.emr.list_clusters(states=first.states) for one in page]
    return [clusters] * len(asked)


def _ended_s(cluster: Answer) -> float:
    ended = seconds(mapping(cluster, "Status", "Timeline"), "EndDateTime")
    return float("inf") if ended is None else ended
