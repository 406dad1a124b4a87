"""Cancels steps: up to 256 of a cluster in one call, and says which wishes EMR did not take.

Source: Amazon EMR API Reference, CancelSteps: asynchronous, without a guarantee; SUBMITTED or FAILED for each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from propwash_aws.clusters.emr import MOST_ACTIVE_STEPS, Emr, Refused
from propwash_aws.clusters.gathering import Gatherer
from propwash_aws.clusters.refusals import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unwanted:
    emr: Emr
    cluster: str
    step: str
    option: str


class StepCanceller:
    """Cancels steps on the clusters of all connections."""

    def __init__(self) -> None:
        self._gatherer = Gatherer(_cancelled, name="emr-cancel-steps", most=MOST_ACTIVE_STEPS)

    async def cancel(self, emr: Emr, cluster: str, step: str, *, option: str) -> str:
        """Wish for a step's end; why EMR does not take the wish, or empty. Raises a verdict."""
        asked = _Unwanted(emr=emr, cluster=cluster, step=step, option=option)
        return await self._gatherer.ask((id(emr.account), cluster, option), asked)

    async def close(self) -> None:
        """Stop."""
        await self._gatherer.close()


async def _cancelled(asked: Sequence[_Unwanted]) -> list[str | Exception]:
    first = asked[0]
    steps = list(dict.fromkeys(one.step for one in asked))
    try:
        refused = dict(await first.emr.cancel_steps(first.cluster, steps, option=first.option))
    except Refused as error:
        if error.meaning is Refusal.NO_SUCH_STEP and len(steps) > 1:
            refused = {}
            for step in steps:
                refused[step] = await _one(first, step)
        else:
            # What EMR does not cancel because there is nothing to cancel is for the step's state to tell.
            refused = dict.fromkeys(steps, error.error.message or error.meaning.value)
    return [refused.get(one.step, "") for one in asked]


async def _one(first: _Unwanted, step: str) -> str:
    try:
        return (await first.emr.cancel_steps(first.cluster, [step], option=first.option)).get(step, "")
    except Refused as error:
        return error.error.message or error.meaning.value
