"""Lists our live steps, for the sweep: on the clusters that the connection names, or else on all that are live."""

from __future__ import annotations

import asyncio

from propwash.sdk import ListedJob, RemoteName, Unavailable, parse_remote_name
from propwash_aws.clusters.answers import text
from propwash_aws.clusters.emr import LIVE_CLUSTERS, Emr
from propwash_aws.steps.keys import StepKey
from propwash_aws.steps.looking import live_steps

_READERS = 4
_ID_PREFIX = "j-"


async def swept_clusters(emr: Emr) -> list[str]:
    """The ids of the clusters to sweep; ids that are configured are taken as they are, names are looked up.

    Raises Refused and verdicts.
    """
    wanted = list(emr.account.settings.clusters)
    ids = [one for one in wanted if one.startswith(_ID_PREFIX)]
    names = {one for one in wanted if not one.startswith(_ID_PREFIX)}
    if wanted and not names:
        return ids
    found = [one async for page in emr.list_clusters(states=LIVE_CLUSTERS) for one in page]
    ids += [text(one, "Id") for one in found if not wanted or text(one, "Name") in names]
    return list(dict.fromkeys(one for one in ids if one))


async def our_steps(emr: Emr, owner: str) -> list[ListedJob]:
    """The live steps whose name says that they are the owner's; raises Refused and verdicts."""
    waiting = iter(await swept_clusters(emr))
    found: list[ListedJob] = []

    async def read() -> None:
        for cluster in waiting:
            try:
                steps = await live_steps(emr, cluster)
            except Unavailable as verdict:
                raise Unavailable(verdict.reason, f"the steps of {cluster}: {verdict.message}") from verdict
            for step in steps:
                name = text(step, "Name")
                parsed = parse_remote_name(name)
                if parsed is not None and parsed.owner == owner and text(step, "Id"):
                    key = StepKey(cluster, text(step, "Id"), RemoteName(name))
                    found.append(ListedJob(name=key.name, meta=key.meta()))

    readers = [asyncio.ensure_future(read()) for _ in range(_READERS)]
    try:
        await asyncio.gather(*readers)
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    return found
