"""Observes many steps in few calls, cluster by cluster.

Up to ten of a cluster are read by their ids in one call. More are looked up among the cluster's live steps; where
many have ended, the newest of all steps are read, and what is then left by ids. Whenever a live list is read, and
whenever a step has ended, a live step of the same name and another id is a duplicate, and is cancelled before any
ending is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from propwash.sdk import NotFound, Observation, Throttled, Unavailable, Verdict
from propwash_aws.clusters.answers import EMPTY, Answer, earliest_s, text
from propwash_aws.clusters.describing import ClusterDescriber
from propwash_aws.clusters.emr import MOST_STEP_IDS, Emr, Refused, looked_at
from propwash_aws.steps.cancelling import StepCanceller
from propwash_aws.steps.keys import StepKey, read_meta
from propwash_aws.steps.looking import live_steps, steps_by_id, steps_since
from propwash_aws.steps.observing import Surroundings, is_over, needs_cluster, observation

_READERS = 8
_MANY_ENDED = 2 * MOST_STEP_IDS
_DUPLICATES_OPTION = ""

Result = Observation | Verdict


class StepObserver:
    """Observes steps of all connections."""

    def __init__(self, describer: ClusterDescriber, canceller: StepCanceller) -> None:
        self._describer = describer
        self._canceller = canceller

    async def observe(self, emr: Emr, connection: str, metas: Sequence[bytes]) -> Mapping[bytes, Result]:
        """An answer for each meta. Raises a verdict only where all metas are of one cluster and a list failed."""
        answers: dict[bytes, Result] = {}
        clusters: dict[str, dict[StepKey, bytes]] = {}
        for meta in metas:
            try:
                key = read_meta(meta)
            except Verdict as verdict:
                answers[meta] = verdict
                continue
            clusters.setdefault(key.cluster, {})[key] = meta
        waiting = iter(clusters.items())
        throttled: list[Throttled] = []

        async def read() -> None:
            for cluster, wanted in waiting:
                found: Mapping[StepKey, Result]
                try:
                    if throttled:
                        # Once EMR asks to slow down, the rest is not asked for.
                        raise throttled[0]
                    found = await self._cluster(emr, connection, cluster, list(wanted))
                except Verdict as verdict:
                    if isinstance(verdict, Throttled):
                        throttled.append(verdict)
                    found = dict.fromkeys(wanted, verdict)
                answers.update({wanted[key]: answer for key, answer in found.items()})

        async with asyncio.TaskGroup() as group:
            for number in range(min(_READERS, len(clusters))):
                group.create_task(read(), name=f"emr-read-{number}")
        if len(clusters) == 1 and throttled:
            raise throttled[0]
        return answers

    async def _cluster(
        self, emr: Emr, connection: str, cluster: str, keys: Sequence[StepKey]
    ) -> dict[StepKey, Result]:
        try:
            steps = await self._steps(emr, cluster, keys)
        except Refused as refused:
            raise looked_at(refused) from refused
        answers: dict[StepKey, Result] = {}
        for key in keys:
            found = steps[key]
            if isinstance(found, Verdict):
                answers[key] = found
                continue
            try:
                around = await self._around(emr, connection, key, found)
                answers[key] = observation(found, key, around)
            except Verdict as verdict:
                answers[key] = verdict
            except Refused as refused:
                answers[key] = looked_at(refused)
        return answers

    async def _steps(
        self, emr: Emr, cluster: str, keys: Sequence[StepKey]
    ) -> dict[StepKey, Answer | Verdict]:
        found: dict[str, Answer | Verdict] = {}
        live: list[Answer] | None = None
        if len(keys) > MOST_STEP_IDS:
            live = await live_steps(emr, cluster)
            found.update({text(one, "Id"): one for one in live})
        missing = [key for key in keys if key.step not in found]
        if len(missing) > _MANY_ENDED:
            since_s = min(earliest_s(key.name) for key in missing)
            newest = await steps_since(emr, cluster, since_s, pages=-(-len(missing) // MOST_STEP_IDS))
            # Read after the live list, and so the later word.
            found.update({text(one, "Id"): one for one in newest})
            missing = [key for key in keys if key.step not in found]
        ids = list(dict.fromkeys(key.step for key in missing))
        for start in range(0, len(ids), MOST_STEP_IDS):
            found.update(await steps_by_id(emr, cluster, ids[start : start + MOST_STEP_IDS]))
        steps = {key: found.get(key.step, NotFound(f"EMR lists no step {key.step[:40]}")) for key in keys}
        ended = [key for key in keys if _has_ended(steps[key])]
        if live is None and ended:
            live = await live_steps(emr, cluster)
        for key, verdict in (await self._rid(emr, cluster, keys, live or ())).items():
            if _has_ended(steps[key]):
                steps[key] = verdict
        return steps

    async def _rid(
        self, emr: Emr, cluster: str, keys: Sequence[StepKey], live: Sequence[Answer]
    ) -> dict[StepKey, Verdict]:
        """Cancel live steps that carry a watched name and are not the watched one; why not, where it failed."""
        watched = {str(key.name): key for key in keys}
        failed: dict[StepKey, Verdict] = {}
        for one in live:
            key = watched.get(text(one, "Name"))
            if key is None or text(one, "Id") == key.step:
                continue
            try:
                reason = await self._canceller.cancel(
                    emr, cluster, text(one, "Id"), option=_DUPLICATES_OPTION
                )
            except Verdict as verdict:
                failed[key] = verdict
                continue
            if reason:
                failed[key] = Unavailable("DUPLICATE_LIVE", f"a second step of the name is live: {reason}")
        return failed

    async def _around(self, emr: Emr, connection: str, key: StepKey, step: Answer) -> Surroundings:
        region = emr.region
        if not is_over(step):
            return Surroundings(region=region)
        if needs_cluster(step):
            try:
                cluster = await self._describer.cluster(emr, key.cluster)
            except NotFound:
                cluster = EMPTY
            return Surroundings(region=region, cluster=cluster)
        try:
            logs = await self._describer.logs(emr, connection, key.cluster)
        except (Verdict, Refused):
            # Where the logs are is worth no delay of a success.
            logs = EMPTY
        return Surroundings(region=region, cluster=logs)


def _has_ended(step: Answer | Verdict) -> bool:
    if isinstance(step, Verdict):
        return False
    try:
        return is_over(step)
    except Verdict:
        return False
