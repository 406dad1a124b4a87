"""Reads jobs.list: pages of an account's jobs in one project, in all locations, newest first.

Source: BigQuery REST v2 reference, jobs.list: the jobs that this account started, of six months, top-level
ones unless a parent is named; states filter, creation times bound, `unreachable` names locations left out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from propwash.sdk import RemoteName, Unavailable, parse_remote_name
from propwash_bigquery.keys import JobKey
from propwash_bigquery.resources import JsonMap, items, mapping, text, whole
from propwash_bigquery.wire import JOB_FIELDS, Client

LIVE = (("stateFilter", "pending"), ("stateFilter", "running"))
DONE = (("stateFilter", "done"),)
_STATE_FIELDS = "nextPageToken,unreachable,jobs(jobReference,state,statistics(creationTime))"
_FULL_FIELDS = (
    f"nextPageToken,unreachable,jobs(state,errorResult,{JOB_FIELDS[:-1]},scriptStatistics(evaluationKind)))"
)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_CLOCKS_DIFFER_MS = 300_000
_MOST_CHILDREN = 1000


class Listing:
    """Lists one client's jobs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def pages(
        self,
        project: str,
        query: Sequence[tuple[str, str]],
        *,
        is_full: bool,
        since_ms: int = 0,
        until_ms: int = 0,
    ) -> AsyncGenerator[JsonMap, None]:
        """The pages, one call each, for as long as they are asked for. Creation times of 0 do not bound."""
        asked = [*query, ("projection", "full" if is_full else "minimal")]
        asked.append(("fields", _FULL_FIELDS if is_full else _STATE_FIELDS))
        if since_ms:
            asked.append(("minCreationTime", str(since_ms)))
        if until_ms:
            asked.append(("maxCreationTime", str(until_ms)))
        token = ""
        while True:
            page = await self._client.list_page(project, asked, token=token)
            yield page
            following = text(page, "nextPageToken")
            if not following or following == token:
                return
            token = following

    async def search(self, project: str, name: RemoteName) -> JsonMap | None:
        """A job by its id alone, wherever it runs: jobs.get needs the location of a job outside US and EU.

        Raises Unavailable where it was not found but locations were unreachable, as it may be there.
        """
        unreachable = False
        pages = self.pages(project, (), is_full=True, since_ms=_earliest_ms(name))
        async with aclosing(pages):
            async for page in pages:
                for resource in items(page, "jobs"):
                    if text(mapping(resource, "jobReference"), "jobId") == name:
                        return resource
                unreachable = unreachable or bool(page.get("unreachable"))
        if unreachable:
            raise Unavailable("LOCATIONS_UNREACHABLE", "BigQuery could not list the jobs of every location")
        return None

    async def ours(self, project: str, owner: str) -> list[JobKey]:
        """The live jobs of a project whose id says that they are the owner's."""
        found = []
        async for page in self.pages(project, LIVE, is_full=False):
            for resource in items(page, "jobs"):
                parsed = parse_remote_name(text(mapping(resource, "jobReference"), "jobId"))
                if parsed is not None and parsed.owner == owner:
                    found.append(listed_key(resource, project))
        return found

    async def children(self, parent: JobKey) -> list[JsonMap]:
        """A script's child jobs, oldest first."""
        found: list[JsonMap] = []
        pages = self.pages(parent.project, (("parentJobId", parent.job_id),), is_full=True)
        async with aclosing(pages):
            async for page in pages:
                found += items(page, "jobs")
                if len(found) >= _MOST_CHILDREN:
                    break
        return found[::-1]


def listed_key(resource: JsonMap, project: str) -> JobKey:
    """The job that an entry of a list is about."""
    reference = mapping(resource, "jobReference")
    created_ms = whole(mapping(resource, "statistics"), "creationTime") or 0
    return JobKey(project, text(reference, "location"), text(reference, "jobId"), created_ms)


def _earliest_ms(name: RemoteName) -> int:
    """A bound below the job's creation: the first 48 bits of an execution's uid are the milliseconds of its creation.

    0 for a name that says nothing, or nothing that can be: then everything is searched.
    """
    parsed = parse_remote_name(name)
    if parsed is None:
        return 0
    number = 0
    for character in parsed.uid:
        number = number << 5 | _ALPHABET.index(character)
    return max(0, (number >> 80) - _CLOCKS_DIFFER_MS)
