"""Job runs, from their start to their end: what EMR Serverless and EMR on EKS have in common.

A run's state follows from instants; the schedule holds one entry for its end, and one for each limit of its time.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

from propwash.sandbox import Fault, FaultKind, LedgerJob, LedgerState, World
from propwash_aws.sandbox.errors import AwsError

SYSTEM = "aws"
FAIL_REASON_TAG = "sandbox-fail-reason"
FAIL_ATTEMPTS_TAG = "sandbox-fail-attempts"
STUCK_TAG = "sandbox-stuck"


class End(Enum):
    """How a run ended."""

    SUCCEEDED = LedgerState.FINISHED
    FAILED = LedgerState.FAILED
    CANCELLED = LedgerState.CANCELLED


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One job run. Instants are seconds since the epoch; reason is what a tag wants it to fail with."""

    number: int
    place: str
    id: str
    name: str
    asked: Mapping[str, Any]
    fingerprint: str
    ledger: LedgerJob
    created_at: float
    start_at: float
    ended_at: float | None = None
    end: End | None = None
    reason: str = ""
    details: str = ""
    is_cancelling: bool = False
    was_cancel_ignored: bool = False
    is_stuck: bool = False
    hidden_until: float = 0.0
    unknown_until: float = 0.0

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""
        tags: Mapping[str, str] = self.asked.get("tags") or {}
        return tags


@dataclass(slots=True, eq=False)
class Place:
    """The runs of one application or virtual cluster, in the order of their creation."""

    runs: dict[str, Run] = field(default_factory=dict)
    by_number: dict[int, Run] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    live: list[int] = field(default_factory=list)
    """Numbers of the live, and of some that have ended since it was last cleaned."""
    ended: int = 0
    tokens: dict[str, Run] = field(default_factory=dict)

    def newest_first(self, *, below: int | None, is_live: bool) -> Iterator[Run]:
        """Its runs from a number down, or those alone that have not ended."""
        if self.ended > len(self.live) // 2:
            self.live = [number for number in self.live if self.by_number[number].ended_at is None]
            self.ended = 0
        numbers = self.live if is_live else self.order
        at = len(numbers) if below is None else bisect.bisect_left(numbers, below)
        for index in range(at - 1, -1, -1):
            run = self.by_number[numbers[index]]
            if not is_live or run.ended_at is None:
                yield run


