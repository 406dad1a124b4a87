"""Verifies a connection for job runs: who we are, and each permission that can be seen without making a run.

Source: Service Authorization Reference, the actions of Amazon EMR Serverless and of Amazon EMR on EKS.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from propwash.sdk import Checked, NotFound, RemoteName, Unavailable, Verdict
from propwash_aws.accounts import Account
from propwash_aws.clusters.answers import text
from propwash_aws.errors import PERMISSION_DENIED
from propwash_aws.runs.keys import RunKey
from propwash_aws.runs.places import Places
from propwash_aws.runs.service import RunService

_MOST_PLACES = 5
_NO_RUN = "00000000000000000000"
REFUSED_REASON = "VALIDATION"
"""What the services may say of an id that is none."""


async def check_runs(
    account: Account, service: RunService, places: Places, *, named: Sequence[str]
) -> list[Checked]:
    """The findings, in order; what follows one that failed is left out."""
    found = [await _identity(account)]
    if not found[-1].is_ok:
        return found
    listed = f"List{service.place_list}"
    try:
        known = await places.reread(account)
    except Verdict as verdict:
        return [*found, _failed(listed, verdict, f"{service.service}:{listed}")]
    said = f"{len(known)} in {account.region}"
    found.append(Checked(what=listed, is_ok=True, message=said))
    live = [one for one in known if one.state not in service.over_places]
    for one in named:
        if not any(one in (place.id, place.name) for place in live):
            remedy = f"correct the settings, or make the {service.place_word}"
            said = f"there is no such {service.place_word} in {account.region}"
            found.append(
                Checked(what=f"{service.place_word} {one}", is_ok=False, message=said, remedy=remedy)
            )
    looked = [place for place in live if not named or place.id in named or place.name in named]
    for place in looked[:_MOST_PLACES]:
        what = f"ListJobRuns of {place.name or place.id}"
        try:
            async with aclosing(
                service.pages_of_runs(account, place.id, states=service.live_states)
            ) as pages:
                async for _ in pages:
                    break
        except Verdict as verdict:
            found.append(_failed(what, verdict, f"{service.service}:ListJobRuns"))
        else:
            found.append(Checked(what=what, is_ok=True, message=f"its state is {place.state}"))
    if looked:
        found += await _probes(account, service, RunKey(looked[0].id, _NO_RUN, RemoteName("no-run")))
    return found


async def _probes(account: Account, service: RunService, key: RunKey) -> list[Checked]:
    """Reads and cancels a run that never was: who may do so is told that there is none. StartJobRun is not tried, as it
    would make a run.
    """
    calls = ((service.read_word, service.read), ("CancelJobRun", service.cancel))
    found = []
    for what, call in calls:
        try:
            await call(account, key)
        except NotFound:
            pass
        except Verdict as verdict:
            if verdict.reason != REFUSED_REASON:
                found.append(_failed(what, verdict, f"{service.service}:{what}"))
                continue
        found.append(Checked(what=what, is_ok=True, message="it is allowed"))
    return found


async def _identity(account: Account) -> Checked:
    try:
        said = await account.look("sts", "GetCallerIdentity")
    except Verdict as verdict:
        remedy = "mend the credentials, or the role that they assume (sts:AssumeRole, and its trust)"
        return Checked(what="identity", is_ok=False, message=verdict.message, remedy=remedy)
    return Checked(what="identity", is_ok=True, message=text(said, "Arn"))


def _failed(what: str, verdict: Verdict, action: str) -> Checked:
    is_denied = isinstance(verdict, Unavailable) and verdict.reason == PERMISSION_DENIED
    remedy = f"allow {action}" if is_denied else "see whether the endpoint and the region are right"
    return Checked(what=what, is_ok=False, message=f"{verdict.reason}: {verdict.message}", remedy=remedy)
