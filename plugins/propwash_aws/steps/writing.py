"""Adds steps: one writer a cluster, and in one call what waited for it while the last call was under way.

AddJobFlowSteps takes up to 256 steps and refuses all of them for the fault of one, or for one too many: then halves
are sent, down to single steps, so that nobody is refused for another's fault. EMR's throttles count calls, not steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from propwash.sdk import Permanent, Verdict
from propwash_aws.clusters.emr import MOST_ACTIVE_STEPS, Emr, Refused
from propwash_aws.clusters.gathering import Gatherer
from propwash_aws.clusters.refusals import Refusal
from propwash_aws.clusters.submission import characters
from propwash_aws.errors import ROLE_NOT_PASSABLE

_MOST_CHARACTERS = 400_000
"""Of one call: EMR documents no bound of a request, and this is what forty of the longest steps have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedStep:
    """A step to be added to a cluster."""

    emr: Emr
    cluster: str
    role: str | None
    config: dict[str, object]


class StepWriter:
    """Adds steps to the clusters of all connections."""

    def __init__(self) -> None:
        self._gatherer = Gatherer(_added, name="emr-add-steps", most=MOST_ACTIVE_STEPS)

    async def add(self, wanted: WantedStep) -> str:
        """The step's id. Raises a verdict, or Refused where the cluster takes no step or is full."""
        return await self._gatherer.ask((id(wanted.emr.account), wanted.cluster), wanted)

    async def close(self) -> None:
        """Stop."""
        await self._gatherer.close()


async def _added(wanted: Sequence[WantedStep]) -> list[str | Exception]:
    answers: dict[int, str | Exception] = {}
    for batch in _batches(wanted):
        await _send(batch, wanted, answers)
    return [answers[number] for number in range(len(wanted))]


def _batches(wanted: Sequence[WantedStep]) -> list[list[int]]:
    """Numbers of steps that go into one call: of one role, and not too long together."""
    by_role: dict[str | None, list[list[int]]] = {}
    lengths: dict[str | None, int] = {}
    for number, one in enumerate(wanted):
        length = characters(one.config)
        batches = by_role.setdefault(one.role, [[]])
        lengths[one.role] = lengths.get(one.role, 0) + length
        if batches[-1] and lengths[one.role] > _MOST_CHARACTERS:
            batches.append([])
            lengths[one.role] = length
        batches[-1].append(number)
    return [batch for batches in by_role.values() for batch in batches]


async def _send(batch: list[int], wanted: Sequence[WantedStep], answers: dict[int, str | Exception]) -> None:
    first = wanted[batch[0]]
    try:
        ids = await first.emr.add_steps(
            first.cluster, [wanted[number].config for number in batch], execution_role=first.role
        )
    except (Permanent, Refused) as refused:
        if len(batch) == 1 or not _is_of_the_batch(refused):
            answers.update(dict.fromkeys(batch, refused))
            return
    except Verdict as error:
        answers.update(dict.fromkeys(batch, error))
        return
    else:
        answers.update(zip(batch, ids, strict=True))
        return
    half = len(batch) // 2
    await _send(batch[:half], wanted, answers)
    last = answers[batch[half - 1]]
    if isinstance(last, Exception) and (not isinstance(last, Permanent | Refused) or _is_full(last)):
        # No trustworthy answer, no call left, or no room: to go on would only be told so again.
        answers.update(dict.fromkeys(batch[half:], last))
        return
    await _send(batch[half:], wanted, answers)


def _is_of_the_batch(refused: Permanent | Refused) -> bool:
    """Whether fewer steps might be taken: not where the cluster, or the role that all have, is what is refused."""
    if isinstance(refused, Permanent):
        return refused.reason != ROLE_NOT_PASSABLE
    return refused.meaning not in (Refusal.NO_SUCH_CLUSTER, Refusal.CLUSTER_CLOSED)


def _is_full(error: Exception) -> bool:
    return isinstance(error, Refused) and error.meaning is Refusal.CLUSTER_FULL
