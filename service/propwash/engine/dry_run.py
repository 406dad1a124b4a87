"""The dry run of a request at the remote system, and what its answer means for who asked."""

from __future__ import annotations

from propwash.core.model import Fault, FaultKind
from propwash.engine.budgets import Budgets, CallClass, Urgency
from propwash.engine.circuits import Circuits
from propwash.ports import Clock, FieldFault, Handlers, JobRequest, NotAccepting, Refused

LONGEST_WAIT_S = 10.0
"""Somebody waits for the answer: where the remote system may not be asked for longer than this, that is the answer."""
_NOT_OF_THE_SPEC = {"CONNECTION_INVALID": "connection"}


async def dry_run(
    job: JobRequest, *, handlers: Handlers, budgets: Budgets, circuits: Circuits, clock: Clock
) -> None:
    """Ask the remote system; return where it has no objection.

    Raises Refused for what would be refused, and NotAccepting where nobody can say so now.
    """
    opened = circuits.of(job.request.task_type, job.connection).opened
    if opened is not None:
        raise NotAccepting(
            f"the connection has not answered for a while: {opened.fault.reason}: {opened.fault.message}"
        )
    budget = budgets.of(job.request.task_type, job.connection, CallClass.WRITE)
    if (wait_s := budget.wait_s(Urgency.NEW)) > LONGEST_WAIT_S:
        raise NotAccepting(f"the connection's limit of calls lets a dry run pass in {wait_s:.0f} s")
    if not await budget.turn(Urgency.NEW):
        raise NotAccepting("the service is stopping")
    sent_at = clock.now()
    with budget.calling():
        fault = await handlers.validate(job)
    budget.heed(fault, sent_at=sent_at)
    if not isinstance(fault, Fault):
        return
    if fault.kind in (FaultKind.PERMANENT, FaultKind.RETRYABLE):
        path = _NOT_OF_THE_SPEC.get(fault.reason, "spec")
        raise Refused(fault.reason, fault.message, faults=[FieldFault(path=path, message=fault.message)])
    raise NotAccepting(f"the dry run got no answer: {fault.message}")
