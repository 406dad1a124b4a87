"""Completion hints: somebody says that a job may be over, and it is asked for soon. A hint proves nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from propwash.core.events import Hinted
from propwash.core.model import Done
from propwash.core.names import parse_remote_name
from propwash.engine.observation import Observer
from propwash.engine.reconciler import Reconciler
from propwash.engine.table import Entry, Table
from propwash.ports import ExecutionName, Hearing, Instrument, Store


class Hints:
    """Finds whom a hint is about, and passes it on; no remote system is waited for."""

    def __init__(
        self,
        *,
        store: Store,
        table: Table,
        reconciler: Reconciler,
        observer: Observer,
        instrument: Instrument,
    ) -> None:
        self._instrument = instrument
        self._store = store
        self._table = table
        self._reconciler = reconciler
        self._observer = observer

    async def hear(self, targets: Sequence[ExecutionName | str]) -> Sequence[Hearing]:
        """What became of each hint; a target is an execution or the remote name of an attempt's job."""
        heard = {target: self._hear(target) for target in targets}
        absent = [target for target, hearing in heard.items() if hearing is None]
        names = [target for target in absent if isinstance(target, ExecutionName)]
        uids = {
            target: parsed.uid
            for target in absent
            if isinstance(target, str) and (parsed := parse_remote_name(target)) is not None
        }
        by_name = await self._store.get(names) if names else ()
        by_uid = await self._store.get_by_uid(list(uids.values())) if uids else ()
        looked_up: list[ExecutionName | str] = [*names, *uids]
        for target, record in zip(looked_up, (*by_name, *by_uid), strict=True):
            heard[target] = Hearing.UNKNOWN if record is None else Hearing.ENDED
        hearings = [heard[target] or Hearing.UNKNOWN for target in targets]
        for hearing, count in Counter(hearings).items():
            self._instrument.hinted(became=hearing.name.lower(), count=count)
        return hearings

    def _hear(self, target: ExecutionName | str) -> Hearing | None:
        """None where it is not in memory."""
        if isinstance(target, ExecutionName):
            entry = self._table.by_name(target)
            return None if entry is None else self._pass_on(entry, None)
        parsed = parse_remote_name(target)
        if parsed is None or parsed.owner != self._store.owner:
            return Hearing.UNKNOWN
        entry = self._table.by_uid(parsed.uid)
        return None if entry is None else self._pass_on(entry, parsed.attempt)

    def _pass_on(self, entry: Entry, attempt: int | None) -> Hearing:
        execution = entry.execution
        if isinstance(execution.state, Done) or (attempt is not None and attempt < execution.attempt):
            return Hearing.ENDED
        if attempt is not None and attempt > execution.attempt:
            return Hearing.UNKNOWN
        if entry.is_stored:
            # What was loaded at the start yields to new work, and somebody has asked for this.
            entry.is_catching_up = False
            self._reconciler.apply(entry, Hinted(attempt=attempt))
            if entry.execution is not execution:
                self._observer.hasten(entry)
        return Hearing.HEARD
