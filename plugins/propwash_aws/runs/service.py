"""What one of the two services is asked: its operations by their own names, and what its answers mean."""

from __future__ import annotations

import abc
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass

from propwash.sdk import Link, Observation, RemoteName, Unavailable
from propwash_aws.accounts import Account, Answer
from propwash_aws.clusters.answers import items, seconds, text
from propwash_aws.errors import UNEXPECTED_ANSWER
from propwash_aws.runs.keys import RunKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An application or a virtual cluster, as the service lists it."""

    id: str
    name: str
    state: str


class RunService(abc.ABC):
    """One service. Methods that call raise verdicts."""

    service: str
    """botocore's name of it."""
    place_word: str
    """What a place is, for messages."""
    place_reason: str
    """The same, for reasons."""
    place_list: str
    """What the operation lists that lists places, as in ListApplications."""
    read_word: str
    """The operation that reads one run."""
    live_states: tuple[str, ...]
    """Of a job run; a state that is not here and not among the over ones is live, too."""
    over_states: frozenset[str]
    cancelling_states: frozenset[str]
    lists_in_full: bool
    """Whether a list says as much of a run that has ended as the run itself."""
    over_places: frozenset[str]
    """States in which a place takes no more runs, for ever."""

    def is_over(self, run: Answer) -> bool:
        """Whether a run has ended; raises Unavailable for an answer without a state."""
        return state_of(run) in self.over_states

    def is_cancelling(self, run: Answer) -> bool:
        """Whether a run's end is under way."""
        return state_of(run) in self.cancelling_states

    @abc.abstractmethod
    def is_certain_id(self, named: str) -> bool:
        """Whether this can only be an id: the service's ids have a form that no one gives a name."""

    @abc.abstractmethod
    def pages_of_places(self, account: Account) -> AsyncGenerator[Sequence[Place], None]:
        """All places of the account and region."""

    @abc.abstractmethod
    def pages_of_runs(
        self,
        account: Account,
        place: str,
        *,
        states: Collection[str] = (),
        since_s: float = 0.0,
        name: RemoteName | None = None,
    ) -> AsyncGenerator[Sequence[Answer], None]:
        """Runs of a place in these states, or in all; a name restricts where the service can do so."""

    @abc.abstractmethod
    async def read(self, account: Account, key: RunKey) -> Answer:
        """One run in full; raises NotFound."""

    @abc.abstractmethod
    async def cancel(self, account: Account, key: RunKey) -> None:
        """Ask for the end of a run; raises NotFound. A refusal, as of a run that has just ended, is no error."""

    @abc.abstractmethod
    def observation(self, run: Answer, key: RunKey, region: str) -> Observation:
        """What a run's answer says."""

    @abc.abstractmethod
    def run_links(self, region: str, key: RunKey) -> tuple[Link, ...]:
        """The console's page of a run."""

    @abc.abstractmethod
    def place_links(self, region: str, place: str) -> tuple[Link, ...]:
        """The console's page of a place, none where only its name is known."""


def state_of(run: Answer) -> str:
    """A run's state; raises Unavailable where the answer has none."""
    state = text(run, "state")
    if not state:
        raise Unavailable(UNEXPECTED_ANSWER, "the answer about a job run has no state")
    return state


def run_id(run: Answer) -> str:
    """A run's id: both services list it as id, and EMR Serverless reads it as jobRunId."""
    return text(run, "id") or text(run, "jobRunId")


def oldest_first(runs: Sequence[Answer]) -> list[Answer]:
    """Runs of one name, the one to keep first: by creation, then by id so that all who look agree."""
    return sorted(runs, key=lambda run: (seconds(run, "createdAt") or 0.0, run_id(run)))


async def paged(
    account: Account, service: str, operation: str, params: Mapping[str, object], *, of: str
) -> AsyncGenerator[Sequence[Answer], None]:
    """The pages of a list, one call each, for as long as they are asked for; of names the list in an answer."""
    token = ""
    while True:
        asked = {**params, "nextToken": token} if token else dict(params)
        answer = await account.look(service, operation, **asked)
        if not isinstance(answer.get(of), list):
            # A list that is not there must not pass for an empty one.
            raise Unavailable(UNEXPECTED_ANSWER, f"the answer of {operation} has no {of}")
        yield items(answer, of)
        following = text(answer, "nextToken")
        if not following or following == token:
            return
        token = following
