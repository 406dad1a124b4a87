"""Reads jobs.list: pages of an account's jobs in one project, in all locations, newest first.

Source: BigQuery REST v2 reference, jobs.list: the jobs that this account started, of six months, top-level
ones unless a parent is named; states filter, creation times bound, `unreachable` names locations left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from propwash.sdk import RemoteName, Unavailable, Verdict, parse_remote_name
from propwash_bigquery.forms import Form, job_type_of
from propwash_bigquery.keys import JobKey
from propwash_bigquery.resources import JsonMap, items, mapping, text, whole
from propwash_bigquery.wire import Client

LIVE = (("stateFilter", "pending"), ("stateFilter", "running"))
DONE = (("stateFilter", "done"),)
STATES = "jobReference(jobId,location),state,statistics(creationTime)"
"""The mask of an entry that says where a job stands, and no more."""
_CENSUS = f"{STATES},configuration(jobType)"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_CLOCKS_DIFFER_MS = 300_000
_MOST_CHILDREN = 1000


def entries_of(form: Form) -> str:
    """The mask of an entry that says all that there is to say of a job of this form."""
    whole = form.fields.removesuffix(")")
    return f"state,errorResult,{whole},scriptStatistics(evaluationKind))"


class Listing:
    """Lists one client's jobs."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._censuses: dict[str, asyncio.Task[list[tuple[JobKey, str]] | Verdict]] = {}

    async def pages(
        self,
        project: str,
        query: Sequence[tuple[str, str]],
        *,
        entries: str,
        since_ms: int = 0,
        until_ms: int = 0,
    ) -> AsyncGenerator[JsonMap, None]:
        """The pages, one call each, for as long as they are asked for. entries is the mask of one entry. Creation times
        of 0 do not bound.
        """
        # The configuration is in the full projection alone; the mask leaves out what is not wanted of it.
        projection = "full" if "configuration" in entries else "minimal"
        asked = [*query, ("projection", projection), ("fields", f"nextPageToken,unreachable,jobs({entries})")]
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

    async def search(self, project: str, name: RemoteName, form: Form) -> JsonMap | None:
        """A job by its id alone, wherever it runs: jobs.get needs the location of a job outside US and EU.

        Raises Unavailable where it was not found but locations were unreachable, as it may be there.
        """
        unreachable = False
        pages = self.pages(project, (), entries=entries_of(form), since_ms=_earliest_ms(name))
        async with aclosing(pages):
            async for page in pages:
                for resource in items(page, "jobs"):
                    if text(mapping(resource, "jobReference"), "jobId") == name:
                        return resource
                unreachable = unreachable or bool(page.get("unreachable"))
        if unreachable:
            raise Unavailable("LOCATIONS_UNREACHABLE", "BigQuery could not list the jobs of every location")
        return None

    async def ours(self, project: str, owner: str, form: Form) -> list[JobKey]:
        """The live jobs of a project that are of this form and whose id says that they are the owner's.

        Forms that ask at the same time share one reading of the list. So an answer may be as old as a reading takes, of
        which a list of jobs is no better anyway.
        """
        task = self._censuses.get(project)
        if task is None:
            task = asyncio.create_task(self._census(project), name=f"bigquery-census-{project}")
            self._censuses[project] = task
        # Shielded, so that one cancelled call does not take the list away from the others.
        found = await asyncio.shield(task)
        if isinstance(found, Verdict):
            raise found
        mine = []
        for key, job_type in found:
            parsed = parse_remote_name(key.job_id) if job_type == form.job_type else None
            if parsed is not None and parsed.owner == owner:
                mine.append(key)
        return mine

    async def children(self, parent: JobKey, form: Form) -> list[JsonMap]:
        """A script's child jobs, oldest first."""
        found: list[JsonMap] = []
        pages = self.pages(parent.project, (("parentJobId", parent.job_id),), entries=entries_of(form))
        async with aclosing(pages):
            async for page in pages:
                found += items(page, "jobs")
                if len(found) >= _MOST_CHILDREN:
                    break
        return found[::-1]

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._censuses.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _census(self, project: str) -> list[tuple[JobKey, str]] | Verdict:
        try:
            return [
                (listed_key(resource, project), job_type_of(resource))
                async for page in self.pages(project, LIVE, entries=_CENSUS)
                for resource in items(page, "jobs")
            ]
        except Verdict as verdict:
            # Answered and not raised: nobody may be waiting any more.
            return verdict
        finally:
            del self._censuses[project]


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
