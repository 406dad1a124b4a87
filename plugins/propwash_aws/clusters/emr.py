"""EMR's API on EC2 as this plugin uses it: one method a call, pages for what is listed, every refusal classified.

Source: Amazon EMR API Reference (API version 2009-03-31), operation by operation.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator, Mapping, Sequence

from propwash.sdk import NotFound, Unavailable, Verdict
from propwash_aws.accounts import Account
from propwash_aws.clusters.answers import Answer, items, mapping, text, texts
from propwash_aws.clusters.refusals import Refusal, refusal
from propwash_aws.errors import RemoteError, verdict

LIVE_CLUSTERS = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING")
OPEN_CLUSTERS = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
"""Those that take steps."""
OVER_CLUSTERS = ("TERMINATED", "TERMINATED_WITH_ERRORS")
LIVE_STEPS = ("PENDING", "CANCEL_PENDING", "RUNNING")
OVER_STEPS = ("COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED")
MOST_STEP_IDS = 10
"""ListSteps takes no more."""
PAGE = 50
"""ListSteps and ListClusters answer no more at a time."""
MOST_ACTIVE_STEPS = 256
MOST_TERMINATED = 10
"""TerminateJobFlows takes no more."""


class Refused(Exception):
    """EMR refused a call for what the text of its answer says: error is the answer."""

    def __init__(self, meaning: Refusal, error: RemoteError) -> None:
        super().__init__(error.message)
        self.meaning = meaning
        self.error = error


def looked_at(refused: Refused) -> Verdict:
    """The verdict of a refusal where the call only looked."""
    if refused.meaning in (Refusal.NO_SUCH_CLUSTER, Refusal.NO_SUCH_STEP):
        return NotFound(refused.error.message)
    return verdict(refused.error, is_submitting=False)


class Emr:
    """One account's EMR.

    Every method raises Refused for a refusal that its text explains, else the verdict of the error's code: where
    a call submits (add_steps, run_cluster) as a submit, else as a look.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.region = account.region

    async def list_steps(
        self, cluster: str, *, states: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> AsyncGenerator[Sequence[Answer], None]:
        """Pages of a cluster's steps, one call each, for as long as they are asked for. Newest first, unless ids
        or states are given: then in no order that EMR promises.
        """
        asked: dict[str, object] = {"ClusterId": cluster}
        if states:
            asked["StepStates"] = list(states)
        if ids:
            asked["StepIds"] = list(ids)
        async for page in self._pages("ListSteps", asked):
            yield items(page, "Steps")

    async def list_clusters(
        self, *, states: Sequence[str] = (), created_after_s: float = 0.0
    ) -> AsyncGenerator[Sequence[Answer], None]:
        """Pages of the account's clusters, in no order, one call each, for as long as they are asked for."""
        asked: dict[str, object] = {}
        if states:
            asked["ClusterStates"] = list(states)
        if created_after_s > 0:
            asked["CreatedAfter"] = dt.datetime.fromtimestamp(created_after_s, dt.UTC)
        async for page in self._pages("ListClusters", asked):
            yield items(page, "Clusters")

    async def describe_step(self, cluster: str, step: str) -> Answer:
        """One step; empty where EMR answers without one."""
        answer = await self._call("DescribeStep", {"ClusterId": cluster, "StepId": step})
        return mapping(answer, "Step")

    async def describe_cluster(self, cluster: str) -> Answer:
        """One cluster; empty where EMR answers without one."""
        return mapping(await self._call("DescribeCluster", {"ClusterId": cluster}), "Cluster")

    async def add_steps(
        self, cluster: str, steps: Sequence[Mapping[str, object]], *, execution_role: str | None
    ) -> Sequence[str]:
        """The ids of the steps, in their order; raises Unavailable where there is not one for each."""
        asked: dict[str, object] = {"JobFlowId": cluster, "Steps": list(steps)}
        if execution_role is not None:
            asked["ExecutionRoleArn"] = execution_role
        ids = texts(await self._call("AddJobFlowSteps", asked, is_submitting=True), "StepIds")
        if len(ids) != len(steps):
            raise Unavailable("UNEXPECTED_ANSWER", f"EMR answered {len(ids)} ids for {len(steps)} steps")
        return ids

    async def cancel_steps(self, cluster: str, steps: Sequence[str], *, option: str) -> Mapping[str, str]:
        """Ask for an end of steps; by id, why EMR does not take the wish, empty where it does."""
        asked: dict[str, object] = {"ClusterId": cluster, "StepIds": list(steps)}
        if option:
            asked["StepCancellationOption"] = option
        answer = await self._call("CancelSteps", asked)
        return {
            text(one, "StepId"): text(one, "Reason") or "EMR gives no reason"
            for one in items(answer, "CancelStepsInfoList")
            if text(one, "Status") == "FAILED"
        }

    async def run_cluster(self, asked: Mapping[str, object]) -> str:
        """The id of the new cluster; raises Unavailable where there is none."""
        cluster = text(await self._call("RunJobFlow", asked, is_submitting=True), "JobFlowId")
        if not cluster:
            raise Unavailable("UNEXPECTED_ANSWER", "EMR's answer has no JobFlowId")
        return cluster

    async def terminate(self, clusters: Sequence[str]) -> None:
        """Ask for an end of clusters, at most ten."""
        await self._call("TerminateJobFlows", {"JobFlowIds": list(clusters)})

    async def unprotect(self, clusters: Sequence[str]) -> None:
        """Take the protection from termination away."""
        await self._call(
            "SetTerminationProtection", {"JobFlowIds": list(clusters), "TerminationProtected": False}
        )

    async def _pages(self, operation: str, asked: Mapping[str, object]) -> AsyncGenerator[Answer, None]:
        marker = ""
        while True:
            page = await self._call(operation, {**asked, "Marker": marker} if marker else asked)
            yield page
            following = text(page, "Marker")
            if not following or following == marker:
                return
            marker = following

    async def _call(
        self, operation: str, asked: Mapping[str, object], *, is_submitting: bool = False
    ) -> Answer:
        try:
            return await self.account.call("emr", operation, **asked)
        except RemoteError as error:
            meaning = refusal(error)
            if meaning is not Refusal.OTHER:
                raise Refused(meaning, error) from error
            raise verdict(error, is_submitting=is_submitting) from error
