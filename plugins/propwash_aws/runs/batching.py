"""Observes many runs in few calls.

Few runs of a place are read one by one. Many are looked up in the list of its live runs; those found there are live.
What is not in it has ended, is too new for the list, or is gone, which the list cannot tell: many such are looked up in
the list of ended runs, where that says as much as the run itself; the rest is read one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing

from propwash.sdk import Observation, Throttled, Verdict
from propwash_aws.accounts import Account
from propwash_aws.runs.finding import RunFinder
from propwash_aws.runs.keys import RunKey, read_meta
from propwash_aws.runs.service import RunService, run_id

FEW = 20
"""Up to so many runs are read one by one."""
_READERS = 16
_PAGES_SPARE = 2
_FOUND_A_PAGE = 10
"""Where fewer of ours than this are on a page, the list is too full of others' to be read to its end."""

Result = Observation | Verdict


class RunObserver:
    """Observes runs of all connections."""

    def __init__(self, service: RunService, finder: RunFinder) -> None:
        self._service = service
        self._finder = finder

    async def observe(self, account: Account, metas: Sequence[bytes]) -> Mapping[bytes, Result]:
        """An answer for each meta. Raises a verdict only where all are of one place and its list failed."""
        answers: dict[bytes, Result] = {}
        by_place: dict[str, dict[RunKey, bytes]] = {}
        for meta in metas:
            try:
                key = read_meta(meta)
            except Verdict as verdict:
                answers[meta] = verdict
                continue
            by_place.setdefault(key.place, {})[key] = meta
        for place, wanted in by_place.items():
            try:
                found = await self._observe(account, place, list(wanted))
            except Verdict as verdict:
                if len(by_place) == 1:
                    raise
                found = dict.fromkeys(wanted, verdict)
            answers.update({wanted[key]: answer for key, answer in found.items()})
        return answers

    async def _observe(self, account: Account, place: str, keys: Sequence[RunKey]) -> dict[RunKey, Result]:
        service = self._service
        answers: dict[RunKey, Result] = {}
        lists = [service.live_states]
        if service.lists_in_full:
            lists.append(tuple(sorted(service.over_states)))
        for states in lists:
            missing = [key for key in keys if key not in answers]
            if len(missing) > FEW:
                await self._look_up(account, place, missing, answers, states=states)
        await self._read(account, [key for key in keys if key not in answers], answers)
        return answers

    async def _look_up(
        self,
        account: Account,
        place: str,
        keys: Sequence[RunKey],
        answers: dict[RunKey, Result],
        *,
        states: Sequence[str],
    ) -> None:
        service = self._service
        wanted = {key.run: key for key in keys}
        since_s = self._finder.earliest_s([key.name for key in keys])
        pages_left = _PAGES_SPARE + len(keys) // _FOUND_A_PAGE
        async with aclosing(service.pages_of_runs(account, place, states=states, since_s=since_s)) as pages:
            async for page in pages:
                for run in page:
                    key = wanted.pop(run_id(run), None)
                    if key is not None and (not service.is_over(run) or service.lists_in_full):
                        answers[key] = service.observation(run, key, account.region)
                pages_left -= 1
                if not wanted or not pages_left:
                    return

    async def _read(self, account: Account, keys: Iterable[RunKey], answers: dict[RunKey, Result]) -> None:
        waiting = iter(keys)
        throttled: list[Throttled] = []

        async def read() -> None:
            for key in waiting:
                # Once the service asks to slow down, the rest is not asked for.
                answer: Result = throttled[0] if throttled else await self._one(account, key)
                if isinstance(answer, Throttled):
                    throttled.append(answer)
                answers[key] = answer

        async with asyncio.TaskGroup() as group:
            for number in range(_READERS):
                group.create_task(read(), name=f"{self._service.service}-read-{number}")

    async def _one(self, account: Account, key: RunKey) -> Result:
        try:
            run = await self._service.read(account, key)
            return self._service.observation(run, key, account.region)
        except Verdict as verdict:
            return verdict
