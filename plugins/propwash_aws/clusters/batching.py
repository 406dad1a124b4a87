"""Observes many clusters in few calls.

Up to ten are described one by one. More are looked up in the list of clusters, which says as much of each as a
description does; what it does not show is described. Whenever one has ended, a live cluster of the same name and
another id is a duplicate, and its end is asked for before any ending is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing

from propwash.sdk import Observation, Throttled, Verdict
from propwash_aws.clusters.answers import EMPTY, Answer, earliest_s, text
from propwash_aws.clusters.describing import ClusterDescriber
from propwash_aws.clusters.emr import Emr, Refused, looked_at
from propwash_aws.clusters.finding import ClusterEnder, ClusterFinder
from propwash_aws.clusters.keys import ClusterKey, read_meta
from propwash_aws.clusters.observing import is_over, needs_steps, observation

FEW = 10
_READERS = 8
_PAGES_SPARE = 2
_FOUND_A_PAGE = 10
"""Where fewer of ours than this are on a page, the list is too full of others' to be read to its end."""

Result = Observation | Verdict


class ClusterObserver:
    """Observes clusters of all connections."""

    def __init__(self, describer: ClusterDescriber, finder: ClusterFinder, ender: ClusterEnder) -> None:
        self._describer = describer
        self._finder = finder
        self._ender = ender

    async def observe(self, emr: Emr, connection: str, metas: Sequence[bytes]) -> Mapping[bytes, Result]:
        """An answer for each meta; raises a verdict where the list of clusters failed."""
        answers: dict[bytes, Result] = {}
        wanted: dict[ClusterKey, bytes] = {}
        for meta in metas:
            try:
                wanted[read_meta(meta)] = meta
            except Verdict as verdict:
                answers[meta] = verdict
        listed = await self._listed(emr, list(wanted)) if len(wanted) > FEW else {}
        waiting = iter(wanted)
        throttled: list[Throttled] = []

        async def read() -> None:
            for key in waiting:
                # Once EMR asks to slow down, the rest is not asked for.
                answer: Result = throttled[0] if throttled else await self._one(emr, connection, key, listed)
                if isinstance(answer, Throttled):
                    throttled.append(answer)
                answers[wanted[key]] = answer

        async with asyncio.TaskGroup() as group:
            for number in range(min(_READERS, len(wanted))):
                group.create_task(read(), name=f"emr-cluster-read-{number}")
        return answers

    async def _listed(self, emr: Emr, keys: Sequence[ClusterKey]) -> dict[str, Answer]:
        missing = {key.cluster for key in keys}
        found: dict[str, Answer] = {}
        pages_left = _PAGES_SPARE + len(keys) // _FOUND_A_PAGE
        since_s = min(earliest_s(key.name) for key in keys)
        try:
            async with aclosing(emr.list_clusters(created_after_s=since_s)) as pages:
                async for page in pages:
                    found.update({text(one, "Id"): one for one in page})
                    missing -= found.keys()
                    pages_left -= 1
                    if not missing or not pages_left:
                        break
        except Refused as refused:
            raise looked_at(refused) from refused
        return found

    async def _one(self, emr: Emr, connection: str, key: ClusterKey, listed: Mapping[str, Answer]) -> Result:
        try:
            cluster = listed.get(key.cluster) or await self._describer.cluster(emr, key.cluster)
            if not is_over(cluster):
                return observation(cluster, key, emr.region)
            await self._rid(emr, key)
            steps: Sequence[Answer] = ()
            if needs_steps(cluster):
                steps = [one async for page in emr.list_steps(key.cluster) for one in page][::-1]
            logs = cluster if text(cluster, "LogUri") else await self._logs(emr, connection, key)
            return observation(cluster, key, emr.region, steps=steps, logs=logs)
        except Verdict as verdict:
            return verdict
        except Refused as refused:
            return looked_at(refused)

    async def _rid(self, emr: Emr, key: ClusterKey) -> None:
        """Ask for the end of live clusters of the name that are not the one."""
        for one in await self._finder.live(emr, key.name):
            if text(one, "Id") != key.cluster:
                await self._ender.end(emr, text(one, "Id"))

    async def _logs(self, emr: Emr, connection: str, key: ClusterKey) -> Answer:
        try:
            return await self._describer.logs(emr, connection, key.cluster)
        except (Verdict, Refused):
            # Where the logs are is worth no delay of an ending.
            return EMPTY