class Runs:
    """The runs of one service; account is what the ledger calls its places, such as emr-serverless.

    remembers_tokens_s is for how long a client token is known; neither service says so of itself.
    """

    def __init__(self, world: World, *, account: str) -> None:
        self.world = world
        self.remembers_tokens_s = 86_400.0
        self._account = account
        self._numbers = itertools.count(1)
        self._places: dict[str, Place] = {}

    def now(self) -> float:
        """The present instant."""
        return self.world.clock.now()

    def place(self, name: str) -> Place:
        """The runs of a place."""
        return self._places.setdefault(name, Place())

    def start(
        self,
        place: str,
        name: str,
        asked: Mapping[str, Any],
        *,
        timeout_s: float | None,
        fault: Fault | None,
    ) -> Run:
        """Start a run, or answer with the one of the same client token. Raises AwsError if the content differs."""
        of_place, now, token = self.place(place), self.now(), str(asked["clientToken"])
        fingerprint = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        known = of_place.tokens.get(token)
        if known is not None and now < known.created_at + self.remembers_tokens_s:
            self.world.ledger.duplicate_request()
            if known.fingerprint != fingerprint:
                raise AwsError("ConflictException", f"The client token {token} is in use", status=409)
            return known
        number = next(self._numbers)
        tags: dict[str, str] = asked.get("tags") or {}
        run = Run(
            number=number,
            place=place,
            id=f"{number:019x}",
            name=name,
            asked=asked,
            fingerprint=fingerprint,
            ledger=self.world.ledger.created(
                system=SYSTEM, account=f"{self._account}/{place}", name=name, labels=tags, at=now
            ),
            created_at=now,
            start_at=now + self.world.speed.speed.pending_ms / 1000,
        )
        if fault is not None and fault.kind is FaultKind.VANISHING:
            run.hidden_until = now + fault.duration_s
        run.is_stuck = STUCK_TAG in tags or (fault is not None and fault.kind is FaultKind.STUCK)
        run.reason = tags.get(FAIL_REASON_TAG, "") if _is_to_fail(run) else ""
        of_place.runs[run.id] = of_place.by_number[number] = of_place.tokens[token] = run
        of_place.order.append(number)
        of_place.live.append(number)
        self.world.ledger.started(run.ledger, at=run.start_at)
        at = self.world.schedule.at
        if not run.is_stuck:
            end = End.FAILED if run.reason else End.SUCCEEDED
            at(run.start_at + self.world.speed.duration_s(tags), partial(self.finish, run, end))
        if timeout_s:
            said = f"Job run timed out after {timeout_s / 60:g} minutes"
            at(now + timeout_s, partial(self.finish, run, End.CANCELLED, said))
        return run

    def find(self, place: str, run_id: str) -> Run | None:
        """The run with this id, unless it is hidden."""
        run = self.place(place).runs.get(run_id)
        return None if run is None or self.now() < run.hidden_until else run

    def cancel(self, run: Run, *, fault: Fault | None) -> None:
        """Ask a live run to end; it does so a little later."""
        if fault is not None and fault.kind is FaultKind.CANCEL_IGNORED and not run.was_cancel_ignored:
            run.was_cancel_ignored = True
            return
        if not run.is_cancelling:
            run.is_cancelling = True
            due_at = self.now() + self.world.speed.speed.cancel_ms / 1000
            self.world.schedule.at(due_at, partial(self.finish, run, End.CANCELLED, "Cancelled by the user"))

    def finish(self, run: Run, end: End, details: str = "") -> None:
        """End a run that has not ended."""
        if run.ended_at is not None or (run.is_cancelling and end is not End.CANCELLED):
            return
        run.ended_at = self.now()
        run.start_at = min(run.start_at, run.ended_at)
        run.end, run.details = end, details
        self.place(run.place).ended += 1
        self.world.ledger.ended(run.ledger, state=end.value, at=run.ended_at)

    def page(
        self,
        place: str,
        *,
        token: str,
        size: int,
        is_wanted: Callable[[Run], bool],
        is_live: bool,
        fault: Fault | None,
    ) -> tuple[list[Run], str]:
        """Runs of a place that are wanted, newest first, and the token to go on with. Raises AwsError."""
        if token and not token.isdecimal():
            raise AwsError("ValidationException", "nextToken: is none of this list")
        now = self.now()
        found: list[Run] = []
        misses = fault is not None and fault.kind is FaultKind.LIST_MISSES_NEWEST
        youngest = now - fault.duration_s if fault is not None and misses else now
        below = int(token) if token else None
        for run in self.place(place).newest_first(below=below, is_live=is_live):
            if now < run.hidden_until or (misses and run.created_at > youngest) or not is_wanted(run):
                continue
            if len(found) == size:
                return found, str(found[-1].number)
            found.append(run)
        return found, ""

    def clear(self) -> None:
        """End all at once and forget them."""
        for place in self._places.values():
            for run in place.runs.values():
                self.finish(run, End.CANCELLED, "The sandbox was reset")
        self._places.clear()


def shows_unknown(runs: Collection[Run], fault: Fault | None, now: float) -> None:
    """Let runs show a state that nobody knows, where the fault says so."""
    if fault is not None and fault.kind is FaultKind.UNKNOWN_STATE:
        for run in runs:
            run.unknown_until = now + fault.duration_s


def _is_to_fail(run: Run) -> bool:
    only, attempt = run.tags.get(FAIL_ATTEMPTS_TAG, ""), run.ledger.attempt or "1"
    return not (only.isdecimal() and attempt.isdecimal()) or int(attempt) <= int(only)
