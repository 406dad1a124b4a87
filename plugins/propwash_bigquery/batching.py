"""Observes many jobs in few calls.

Few jobs of a project are read one by one. Many are looked up in the list of live jobs; those found there are
live. What is not in it has ended, is too new for the list, or is gone, which the list cannot tell: many such are
looked up in the list of ended jobs, where an entry that is complete is as good as the job itself; the rest is
read one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing

from propwash.sdk import Observation, Throttled, Unavailable, Verdict
from propwash_bigquery.forms import Form
from propwash_bigquery.keys import JobKey, read_meta
from propwash_bigquery.listing import DONE, LIVE, STATES, Listing, entries_of, listed_key
from propwash_bigquery.observing import key_of, observation, state_of
from propwash_bigquery.resources import JsonMap, child_count, error_of, items, text
from propwash_bigquery.wire import Client

FEW = 20
"""Up to so many jobs are read one by one."""
_READERS = 16
_PAGES_SPARE = 2
_FOUND_A_PAGE = 250
"""Where fewer of our jobs than this are on a page, the list is too full of others' to be read to its end."""
_CLOCKS_DIFFER_MS = 1000

Answer = Observation | Verdict


class Observer:
    """Observes jobs of one form on one connection."""

    def __init__(self, client: Client, listing: Listing, form: Form) -> None:
        self._client = client
        self._listing = listing
        self._form = form

    async def observe(self, metas: Sequence[bytes]) -> Mapping[bytes, Answer]:
        """An answer for each meta. Raises a verdict only where all metas are of one project and a list failed."""
        answers: dict[bytes, Answer] = {}
        by_project: dict[str, dict[JobKey, bytes]] = {}
        for meta in metas:
            try:
                key = read_meta(meta)
            except ValueError as error:
                answers[meta] = Unavailable("META_UNREADABLE", str(error))
                continue
            by_project.setdefault(key.project, {})[key] = meta
        for project, wanted in by_project.items():
            try:
                found = await self._observe(project, list(wanted))
            except Verdict as verdict:
                if len(by_project) == 1:
                    raise
                found = dict.fromkeys(wanted, verdict)
            answers.update({wanted[key]: answer for key, answer in found.items()})
        return answers

    async def _observe(self, project: str, keys: Sequence[JobKey]) -> dict[JobKey, Answer]:
        answers: dict[JobKey, Answer] = {}
        if len(keys) > FEW:
            await self._look_up(project, keys, answers, is_live=True)
        missing = [key for key in keys if key not in answers]
        if len(missing) > FEW:
            await self._look_up(project, missing, answers, is_live=False)
        await self._read([key for key in keys if key not in answers], answers)
        return answers

    async def _look_up(
        self, project: str, keys: Sequence[JobKey], answers: dict[JobKey, Answer], *, is_live: bool
    ) -> None:
        wanted = {(key.job_id, key.location): key for key in keys}
        created = [key.created_ms for key in keys]
        pages = self._listing.pages(
            project,
            LIVE if is_live else DONE,
            entries=STATES if is_live else entries_of(self._form),
            since_ms=max(0, min(created) - _CLOCKS_DIFFER_MS),
            until_ms=max(created) + _CLOCKS_DIFFER_MS if min(created) else 0,
        )
        pages_left = _PAGES_SPARE + len(keys) // _FOUND_A_PAGE
        async with aclosing(pages):
            async for page in pages:
                for resource in items(page, "jobs"):
                    listed = listed_key(resource, project)
                    key = wanted.pop((listed.job_id, listed.location), None)
                    if key is not None and self._is_enough(resource, is_live=is_live):
                        answers[key] = observation(resource, key, self._form)
                pages_left -= 1
                if not wanted or not pages_left:
                    return

    async def _read(self, keys: Iterable[JobKey], answers: dict[JobKey, Answer]) -> None:
        waiting = iter(keys)
        throttled: list[Throttled] = []

        async def read() -> None:
            for key in waiting:
                # Once BigQuery asks to slow down, the rest is not asked for.
                answer = throttled[0] if throttled else await self._one(key)
                if isinstance(answer, Throttled):
                    throttled.append(answer)
                answers[key] = answer

        async with asyncio.TaskGroup() as group:
            for number in range(_READERS):
                group.create_task(read(), name=f"bigquery-read-{number}")

    async def _one(self, key: JobKey) -> Answer:
        try:
            resource = await self._client.get(key, fields=self._form.fields)
            key_of(resource, key)
            has_ended_well = state_of(resource) == "DONE" and error_of(resource) is None
            children: Sequence[JsonMap] = ()
            if has_ended_well and child_count(resource):
                children = await self._listing.children(key, self._form)
            return observation(resource, key, self._form, children=children)
        except Verdict as verdict:
            return verdict

    def _is_enough(self, resource: JsonMap, *, is_live: bool) -> bool:
        """Whether an entry of a list says all that is needed. A job that ended between two calls is read again."""
        state = text(resource, "state")
        if is_live or state != "DONE":
            return is_live and state not in ("", "DONE")
        return error_of(resource) is not None or self._form.is_told_by_list(resource)
