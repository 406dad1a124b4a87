"""The fields by which executions are filtered and ordered, as both adapters see them."""

from __future__ import annotations

from propwash.core.model import Cleaning, Done, Execution, Instant, Launching, Running
from propwash.core.names import account_of
from propwash.ports import TaskRequest


def reason_of(execution: Execution) -> str:
    """The reason of the outcome or of the retry; before that what keeps us from the remote system, else what
    it said.
    """
    match execution.state:
        case Done(outcome=outcome):
            return outcome.reason
        case Cleaning(then=then):
            return then.reason
        case Running(trouble=trouble, observation=observation):
            return trouble.fault.reason if trouble else observation.reason
        case Launching(trouble=trouble) if trouble:
            return trouble.fault.reason
        case _:
            return ""


def ended_at_of(execution: Execution) -> Instant | None:
    """When the execution ended; None while it has not."""
    return execution.state.ended_at if isinstance(execution.state, Done) else None


def connection_of(request: TaskRequest, execution: Execution) -> str:
    """The configured connection that is used, the default filled in where the plan has it."""
    return account_of(execution.plan.connection or request.connection)
