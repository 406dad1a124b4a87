"""Finds applications and virtual clusters by id or name, in a list that is kept for some minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from propwash.sdk import Permanent, Unavailable, Verdict
from propwash_aws.accounts import Account
from propwash_aws.runs.service import Place, RunService

_KEPT_S = 300.0
_FRESH_S = 10.0
"""A list of at least this age is read again for what it does not hold."""


@dataclass(slots=True)
class _Kept:
    places: tuple[Place, ...] = ()
    read_at: float | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Places:
    """The places of all connections; now gives monotonic seconds."""

    def __init__(self, service: RunService, *, now: Callable[[], float]) -> None:
        self._service = service
        self._now = now
        self._kept: WeakKeyDictionary[Account, _Kept] = WeakKeyDictionary()

    async def one(self, account: Account, named: str, *, is_of_spec: bool) -> str:
        """The id of the place that a job goes to; raises a verdict.

        What the user's spec names wrongly is Permanent; what the connection names wrongly is the operator's to mend.
        """
        service = self._service
        if service.is_certain_id(named):
            return named
        found = await self._named(account, named)
        by_id = [one.id for one in found if one.id == named]
        live = by_id or [one.id for one in found if one.state not in service.over_places]
        if len(live) == 1:
            return live[0]
        if not live and _may_be_id(named):
            return named
        if live:
            reason, said = "AMBIGUOUS", f"there are {len(live)} of the name {named}: give the id"
        else:
            reason, said = "NOT_FOUND", f"there is no {service.place_word} {named} in {account.region}"
        refusal: type[Verdict] = Permanent if is_of_spec else Unavailable
        raise refusal(f"{service.place_reason}_{reason}", said)

    async def all_of(self, account: Account, named: str, *, is_name: bool = False) -> tuple[str, ...]:
        """The ids of every place that this id or name may mean, ended ones too; is_name says that it is no id."""
        if self._service.is_certain_id(named) and not is_name:
            return (named,)
        found = await self._named(account, named)
        ids = tuple(one.id for one in found if one.name == named or not is_name)
        return ids or ((named,) if _may_be_id(named) and not is_name else ())

    async def live_of(self, account: Account, name: str) -> tuple[str, ...]:
        """The ids of the places of this very name that take runs, or may yet."""
        over = self._service.over_places
        for age_s in (_KEPT_S, _FRESH_S):
            places = await self._list(account, age_s)
            if found := tuple(one.id for one in places if one.name == name and one.state not in over):
                return found
        return ()

    def add(self, account: Account, place: Place) -> None:
        """Let a place that was just made be found, which the list may not show yet."""
        kept = self._kept.setdefault(account, _Kept())
        kept.places = (*(one for one in kept.places if one.id != place.id), place)

    def forget(self, account: Account) -> None:
        """Read the list again when it is next wanted."""
        self._kept.setdefault(account, _Kept()).read_at = None

    async def every(self, account: Account) -> tuple[str, ...]:
        """The ids of all places that may have live runs."""
        over = self._service.over_places
        return tuple(one.id for one in await self._list(account, _KEPT_S) if one.state not in over)

    async def reread(self, account: Account) -> tuple[Place, ...]:
        """The list as it is now."""
        return await self._list(account, 0.0)

    async def _named(self, account: Account, named: str) -> list[Place]:
        for age_s in (_KEPT_S, _FRESH_S):
            places = await self._list(account, age_s)
            by_id = [one for one in places if one.id == named]
            if found := by_id or [one for one in places if one.name == named]:
                return found
        return []

    async def _list(self, account: Account, oldest_s: float) -> tuple[Place, ...]:
        kept = self._kept.setdefault(account, _Kept())
        async with kept.lock:
            if kept.read_at is None or self._now() >= kept.read_at + oldest_s:
                places: list[Place] = []
                async with aclosing(self._service.pages_of_places(account)) as pages:
                    async for page in pages:
                        places += page
                kept.places, kept.read_at = tuple(places), self._now()
        return kept.places


def _may_be_id(named: str) -> bool:
    return named.isascii() and named.isalnum() and named == named.lower()
