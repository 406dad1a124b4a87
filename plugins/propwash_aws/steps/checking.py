"""Verifies a connection for steps: who we are, the clusters, and the steps of those that are configured.

Source: Service Authorization Reference, "Actions for Amazon Elastic MapReduce".
"""

from __future__ import annotations

from propwash.sdk import Checked, Verdict
from propwash_aws.clusters.checking import check_clusters
from propwash_aws.clusters.emr import Emr, Refused
from propwash_aws.steps.listing import swept_clusters

_MOST_CHECKED = 10


async def check_steps(emr: Emr) -> list[Checked]:
    """The findings, in order; what follows one that failed is left out."""
    found = await check_clusters(emr)
    if not found[-1].is_ok or not emr.account.settings.clusters:
        return found
    try:
        clusters = await swept_clusters(emr)
    except (Verdict, Refused) as error:
        return [
            *found,
            Checked(
                what="clusters", is_ok=False, message=str(error), remedy="allow elasticmapreduce:ListClusters"
            ),
        ]
    if not clusters:
        said = "no cluster of the setting clusters is live"
        return [
            *found,
            Checked(what="clusters", is_ok=False, message=said, remedy="mend the setting clusters"),
        ]
    for cluster in clusters[:_MOST_CHECKED]:
        found.append(await _steps_of(emr, cluster))
    return found


async def _steps_of(emr: Emr, cluster: str) -> Checked:
    what = f"ListSteps {cluster}"
    try:
        async for page in emr.list_steps(cluster):
            return Checked(what=what, is_ok=True, message=f"{len(page)} steps on the first page")
    except Refused as refused:
        return Checked(what=what, is_ok=False, message=str(refused), remedy="mend the setting clusters")
    except Verdict as verdict:
        remedy = f"allow elasticmapreduce:ListSteps, DescribeStep, AddJobFlowSteps and CancelSteps on cluster/{cluster}"
        return Checked(what=what, is_ok=False, message=str(verdict), remedy=remedy)
    return Checked(what=what, is_ok=True)
