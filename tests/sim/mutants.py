"""The bugs to plant, in the core and the reconciler; see planting.py."""

from __future__ import annotations

from propwash.core import endings, machine, replies, timing
from propwash.engine import reconciler
from tests.sim import calls
from tests.sim.breaker_mutants import BREAKER_MUTANTS
from tests.sim.planting import Mutant
from tests.sim.polling_mutants import POLLING_MUTANTS
from tests.sim.throttle_mutants import THROTTLE_MUTANTS

MUTANTS = (
    Mutant(
        name="an abort ends at once, whatever is at the remote side",
        module=endings,
        old="    return _clean(execution, outcome, now)\n\n\ndef end_attempt",
        new="    return finish(execution, outcome, now, links=())\n\n\ndef end_attempt",
    ),
    Mutant(
        name="a next attempt begins before the last is cleaned up",
        module=endings,
        old="is_retryable=True)\n    return _clean(execution, then, now)",
        new="is_retryable=True)\n    return finish(execution, then, now, links=())",
    ),
    Mutant(
        name="an answer that nothing is there counts before the settle time is over",
        module=replies,
        old="            return is_settled or traits.remembers_deleted_names",
        new="            return True",
    ),
    Mutant(
        name="the settle time is compared with when a delete was answered, not with when it was asked for",
        module=replies,
        old="    if _is_confirmed_gone(execution, state, deletion, asked_at):",
        new="    if _is_confirmed_gone(execution, state, deletion, now):",
    ),
    Mutant(
        name="a confirmed end is believed while a create is in flight",
        module=replies,
        old="    if state.create is CreateStatus.SENT:\n        # Its",
        new="    if False:\n        # Its",
    ),
    Mutant(
        name="a lost create is not remembered as doubtful in cleaning",
        module=replies,
        old="has_doubted=True, not_before=not_before\n    )",
        new="has_doubted=True, not_before=not_before\n    ) if isinstance(state, Launching) else replace(\n"
        "        state, create=CreateStatus.CONFIRMED, settled_at=now, not_before=now\n    )",
    ),
    Mutant(
        name="a delete that is merely accepted counts as done",
        module=replies,
        old="        case Deletion.PENDING:\n            return False",
        new="        case Deletion.PENDING:\n            return True",
    ),
    Mutant(
        name="a look-up that finds nothing is believed at once where names are not unique",
        module=replies,
        old="    if not execution.plan.traits.has_unique_names and asked_at < state.settled_at:",
        new="    if False:",
    ),
    Mutant(
        name="a lost create is sent again though neither a look-up nor its name can tell of the first",
        module=replies,
        old="        case Launching() if not traits.can_look_up and not traits.has_unique_names:",
        new="        case Launching() if False:",
    ),
    Mutant(
        name="a create in doubt ends the attempt though a look-up could tell",
        module=replies,
        old="        case Launching() if not traits.can_look_up and not traits.has_unique_names:",
        new="        case Launching() if not traits.has_unique_names:",
    ),
    Mutant(
        name="what may be at the remote side is given up though it can be looked for",
        module=endings,
        old="        case Launching(create=CreateStatus.UNSENT | CreateStatus.DOUBTFUL) if (\n"
        "            not execution.plan.traits.can_look_up\n        ):",
        new="        case Launching(create=CreateStatus.UNSENT | CreateStatus.DOUBTFUL):",
    ),
    Mutant(
        name="what nothing tells of by name is deleted by name",
        module=machine,
        old="            is_reached = meta is not None or can_look_up",
        new="            is_reached = True",
    ),
    Mutant(
        name="what is granted while others are resumed counts as in flight before the crash",
        module=reconciler,
        old="            if entry.execution is loaded:",
        new="            if True:",
    ),
    Mutant(
        name="a restart does not doubt what was in flight",
        module=machine,
        old="    if not isinstance(state, Launching | Cleaning) or state.create is not CreateStatus.SENT:",
        new="    if True:",
    ),
    Mutant(
        name="a restart takes a create in flight for one that was never sent",
        module=machine,
        old='    return replies.doubt(execution, state, now, not_before=now, why="the server was restarted")',
        new="    return execution.with_state(replace(state, create=CreateStatus.UNSENT))",
    ),
    Mutant(
        name="a lost create is sent again without a look-up",
        module=replies,
        old="        case _:\n            return after\n",
        new="        case _:\n            return execution.with_state(\n"
        "                replace(doubtful, create=CreateStatus.UNSENT, has_doubted=False)\n            )\n",
    ),
    Mutant(
        name="a refusal makes earlier doubt forgotten",
        module=replies,
        old="            refused = execution.with_state(replace(state, create=CreateStatus.UNSENT))",
        new="            refused = execution.with_state(\n"
        "                replace(state, create=CreateStatus.UNSENT, has_doubted=False)\n            )",
    ),
    Mutant(
        name="throttling uses up an attempt",
        module=replies,
        old="        case FaultKind.THROTTLED:\n"
        "            return create_did_nothing(execution, state, now, trouble=trouble, delay_s=delay_s)\n"
        "        case FaultKind.PERMANENT | FaultKind.RETRYABLE:",
        new="        case FaultKind.PERMANENT | FaultKind.RETRYABLE | FaultKind.THROTTLED:",
    ),
    Mutant(
        name="an unavailable remote system fails the job",
        module=replies,
        old="        case Verb.OBSERVE, Running():\n",
        new="        case Verb.OBSERVE, Running() if fault.kind is FaultKind.UNAVAILABLE:\n"
        "            return endings.end(\n"
        "                execution,\n"
        "                Outcome(kind=OutcomeKind.FAILED, reason=fault.reason, message=fault.message),\n"
        "                now,\n            )\n"
        "        case Verb.OBSERVE, Running():\n",
    ),
    Mutant(
        name="a job that is not shown yet counts as lost",
        module=replies,
        old="    if asked_at < state.settled_at:\n        return execution.with_state(replace(state, poll_at",
        new="    if False:\n        return execution.with_state(replace(state, poll_at",
    ),
    Mutant(
        name="a terminal state takes events",
        module=machine,
        old="    if isinstance(state, Done):\n        return execution\n",
        new="    if isinstance(state, Done):\n        return execution.with_state(Queued(not_before=now))\n",
    ),
    Mutant(
        name="replies of an earlier attempt are believed",
        module=machine,
        old=" and event.attempt != execution.attempt:",
        new=" and False:",
    ),
    Mutant(
        name="the token is given back when cleaning begins",
        module=reconciler,
        old="        had_tokens = before.holds_tokens or before.wants_tokens\n"
        "        if had_tokens and not (after.holds_tokens or after.wants_tokens):",
        new="        had_tokens = before.holds_tokens or before.wants_tokens\n"
        "        if had_tokens and (isinstance(after.state, Cleaning) or not (\n"
        "            after.holds_tokens or after.wants_tokens\n        )):",
    ),
    Mutant(
        name="the token is never given back",
        module=reconciler,
        old="            granted += self._ledger.release(after.uid, now)",
        new="            pass",
    ),
    Mutant(
        name="the census is not told of a step",
        module=reconciler,
        old="            self._table.moved(target, now)",
        new="            pass",
    ),
    Mutant(
        name="an effect goes out before its commit",
        module=reconciler,
        old="        if entry.pending:\n            return\n        execution = entry.execution",
        new="        execution = entry.execution",
    ),
    Mutant(
        name="effects in flight are sent again",
        module=reconciler,
        old="            if effect.verb not in entry.in_flight:",
        new="            if True:",
    ),
    Mutant(
        name="what only polls is committed, and what matters is not",
        module=machine,
        old="            return old != new or before.attempt != after.attempt",
        new="            return before.attempt != after.attempt",
    ),
    Mutant(
        name="the run deadline counts from the creation",
        module=machine,
        old="        case Launching(granted_at=granted_at) | Running(granted_at=granted_at) if timing.is_over(\n"
        "            granted_at,",
        new="        case Launching(granted_at=granted_at) | Running(granted_at=granted_at) if timing.is_over(\n"
        "            execution.created_at,",
    ),
    Mutant(
        name="an attempt too many",
        module=endings,
        old="execution.attempt >= execution.plan.policy.max_attempts:",
        new="execution.attempt > execution.plan.policy.max_attempts:",
    ),
    Mutant(
        name="a failed job is reported as succeeded",
        module=endings,
        old="    is_good = observation.phase is RemotePhase.SUCCEEDED",
        new="    is_good = observation.phase.is_final",
    ),
    Mutant(
        name="a running job goes back to pending",
        module=replies,
        old="    if state.observation.phase is RemotePhase.RUNNING:",
        new="    if False:",
    ),
    Mutant(
        name="an abort is forgotten while another attempt is being prepared",
        module=endings,
        old="        return execution.with_state(replace(state, then=outcome))",
        new="        return execution",
    ),
    Mutant(
        name="a wait that nothing ends is not woken at its deadline",
        module=timing,
        old="            deadlines.append((since, policy.wait_deadline_s))",
        new="            pass",
    ),
    Mutant(
        name="a create is sent though its turn came after the abort",
        module=calls,
        old="        if entry.pending or effect not in machine.due(entry.execution, world.now()):",
        new="        if False:",
    ),
    *BREAKER_MUTANTS,
    *THROTTLE_MUTANTS,
    *POLLING_MUTANTS,
)
