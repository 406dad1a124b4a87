"""The way in: drafts become executions, aborts become durable wishes, and every answer waits for its commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from propwash.core.events import AbortRequested
from propwash.core.ledger import Ledger
from propwash.core.model import (
    Done,
    Execution,
    OutcomeKind,
    Plan,
    Queued,
)
from propwash.core.names import remote_name
from propwash.core.pool import Overclaimed, merged
from propwash.engine.births import running, stillborn
from propwash.engine.budgets import Budgets
from propwash.engine.circuits import Circuits
from propwash.engine.decisions import Decisions
from propwash.engine.dry_run import dry_run
from propwash.engine.hints import Hints
from propwash.engine.ids import new_uid
from propwash.engine.intake import Intake
from propwash.engine.journal import Journal
from propwash.engine.reconciler import Reconciler
from propwash.engine.repeats import differences
from propwash.engine.table import Table
from propwash.engine.waits import Waits
from propwash.ports import (
    AlreadyEnded,
    AlreadyExists,
    Bury,
    Clock,
    CommitResult,
    Committed,
    Draft,
    Duplicate,
    DuplicateOf,
    ExecutionName,
    Handlers,
    Hearing,
    JobRequest,
    NoSuchExecution,
    NotAccepting,
    Record,
    Refused,
    Store,
    Wait,
)


class Admission:
    """Implements ports.Executions."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        handlers: Handlers,
        budgets: Budgets,
        circuits: Circuits,
        journal: Journal,
        decisions: Decisions,
        reconciler: Reconciler,
        ledger: Ledger,
        table: Table,
        intake: Intake,
        waits: Waits,
        hints: Hints,
    ) -> None:
        self._clock = clock
        self._store = store
        self._handlers = handlers
        self._budgets = budgets
        self._circuits = circuits
        self._journal = journal
        self._decisions = decisions
        self._reconciler = reconciler
        self._ledger = ledger
        self._table = table
        self._intake = intake
        self._waits = waits
        self._hints = hints
        self._is_open = False

    def open(self) -> None:
        """Take new work."""
        self._is_open = True

    def close(self) -> None:
        """Take nothing new."""
        self._is_open = False

    @property
    def is_accepting(self) -> bool:
        """Whether create is taken now."""
        return self._is_open and not self._journal.is_failing

    async def create(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        """Accept all drafts in one commit, or none; see ports.Executions."""
        self._check_accepting()
        self._intake.check_load(drafts)
        records = [self._new_record(draft) for draft in drafts]
        answers: dict[int, Record] = {}
        if len(drafts) > 1:
            await self._answer_repeats(drafts, answers)
        while len(answers) < len(drafts):
            open_indexes = [index for index in range(len(drafts)) if index not in answers]
            full = self._intake.full([drafts[i] for i in open_indexes], [records[i] for i in open_indexes])
            if full is not None:
                # What is there already adds nothing: its repeat is answered, and the others are looked at again.
                if not await self._answer_what_is_there(drafts, answers):
                    raise self._intake.refuse(full)
                continue
            result = await self._insert([records[index] for index in open_indexes])
            match result:
                case Committed(seqs=seqs):
                    for index, seq in zip(open_indexes, seqs, strict=True):
                        answers[index] = replace(records[index], version=1, seq=seq)
                case Duplicate(of=DuplicateOf.TOMBSTONE, message=message):
                    index = open_indexes[result.index]
                    records[index] = stillborn(records[index], message)
                case Duplicate(existing=existing, of=of) if existing is not None:
                    index = open_indexes[result.index]
                    answers[index] = self._repeat_of(index, drafts[index], existing, of)
                case _:
                    raise NotAccepting(f"the commit was answered with {result}")
        return await self._as_stored([answers[index] for index in range(len(drafts))])

    async def validate(self, draft: Draft) -> Record:
        """Check a draft, with a dry run at the remote system, and store nothing; see ports.Executions."""
        self._check_accepting()
        self._intake.check_load([draft])
        record = self._new_record(draft)
        answers: dict[int, Record] = {}
        await self._answer_repeats([draft], answers)
        if answers:
            return answers[0]
        full = self._intake.full([draft], [record])
        if full is not None:
            raise self._intake.refuse(full)
        plan = record.execution.plan
        await dry_run(
            JobRequest(
                name=remote_name(owner=self._store.owner, uid=record.execution.uid, attempt=1),
                owner=self._store.owner,
                uid=record.execution.uid,
                attempt=1,
                request=record.request,
                connection=plan.connection,
                run_deadline_s=plan.policy.run_deadline_s,
                hint=plan.hint,
            ),
            handlers=self._handlers,
            budgets=self._budgets,
            circuits=self._circuits,
            clock=self._clock,
        )
        return record

    async def abort(self, name: ExecutionName, *, message: str, allow_missing: bool) -> Record | None:
        """Ask for the end of an execution; see ports.Executions."""
        while True:
            entry = self._table.by_name(name)
            if entry is None:
                (record,) = await self._store.get([name])
                if record is None and self._table.by_name(name) is not None:
                    continue
                if record is not None and not isinstance(record.execution.state, Done):
                    raise NotAccepting("the execution is being taken up or put away; try again")
                if record is not None:
                    return _aborted(record)
                if not allow_missing:
                    raise NoSuchExecution(str(name))
                if isinstance(await self._bury(name, message), Committed):
                    return None
                continue
            if not entry.is_stored:
                await self._journal.caught_up()
                continue
            if not isinstance(entry.execution.state, Done):
                self._check_accepting()
                self._reconciler.apply(entry, AbortRequested(message=message))
            await self._journal.caught_up()
            (record,) = await self._store.get_by_uid([entry.execution.uid])
            if record is None:
                continue
            state = record.execution.state
            return _aborted(record) if isinstance(state, Done) else record

    async def hint(self, targets: Sequence[ExecutionName | str]) -> Sequence[Hearing]:
        """Have executions asked for soon; see ports.Executions."""
        self._check_accepting()
        return await self._hints.hear(targets)

    def waits(self, record: Record) -> Wait | None:
        """What an execution waits for now; see ports.Executions."""
        return self._waits.of(record)

    async def newer_than(self, seq: int) -> int:
        """Return the newest committed sequence number as soon as it is greater than seq."""
        return await self._journal.newer_than(seq)

    def _check_accepting(self) -> None:
        if not self._is_open:
            raise NotAccepting("the server is starting or draining")
        if self._journal.is_failing:
            raise NotAccepting("the store takes no commits at the moment")

    def _new_record(self, draft: Draft) -> Record:
        admitted = self._handlers.admit(draft.request, project=draft.name.project, domain=draft.name.domain)
        defaults = (claim for claim in admitted.default_claims if self._ledger.definitions.has(claim.pool))
        claims = merged((*admitted.claims, *defaults))
        try:
            self._ledger.definitions.check(claims, project=draft.name.project)
        except Overclaimed as error:
            raise Refused("CLAIM_TOO_LARGE", str(error)) from error
        now = self._clock.now()
        plan = Plan(
            task_type=draft.request.task_type,
            connection=draft.connection or admitted.connection,
            project=draft.name.project,
            domain=draft.name.domain,
            hint=admitted.hint,
            claims=() if draft.adopts else claims,
            priority=draft.priority,
            policy=draft.policy,
            traits=admitted.traits,
            is_polled_together=self._handlers.is_batched(draft.request.task_type),
        )
        execution = Execution(
            uid=new_uid(now),
            plan=plan,
            state=Queued(not_before=now) if draft.adopts is None else running(draft.adopts, now),
            attempt=1,
            created_at=now,
            updated_at=now,
        )
        return Record(name=draft.name, request=draft.request, execution=execution, version=1)

    async def _insert(self, records: Sequence[Record]) -> CommitResult:
        return await self._decisions.of(lambda done: self._reconciler.insert(records, done))

    async def _bury(self, name: ExecutionName, message: str) -> CommitResult:
        self._check_accepting()
        group = (Bury(name=name, message=message, at=self._clock.now()),)
        return await self._decisions.of(lambda done: self._journal.append(group, done))

    async def _flushed(self) -> None:
        """Return when all that was appended before this call is decided."""
        if not self._journal.is_idle:
            await self._decisions.of(lambda done: self._journal.append((), done))

    async def _answer_repeats(self, drafts: Sequence[Draft], answers: dict[int, Record]) -> None:
        open_indexes = [index for index in range(len(drafts)) if index not in answers]
        there = await self._store.get([drafts[index].name for index in open_indexes])
        for index, existing in zip(open_indexes, there, strict=True):
            if existing is not None:
                answers[index] = self._repeat_of(index, drafts[index], existing, DuplicateOf.NAME)

    async def _answer_what_is_there(self, drafts: Sequence[Draft], answers: dict[int, Record]) -> bool:
        """Answer the repeats among what is not answered yet; whether there were any."""
        there = [self._table.by_name(draft.name) for draft in drafts]
        if any(entry is not None and not entry.is_stored for entry in there):
            await self._journal.caught_up()
        before = len(answers)
        await self._answer_repeats(drafts, answers)
        return len(answers) > before

    def _repeat_of(self, index: int, draft: Draft, existing: Record, of: DuplicateOf) -> Record:
        mine, theirs = draft.request, existing.request
        if mine.request_id and mine.request_id == theirs.request_id and mine.digest == theirs.digest:
            return existing
        raise AlreadyExists(index, of, existing, differences(draft, existing))

    async def _as_stored(self, records: Sequence[Record]) -> Sequence[Record]:
        """What was stored: a new execution is stepped before its first commit, so that it is further than Queued."""
        stored = await self._store.get_by_uid([record.execution.uid for record in records])
        return [now or then for now, then in zip(stored, records, strict=True)]


def _aborted(record: Record) -> Record:
    state = record.execution.state
    if isinstance(state, Done) and state.outcome.kind is not OutcomeKind.ABORTED:
        raise AlreadyEnded(record)
    return record
