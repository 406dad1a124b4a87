"""Verifies a connection for EMR on EC2: who we are, and whether clusters may be listed.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon Elastic MapReduce".
"""

from __future__ import annotations

from propwash.sdk import Checked, Verdict
from propwash_aws.clusters.answers import text
from propwash_aws.clusters.emr import OPEN_CLUSTERS, Emr, Refused
from propwash_aws.errors import RemoteError


async def check_identity(emr: Emr) -> Checked:
    """Who AWS says that we are."""
    try:
        said = await emr.account.call("sts", "GetCallerIdentity")
    except (RemoteError, Verdict) as error:
        remedy = "mend the credentials, or the role that they assume"
        return Checked(what="identity", is_ok=False, message=str(error), remedy=remedy)
    return Checked(what="identity", is_ok=True, message=text(said, "Arn"))


async def check_listing(emr: Emr) -> Checked:
    """Whether clusters may be listed."""
    try:
        count = len([one async for page in emr.list_clusters(states=OPEN_CLUSTERS) for one in page])
    except (Verdict, Refused) as error:
        remedy = "allow elasticmapreduce:ListClusters"
        return Checked(what="ListClusters", is_ok=False, message=str(error), remedy=remedy)
    return Checked(what="ListClusters", is_ok=True, message=f"{count} clusters take steps")


async def check_clusters(emr: Emr) -> list[Checked]:
    """The findings, in order; what follows one that failed is left out."""
    found = [await check_identity(emr)]
    if found[-1].is_ok:
        found.append(await check_listing(emr))
    return found
