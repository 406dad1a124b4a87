"""Reads the steps of a cluster: by name, the live ones, and by id; all who ask at the same time share the calls.

Source: Amazon EMR API Reference, ListSteps: 50 a page, at most ten StepIds, newest first unless filtered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from propwash.sdk import NotFound, RemoteName, Verdict
from propwash_aws.clusters.answers import Answer, earliest_s, made_s, text
from propwash_aws.clusters.emr import LIVE_STEPS, MOST_STEP_IDS, Emr, Refused
from propwash_aws.clusters.gathering import Gatherer
from propwash_aws.clusters.refusals import Refusal

_MOST_ASKERS = 10_000
_GONE = (Refusal.NO_SUCH_CLUSTER, Refusal.NO_SUCH_STEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    emr: Emr
    cluster: str
    name: RemoteName


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbered:
    emr: Emr
    cluster: str
    step: str


class StepFinder:
    """Reads the steps of the clusters of all connections."""

    def __init__(self) -> None:
        self._by_name = Gatherer(_all_named, name="emr-find-steps", most=_MOST_ASKERS)
        self._live = Gatherer(_live_named, name="emr-live-steps", most=_MOST_ASKERS)
        self._by_id = Gatherer(_numbered, name="emr-step-ids", most=MOST_STEP_IDS)

    async def named(self, emr: Emr, cluster: str, name: RemoteName) -> Sequence[Answer]:
        """All steps of this name, whatever their state; none where EMR does not know the cluster."""
        asked = _Named(emr=emr, cluster=cluster, name=name)
        return await self._by_name.ask((id(emr.account), cluster), asked)

    async def live(self, emr: Emr, cluster: str, name: RemoteName) -> Sequence[Answer]:
        """The live steps of this name."""
        asked = _Named(emr=emr, cluster=cluster, name=name)
        return await self._live.ask((id(emr.account), cluster), asked)

    async def by_id(self, emr: Emr, cluster: str, step: str) -> Answer:
        """One step; raises NotFound where EMR knows no such step or no such cluster."""
        asked = _Numbered(emr=emr, cluster=cluster, step=step)
        return await self._by_id.ask((id(emr.account), cluster), asked)

    async def close(self) -> None:
        """Stop."""
        for gatherer in (self._by_name, self._live):
            await gatherer.close()
        await self._by_id.close()


async def live_steps(emr: Emr, cluster: str) -> list[Answer]:
    """All live steps of a cluster; none where EMR does not know the cluster."""
    try:
        return [one async for page in emr.list_steps(cluster, states=LIVE_STEPS) for one in page]
    except Refused as refused:
        if refused.meaning in _GONE:
            return []
        raise


async def steps_since(emr: Emr, cluster: str, since_s: float, *, pages: int | None = None) -> list[Answer]:
    """A cluster's steps from the newest back to those made before this instant, in so many pages at most."""
    found: list[Answer] = []
    try:
        async with aclosing(emr.list_steps(cluster)) as listed:
            async for page in listed:
                found += page
                last_s = made_s(page[-1]) if page else None
                pages = None if pages is None else pages - 1
                if pages == 0 or (last_s is not None and last_s < since_s):
                    break
    except Refused as refused:
        if refused.meaning not in _GONE:
            raise
    return found


async def steps_by_id(emr: Emr, cluster: str, steps: Sequence[str]) -> dict[str, Answer | Verdict]:
    """An answer for each of at most ten ids; NotFound for what EMR does not know."""
    try:
        listed = [one async for page in emr.list_steps(cluster, ids=steps) for one in page]
    except Refused as refused:
        if refused.meaning is Refusal.NO_SUCH_CLUSTER:
            return dict.fromkeys(steps, NotFound(refused.error.message))
        if refused.meaning is not Refusal.NO_SUCH_STEP:
            raise
        # One id that is not valid spoils the list: which one it is, only single questions tell.
        return {step: await _described(emr, cluster, step) for step in steps}
    found = {text(one, "Id"): one for one in listed}
    return {
        step: found.get(step, NotFound(f"EMR lists no step {step[:40]} in {cluster[:40]}")) for step in steps
    }


async def _described(emr: Emr, cluster: str, step: str) -> Answer | Verdict:
    try:
        answer = await emr.describe_step(cluster, step)
    except Verdict as verdict:
        return verdict
    except Refused as refused:
        if refused.meaning in _GONE:
            return NotFound(refused.error.message)
        raise
    return answer if text(answer, "Id") == step else NotFound(f"EMR knows no step {step[:40]}")


async def _all_named(asked: Sequence[_Named]) -> list[Sequence[Answer] | Exception]:
    since_s = min(earliest_s(one.name) for one in asked)
    return _grouped(asked, await steps_since(asked[0].emr, asked[0].cluster, since_s))


async def _live_named(asked: Sequence[_Named]) -> list[Sequence[Answer] | Exception]:
    return _grouped(asked, await live_steps(asked[0].emr, asked[0].cluster))


def _grouped(asked: Sequence[_Named], steps: Iterable[Answer]) -> list[Sequence[Answer] | Exception]:
    by_name: dict[str, dict[str, Answer]] = {}
    for step in steps:
        # Steps that are added while pages are read push others onto the next page again.
        by_name.setdefault(text(step, "Name"), {})[text(step, "Id")] = step
    return [list(by_name.get(one.name, {}).values()) for one in asked]


async def _numbered(asked: Sequence[_Numbered]) -> list[Answer | Exception]:
    first = asked[0]
    found = await steps_by_id(first.emr, first.cluster, list(dict.fromkeys(one.step for one in asked)))
    return [found[one.step] for one in asked]
