"""The dry run of a request at the remote system, and what its answer means for who asked."""

from __future__ import annotations

from propwash.core.model import Fault, FaultKind
from propwash.engine.budgets import Budgets, CallClass
from propwash.engine.circuits import Circuits
from propwash.ports import FieldFault, Handlers, JobRequest, NotAccepting, Refused

LONGEST_WAIT_S = 10.0
"""Somebody waits for the answer: where the remote system may not be asked for longer than this, that is the answer."""
_NOT_OF_THE_SPEC = {"CONNECTION_INVALID": "connection"}


async def dry_run(job: JobRequest, *, handlers: Handlers, budgets: Budgets, circuits: Circuits) -> None:
    """Ask the remote system; return where it has no objection.

    Raises Refused for what would be refused, and NotAccepting where nobody can say so now.
    """
    opened = circuits.of(job.request.task_type, job.connection).opened
    if opened is not None:
        raise NotAccepting(
            f"the connection has not answered for a while: {opened.fault.reason}: {opened.fault.message}"
        )
    budget = budgets.of(job.request.task_type, job.connection, CallClass.WRITE)
    if (wait_s := budget.wait_s()) > LONGEST_WAIT_S:
        raise NotAccepting(f"the connection's limit of calls lets a dry run pass in {wait_s:.0f} s")
    await budget.turn()
    fault = await handlers.validate(job)
    if not isinstance(fault, Fault):
        return
    budget.heed(fault)
    if fault.kind in (FaultKind.PERMANENT, FaultKind.RETRYABLE):
        path = _NOT_OF_THE_SPEC.get(fault.reason, "spec")
        raise Refused(fault.reason, fault.message, faults=[FieldFault(path=path, message=fault.message)])
    raise NotAccepting(f"the dry run got no answer: {fault.message}")
