"""The reconcile loop's heart: an event comes in, the core decides, the journal commits, the wishes go out.

Level-triggered: what goes out after a commit is ``due`` of what is then true, not what an event once asked for. An
entry with a commit under way waits; its wishes are looked at again when the commit is through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from propwash.core import machine, timing
from propwash.core.effects import Effect
from propwash.core.events import Deleted, Event, Granted, Resumed, Ticked, Unsent, Verb
from propwash.core.ledger import Ledger
from propwash.core.model import (
    Cleaning,
    CreateStatus,
    Done,
    Execution,
    ExecutionUid,
    Instant,
    Launching,
    Running,
    Waiting,
)
from propwash.engine.journal import Journal
from propwash.engine.table import Entry, Table
from propwash.engine.timers import Timers
from propwash.ports import (
    Clock,
    CommitResult,
    Committed,
    Duplicate,
    Insert,
    Instrument,
    Record,
    Stale,
    Update,
)

TURN = 50
"""Executions taken up before the loop is given a turn."""


class Fenced(Exception):
    """Another writer has changed our rows: this process must not go on."""


class Reconciler:
    """Steps executions. Every method is synchronous; perform is given each wish that is not in flight."""

    def __init__(
        self,
        *,
        clock: Clock,
        journal: Journal,
        ledger: Ledger,
        instrument: Instrument,
        table: Table,
        perform: Callable[[Entry, Effect], None],
        withdraw_create: Callable[[Entry], bool],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._ledger = ledger
        self._instrument = instrument
        self._table = table
        self._perform = perform
        self._withdraw_create = withdraw_create
        self.timers = Timers(clock, self.wake)
        self._is_stopped = False

    def stop(self) -> None:
        """Perform nothing more; events are still taken and committed."""
        self._is_stopped = True
        for entry in list(self._table):
            self._put_back(entry)

    def insert(self, records: Sequence[Record], done: Callable[[CommitResult], None]) -> None:
        """Take up new executions, all or none, stepped as far as they go without the remote system.

        The records' executions must be new, Queued or Done, and their versions 1. done is called when it is decided.
        """
        now = self._clock.now()
        entries = []
        others: list[ExecutionUid] = []
        for record in records:
            entry = Entry(record.name, record.execution, 1, record.request, pending=1, is_stored=False)
            entries.append(entry)
            self._table.add(entry)
        for entry in entries:
            entry.execution, _ = machine.step(entry.execution, Ticked(), now)
            if entry.execution.wants_tokens:
                for uid in self._ledger.request(entry.execution, now):
                    if uid == entry.execution.uid:
                        event = Granted(attempt=entry.execution.attempt)
                        entry.execution, _ = machine.step(entry.execution, event, now)
                    else:
                        others.append(uid)
            self._table.moved(entry, now)
        group = tuple(
            Insert(record=Record(name=e.name, request=r.request, execution=e.execution, version=1))
            for e, r in zip(entries, records, strict=True)
        )

        def decided(result: CommitResult) -> None:
            if not isinstance(result, Committed):
                self._forget_refused(entries)
                done(result)
                return
            for entry, insert in zip(entries, group, strict=True):
                entry.is_stored = True
                self._committed(entry, None, None, insert.record.execution)
            done(result)
            for entry in entries:
                deferred, entry.deferred = entry.deferred, ()
                for event in deferred:
                    self.apply(entry, event)
                self.pursue(entry)

        self._journal.append(group, decided)
        self.grant(others)

    def resume(self) -> Iterator[None]:
        """Go on with what was loaded into the table, oldest first, and grant what room there is; yields now and then,
        for the loop to have a turn.
        """
        for number, (entry, loaded) in enumerate([(entry, entry.execution) for entry in self._table]):
            # What has been granted another's tokens meanwhile wants a create, and has none in flight.
            if entry.execution is loaded:
                self.apply(entry, Resumed())
            if number % TURN == TURN - 1:
                yield
        self.grant(self._ledger.grant_all(self._clock.now()))

    def wake(self, uid: ExecutionUid) -> None:
        """An instant of the execution has come."""
        entry = self._table.by_uid(uid)
        if entry is not None and not self._is_stopped:
            self.apply(entry, Ticked())

    def reply(self, entry: Entry, verb: Verb, event: Event | None) -> None:
        """An effect has been answered, or dropped without an answer (None)."""
        entry.in_flight.discard(verb)
        if event is None:
            self.pursue(entry)
            return
        entry.is_catching_up = False
        if isinstance(event, Deleted):
            entry.deleted = event
        self.apply(entry, event)

    def apply(self, entry: Entry, event: Event) -> None:
        """Step an execution, and those that its tokens free, in one commit."""
        now = self._clock.now()
        first: dict[ExecutionUid, tuple[Entry, Execution, Event]] = {}
        work: deque[tuple[Entry, Event]] = deque([(entry, event)])
        while work:
            target, cause = work.popleft()
            if not target.is_stored:
                # An update of what the store then refuses would take the rest of its group down with it.
                target.deferred += (cause,)
                continue
            before = target.execution
            after, _ = machine.step(before, cause, now)
            if after is before:
                continue
            target.execution = after
            self._table.moved(target, now)
            if machine.is_durable_change(before, after):
                first.setdefault(after.uid, (target, before, cause))
            for uid in self._moved_tokens(before, after, now):
                granted = self._table.by_uid(uid)
                if granted is not None:
                    work.append((granted, Granted(attempt=granted.execution.attempt)))
        if not first:
            self.pursue(entry)
            return
        self._store(list(first.values()))

    def grant(self, uids: Iterable[ExecutionUid]) -> None:
        """Step those whom the ledger has granted their claims."""
        for uid in uids:
            entry = self._table.by_uid(uid)
            if entry is not None:
                self.apply(entry, Granted(attempt=entry.execution.attempt))

    def _forget_refused(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._table.remove(entry)
            self.grant(self._ledger.release(entry.execution.uid, self._clock.now()))

    def _moved_tokens(self, before: Execution, after: Execution, now: Instant) -> tuple[ExecutionUid, ...]:
        granted: tuple[ExecutionUid, ...] = ()
        had_tokens = before.holds_tokens or before.wants_tokens
        if had_tokens and not (after.holds_tokens or after.wants_tokens):
            granted += self._ledger.release(after.uid, now)
        if after.wants_tokens and not before.wants_tokens:
            granted += self._ledger.request(after, now)
        return granted

    def _store(self, steps: list[tuple[Entry, Execution, Event]]) -> None:
        group = tuple(
            Update(uid=entry.execution.uid, expected_version=entry.version, execution=entry.execution)
            for entry, _, _ in steps
        )
        for entry, _, _ in steps:
            entry.version += 1
            entry.pending += 1

        def decided(result: CommitResult) -> None:
            if isinstance(result, Stale | Duplicate):
                raise Fenced(f"the row of {steps[result.index][0].name} was changed by another writer")
            for (entry, before, cause), update in zip(steps, group, strict=True):
                self._committed(entry, cause, before, update.execution)
            for entry, _, _ in steps:
                self.pursue(entry)

        self._journal.append(group, decided)

    def _committed(
        self, entry: Entry, cause: Event | None, before: Execution | None, after: Execution
    ) -> None:
        entry.pending -= 1
        if isinstance(after.state, Running | Waiting):
            # What queues for a pool may be many, and large: the store gives it back when its turn has come.
            entry.request = None
        effects = () if entry.pending else machine.due(after, self._clock.now())
        self._instrument.stepped(entry.name, before, cause, after, effects)

    def pursue(self, entry: Entry) -> None:
        """Perform what is due and set the next instant; nothing while a commit is under way."""
        if entry.pending:
            return
        execution = entry.execution
        if isinstance(execution.state, Done):
            if self._table.by_uid(execution.uid) is entry:
                self._table.remove(entry)
                self.timers.set(execution.uid, None)
                self._instrument.forgot(entry.name, execution)
            return
        if self._table.by_uid(execution.uid) is not entry:
            return
        if _is_overtaken(entry) and (Verb.CREATE not in entry.in_flight or self._withdraw_create(entry)):
            entry.in_flight.discard(Verb.CREATE)
            self.apply(entry, Unsent(attempt=execution.attempt))
            return
        now = self._clock.now()
        if self._is_stopped:
            self._put_back(entry)
            return
        if machine.advance(execution, Ticked(), now) is not execution:
            # Its instant went by during the commit, or while nobody had it loaded: no timer would come back to it.
            self.apply(entry, Ticked())
            return
        self.timers.set(execution.uid, timing.wake_at(execution, now))
        for effect in machine.due(execution, now):
            if effect.verb not in entry.in_flight:
                entry.in_flight.add(effect.verb)
                self._perform(entry, effect)

    def _put_back(self, entry: Entry) -> None:
        """Say of a create that was not sent that it was not, where the next start could not look it up."""
        execution = entry.execution
        if execution.plan.traits.can_look_up or not _is_sent(execution):
            return
        if Verb.CREATE not in entry.in_flight or self._withdraw_create(entry):
            entry.in_flight.discard(Verb.CREATE)
            self.apply(entry, Unsent(attempt=execution.attempt))


def _is_sent(execution: Execution) -> bool:
    """Whether a create is in flight, or about to be."""
    return isinstance(execution.state, Launching) and execution.state.create is CreateStatus.SENT


def _is_overtaken(entry: Entry) -> bool:
    """Whether the attempt was ended before its create was answered. Was it not sent yet, it never will be."""
    state = entry.execution.state
    return isinstance(state, Cleaning) and state.create is CreateStatus.SENT
