"""What may come in now: the limits of executions, and how far behind the engine is with its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from propwash.core import overload
from propwash.core.admission import Full, Limit
from propwash.core.model import Done
from propwash.core.overload import Gauge, Measure
from propwash.engine.journal import Journal
from propwash.engine.options import EngineOptions
from propwash.engine.table import Table
from propwash.ports import Clock, Draft, HeldBy, Instrument, LimitReached, Overloaded, Record

BEAT_S = 1.0
"""How often the loop's lag is felt."""
OVERLOADED = "SERVER_OVERLOADED"
_SAID = {
    Measure.LOOP_LAG: "its loop is {:.1f} s late (limit {:g} s)",
    Measure.COMMIT_BACKLOG: "{:.0f} changes wait for their commit (limit {:g})",
    Measure.COMMIT_AGE: "a change has waited {:.1f} s for its commit (limit {:g} s)",
}


class Intake:
    """Asked in the turn of the loop in which the answer is acted upon, so that no two take the same place."""

    def __init__(
        self, *, clock: Clock, journal: Journal, table: Table, instrument: Instrument, options: EngineOptions
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._table = table
        self._instrument = instrument
        self._limits = options.admission
        self._gauge = Gauge(limits=options.overload)

    async def run(self) -> None:
        """Feel the loop's lag, for ever: how late this wakes."""
        while True:
            due_at = self._clock.now() + BEAT_S
            await self._clock.sleep_until(due_at)
            self._gauge = self._gauge.felt(max(self._clock.now() - due_at, 0.0))
            gauge = self._read()
            self._instrument.load(
                active=self._table.census.active,
                queued=self._table.census.queued,
                lag_s=gauge.lag_s,
                backlog=gauge.backlog,
                backlog_s=gauge.backlog_s,
                overload=gauge.overload,
            )

    def check_load(self, drafts: Sequence[Draft]) -> None:
        """Raise Overloaded while the engine is behind."""
        gauge = self._read()
        if gauge.overload is None or all(draft.held_by is HeldBy.NOTHING for draft in drafts):
            return
        value, limit = gauge.value(gauge.overload)
        self._instrument.refused(reason=OVERLOADED, executions=len(drafts))
        raise Overloaded(
            f"the server is overloaded: {_SAID[gauge.overload].format(value, limit)}",
            measure=gauge.overload,
            value=value,
            limit=limit,
            retry_after_s=overload.retry_after_s(str(drafts[0].name), str(self._clock.now())),
        )

    def full(self, drafts: Sequence[Draft], records: Sequence[Record]) -> Full | None:
        """Which limit keeps out what would come in together, each draft with its record; None where all may."""
        pairs = zip(drafts, records, strict=True)
        new = [
            draft for draft, record in pairs if draft.held_by is not HeldBy.NOTHING and not _is_over(record)
        ]
        if not new:
            return None
        return self._table.census.full(
            self._limits,
            arriving=Counter(draft.name.project for draft in new if draft.held_by is HeldBy.ALL),
            active=len(new),
            key=records[0].execution.uid,
            now=self._clock.now(),
        )

    def refuse(self, full: Full) -> LimitReached:
        """The refusal to be raised; counted."""
        self._instrument.refused(reason=full.limit.value, executions=full.arriving)
        return LimitReached(_told(full), full)

    def _read(self) -> Gauge:
        since = self._journal.oldest_at
        waited_s = 0.0 if since is None else max(self._clock.now() - since, 0.0)
        self._gauge = self._gauge.read(backlog=self._journal.backlog, backlog_s=waited_s)
        return self._gauge


def _is_over(record: Record) -> bool:
    return isinstance(record.execution.state, Done)


def _told(full: Full) -> str:
    match full.limit:
        case Limit.PROJECT_QUEUE:
            there = f"project {full.project!r} has {full.count} executions in its queue"
        case Limit.ACTIVE:
            there = f"the server has {full.count} executions that are not terminal"
    more = "" if full.retry_after_s is not None else f": {full.arriving} at once can never come in"
    return f"{there}, {full.most} are allowed{more}"
