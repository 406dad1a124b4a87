"""EMR Serverless' operations.

Source: EMR Serverless API Reference: ListApplications, ListJobRuns (50 a page, by creation and state, in no documented
order), GetJobRun, CancelJobRun, GetApplication, StartApplication.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncGenerator, Collection, Sequence

from propwash.sdk import Link, Observation, RemoteName, Unavailable
from propwash_aws.accounts import Account, Answer
from propwash_aws.clusters.answers import mapping, text
from propwash_aws.errors import UNEXPECTED_ANSWER, Meaning, RemoteError, verdict
from propwash_aws.runs.console import emr_link
from propwash_aws.runs.keys import RunKey
from propwash_aws.runs.service import Place, RunService, paged
from propwash_aws.serverless.observing import LIVE, OVER, observation, run_link

SERVICE = "emr-serverless"
PAGE = 50
_ID = re.compile(r"00[0-9a-z]{14}")


class ServerlessService(RunService):
    """EMR Serverless."""

    service = SERVICE
    place_word = "application"
    place_reason = "APPLICATION"
    place_list = "Applications"
    read_word = "GetJobRun"
    live_states = tuple(LIVE)
    over_states = OVER
    cancelling_states = frozenset({"CANCELLING"})
    over_places = frozenset({"TERMINATED"})
    lists_in_full = False

    def is_certain_id(self, named: str) -> bool:
        """See RunService."""
        return _ID.fullmatch(named) is not None

    async def pages_of_places(self, account: Account) -> AsyncGenerator[Sequence[Place], None]:
        """See RunService."""
        async for page in paged(
            account, SERVICE, "ListApplications", {"maxResults": PAGE}, of="applications"
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
        name: RemoteName | None = None,  # noqa: ARG002  EMR Serverless lists by time and state only
    ) -> AsyncGenerator[Sequence[Answer], None]:
        """See RunService."""
        asked: dict[str, object] = {"applicationId": place, "maxResults": PAGE}
        if states:
            asked["states"] = list(states)
        if since_s > 0:
            asked["createdAtAfter"] = dt.datetime.fromtimestamp(since_s, dt.UTC)
        async for page in paged(account, SERVICE, "ListJobRuns", asked, of="jobRuns"):
            yield page

    async def read(self, account: Account, key: RunKey) -> Answer:
        """See RunService."""
        answer = await account.look(SERVICE, "GetJobRun", applicationId=key.place, jobRunId=key.run)
        run = mapping(answer, "jobRun")
        if text(run, "jobRunId") != key.run:
            raise Unavailable(
                UNEXPECTED_ANSWER, "the answer of GetJobRun is about no job run, or another one"
            )
        return run

    async def cancel(self, account: Account, key: RunKey) -> None:
        """See RunService."""
        try:
            await account.call(SERVICE, "CancelJobRun", applicationId=key.place, jobRunId=key.run)
        except RemoteError as error:
            if error.meaning is not Meaning.REFUSED:
                raise verdict(error, is_submitting=False) from error

    def observation(self, run: Answer, key: RunKey, region: str) -> Observation:
        """See RunService."""
        return observation(run, key, region)

    def run_links(self, region: str, key: RunKey) -> tuple[Link, ...]:
        """See RunService."""
        return (run_link(region, key),)

    def place_links(self, region: str, place: str) -> tuple[Link, ...]:
        """See RunService."""
        if not self.is_certain_id(place):
            return (emr_link(region, "EMR Serverless", "serverless"),)
        return (emr_link(region, "EMR Serverless application", "serverless", "applications", place),)
