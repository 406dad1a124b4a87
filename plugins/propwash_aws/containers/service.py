"""EMR on EKS' operations.

Source: EMR on EKS API Reference: ListVirtualClusters, ListJobRuns (by name, creation and state), DescribeJobRun,
CancelJobRun.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncGenerator, Collection, Sequence

from propwash.sdk import Link, NotFound, Observation, RemoteName, Unavailable
from propwash_aws.accounts import Account, Answer
from propwash_aws.clusters.answers import mapping, text
from propwash_aws.containers.observing import LIVE, OVER, cluster_links, observation
from propwash_aws.errors import UNEXPECTED_ANSWER, Meaning, RemoteError, verdict
from propwash_aws.runs.console import emr_link
from propwash_aws.runs.keys import RunKey
from propwash_aws.runs.service import Place, RunService, paged

SERVICE = "emr-containers"
PAGE = 100
"""The reference names no bound of maxResults; the service may give fewer."""
_ID = re.compile(r"[0-9a-z]{25}")


class ContainersService(RunService):
    """EMR on EKS."""

    service = SERVICE
    place_word = "virtual cluster"
    place_reason = "VIRTUAL_CLUSTER"
    place_list = "VirtualClusters"
    read_word = "DescribeJobRun"
    live_states = tuple(LIVE)
    over_states = OVER
    cancelling_states = frozenset({"CANCEL_PENDING"})
    over_places = frozenset({"TERMINATED"})
    lists_in_full = True

    def is_certain_id(self, named: str) -> bool:
        """See RunService."""
        return _ID.fullmatch(named) is not None

    async def pages_of_places(self, account: Account) -> AsyncGenerator[Sequence[Place], None]:
        """See RunService."""
        async for page in paged(
            account, SERVICE, "ListVirtualClusters", {"maxResults": PAGE}, of="virtualClusters"
        ):
            yield [
                Place(id=text(one, "id"), name=text(one, "name"), state=text(one, "state")) for one in page
            ]

    async def pages_of_runs(
        self,
        account: Account,
        place: str,
        *,
        states: Collection[str] = (),
        since_s: float = 0.0,
        name: RemoteName | None = None,
    ) -> AsyncGenerator[Sequence[Answer], None]:
        """See RunService."""
        asked: dict[str, object] = {"virtualClusterId": place, "maxResults": PAGE}
        if states:
            asked["states"] = list(states)
        if since_s > 0:
            asked["createdAfter"] = dt.datetime.fromtimestamp(since_s, dt.UTC)
        if name is not None:
            asked["name"] = name
        async for page in paged(account, SERVICE, "ListJobRuns", asked, of="jobRuns"):
            yield page

    async def read(self, account: Account, key: RunKey) -> Answer:
        """See RunService."""
        answer = await account.look(SERVICE, "DescribeJobRun", virtualClusterId=key.place, id=key.run)
        run = mapping(answer, "jobRun")
        if text(run, "id") != key.run:
            said = "the answer of DescribeJobRun is about no job run, or another one"
            raise Unavailable(UNEXPECTED_ANSWER, said)
        return run

    async def cancel(self, account: Account, key: RunKey) -> None:
        """See RunService."""
        try:
            await account.call(SERVICE, "CancelJobRun", virtualClusterId=key.place, id=key.run)
        except RemoteError as error:
            if error.meaning is Meaning.MISSING:
                raise NotFound(error.message) from error
            if error.meaning is not Meaning.REFUSED:
                raise verdict(error, is_submitting=False) from error

    def observation(self, run: Answer, key: RunKey, region: str) -> Observation:
        """See RunService."""
        return observation(run, key, region)

    def run_links(self, region: str, key: RunKey) -> tuple[Link, ...]:
        """See RunService."""
        return cluster_links(region, key.place)

    def place_links(self, region: str, place: str) -> tuple[Link, ...]:
        """See RunService."""
        if not self.is_certain_id(place):
            return (emr_link(region, "EMR virtual clusters", "eks", "clusters"),)
        return cluster_links(region, place)
