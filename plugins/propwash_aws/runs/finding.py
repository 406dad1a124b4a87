"""Looks runs up by name after doubt, and ends them.

The runs of a place are listed for all names that were asked for while the last listing was under way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from propwash.sdk import Deletion, NotFound, RemoteName
from propwash_aws.accounts import Account, Answer
from propwash_aws.clusters.answers import text
from propwash_aws.clusters.gathering import Gatherer
from propwash_aws.names import created_at
from propwash_aws.runs.keys import RunKey
from propwash_aws.runs.service import RunService, oldest_first, run_id

_CLOCKS_DIFFER_S = 300.0
_MOST_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class _Wanted:
    account: Account
    place: str
    name: RemoteName


class RunFinder:
    """Finds runs by name; wall gives UTC seconds. is_by_name says that the service lists by name itself."""

    def __init__(self, service: RunService, *, wall: Callable[[], float], is_by_name: bool) -> None:
        self._service = service
        self._wall = wall
        self._is_by_name = is_by_name
        self._gatherer: Gatherer[_Wanted, Sequence[Answer]] = Gatherer(
            self._scan, name=f"{service.service}-find", most=_MOST_NAMES
        )

    async def find(self, account: Account, places: Sequence[str], name: RemoteName) -> list[RunKey]:
        """The runs of this name in these places, the oldest first; raises a verdict."""
        runs: list[tuple[str, Answer]] = []
        found: Sequence[Answer]
        for place in places:
            wanted = _Wanted(account, place, name)
            try:
                if self._is_by_name:
                    found = await self._listed(account, place, name)
                else:
                    found = await self._gatherer.ask((account.connection.name, place), wanted)
            except NotFound:
                # A place that is gone has no runs.
                continue
            runs += [(place, run) for run in found]
        place_of = {run_id(run): place for place, run in runs}
        ordered = [run_id(run) for run in oldest_first([run for _, run in runs])]
        return [RunKey(place_of[one], one, name) for one in ordered]

    async def end(self, account: Account, key: RunKey) -> Deletion:
        """Ask for a run's end, if that is not under way; GONE only where its state says so."""
        try:
            run = await self._service.read(account, key)
            if self._service.is_over(run):
                return Deletion.GONE
            if not self._service.is_cancelling(run):
                await self._service.cancel(account, key)
        except NotFound:
            return Deletion.ABSENT
        return Deletion.PENDING

    def earliest_s(self, names: Sequence[RemoteName]) -> float:
        """A bound below the creation of all runs of these names, in UTC seconds; 0 for none.

        An execution began before its runs did; five minutes are left for clocks that differ.
        """
        latest = self._wall() + _CLOCKS_DIFFER_S
        began = [created_at(name) for name in names]
        known = [at for at in began if at is not None and at <= latest]
        if not known or len(known) < len(names):
            return 0.0
        return max(0.0, min(known) - _CLOCKS_DIFFER_S)

    async def close(self) -> None:
        """Stop."""
        await self._gatherer.close()

    async def _listed(self, account: Account, place: str, name: RemoteName) -> list[Answer]:
        since_s = self.earliest_s([name])
        found: list[Answer] = []
        pages = self._service.pages_of_runs(account, place, since_s=since_s, name=name)
        async with aclosing(pages):
            async for page in pages:
                found += [run for run in page if text(run, "name") == name and run_id(run)]
        return found

    async def _scan(self, asked: Sequence[_Wanted]) -> Sequence[Sequence[Answer]]:
        account, place = asked[0].account, asked[0].place
        found: dict[str, list[Answer]] = {one.name: [] for one in asked}
        since_s = self.earliest_s([one.name for one in asked])
        async with aclosing(self._service.pages_of_runs(account, place, since_s=since_s)) as pages:
            # To the end, as a second run of a name may be on any page.
            async for page in pages:
                for run in page:
                    if run_id(run) and (holder := found.get(text(run, "name"))) is not None:
                        holder.append(run)
        return [found[one.name] for one in asked]
