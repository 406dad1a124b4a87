"""The breaker of one connection: whether calls go to a remote system that has stopped answering.

Theory of operation
===================

*Closed*, every call goes. A run of calls without an answer opens it: so many in a row, over so many seconds, of so many
different executions, and not one answer to anything in between. The count alone would open it by chance where calls are
many and half of them fail; the time alone where calls are few; and what keeps one job from its answer (an application
that has not started, a place that its credentials do not reach) fails for that job, while others are answered.

*Open*, no call goes until an instant. The wait doubles from probe to probe up to a limit, with jitter that is a hash,
so that the connections of one system are not tried at once. When the instant has come, whoever asks first may send one
call, the probe.

*HalfOpen*, the probe is under way and nothing else goes. An answer closes the breaker, no answer opens it for longer.

**What counts as an answer**: all that the remote system said, a refusal and a plea to slow down as well, to whichever
call. **What counts as none**: UNAVAILABLE, a missed deadline among it. **What counts as neither**: an error of our own,
as a handler that raises says nothing of the system behind it, and what was never sent (``OURS``). As the answer to a
probe it opens the breaker again for no longer than before: another call's turn comes, which may say more.

Calls that were sent before the breaker opened may still answer, and close it; that they fail adds nothing. A probe has
a number, so that one that answers late, when the breaker has closed and opened again, is not taken for the present one.

The breaker is memory alone: who starts, starts closed.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, assert_never

from propwash.core.backoff import backoff_s
from propwash.core.model import Fault, FaultKind, Instant

OURS: Final = frozenset(
    {"HANDLER_BUSY", "STORE_UNAVAILABLE", "CONNECTION_INVALID", "INVALID_SPEC", "CREDENTIALS_UNAVAILABLE"}
)
"""Reasons of faults that we give before anything is sent, or that speak of one credential: a connection may be called
with those of many tasks.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """When a breaker opens, and for how long; durations in seconds."""

    failures: int
    """Calls in a row without an answer."""
    after_s: float
    """From the first of them to the last."""
    executions: int
    """Different executions among them."""
    first_s: float
    """The first wait for a probe."""
    longest_s: float
    """The longest."""


class Sign(enum.Enum):
    """What happened to a call."""

    SENT = "sent"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    IRRELEVANT = "irrelevant"
    """It says nothing of the remote system."""
    UNSENT = "unsent"
    """It had leave to go, and was not wanted any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Every call goes. since is the first of the run of unanswered calls."""

    since: Instant = 0.0
    failures: int = 0
    executions: frozenset[str] = frozenset()
    """Whose calls they were; no more than matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """No call goes before until, and then one."""

    since: Instant
    until: Instant
    fault: Fault
    """In place of the last answer."""
    tries: int = 1
    """How often it has opened since it was last closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen:
    """The probe of this number is under way; before is what it may go back to."""

    before: Open
    probe: int


BreakerState: TypeAlias = Closed | Open | HalfOpen

TRANSITIONS: Final[Mapping[tuple[type[BreakerState], Sign], frozenset[type[BreakerState]]]] = {
    (Closed, Sign.ANSWERED): frozenset((Closed,)),
    (Closed, Sign.UNANSWERED): frozenset((Closed, Open)),
    (Open, Sign.SENT): frozenset((HalfOpen,)),
    (Open, Sign.ANSWERED): frozenset((Closed,)),
    (HalfOpen, Sign.ANSWERED): frozenset((Closed,)),
    (HalfOpen, Sign.UNANSWERED): frozenset((Open,)),
    (HalfOpen, Sign.IRRELEVANT): frozenset((Open,)),
    (HalfOpen, Sign.UNSENT): frozenset((Open,)),
}
"""Where each sign may lead. A pair that is not here changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """A breaker. key names the connection, for the jitter. Every method answers a new value."""

    key: str
    limits: BreakerLimits
    state: BreakerState = Closed()
    probes: int = 0
    """The number of the last probe."""

    @property
    def opened(self) -> Open | None:
        """Since when, until when and why calls are held back; None where they are not."""
        match self.state:
            case Closed():
                return None
            case Open() as state:
                return state
            case HalfOpen(before=before):
                return before

    def may_send(self, now: Instant) -> bool:
        """Whether a call may go now."""
        match self.state:
            case Closed():
                return True
            case Open(until=until):
                return now >= until
            case HalfOpen():
                return False

    def sent(self) -> tuple[Breaker, int]:
        """After a call that may_send allowed, with the probe's number, or 0 where it is none."""
        if not isinstance(self.state, Open):
            return self, 0
        number = self.probes + 1
        return replace(self, state=HalfOpen(before=self.state, probe=number), probes=number), number

    def heard(
        self, sign: Sign, fault: Fault | None, *, probe: int, executions: Iterable[str], now: Instant
    ) -> Breaker:
        """After the end of a call: the fault that it met, the number that sent gave it, and whose it was."""
        match sign:
            case Sign.ANSWERED:
                return self if self.state == Closed() else replace(self, state=Closed())
            case Sign.UNANSWERED:
                assert fault is not None
                return self._unanswered(fault, probe, executions, now)
            case Sign.IRRELEVANT:
                if (before := self._before(probe)) is None:
                    return self
                return replace(self, state=replace(before, until=now + self._wait_s(before.tries)))
            case Sign.UNSENT:
                before = self._before(probe)
                return self if before is None else replace(self, state=before)
            case Sign.SENT:
                raise ValueError("what is sent is told by sent")
            case _:
                assert_never(sign)

    def _unanswered(self, fault: Fault, probe: int, executions: Iterable[str], now: Instant) -> Breaker:
        if isinstance(self.state, Closed):
            run = self._longer(self.state, executions, now)
            is_enough = (
                run.failures >= self.limits.failures
                and now - run.since >= self.limits.after_s
                and len(run.executions) >= self.limits.executions
            )
            if not is_enough:
                return replace(self, state=run)
            return replace(self, state=Open(since=now, until=now + self._wait_s(1), fault=fault))
        if (before := self._before(probe)) is None:
            return self
        tries = before.tries + 1
        again = Open(since=before.since, until=now + self._wait_s(tries), fault=fault, tries=tries)
        return replace(self, state=again)

    def _longer(self, run: Closed, executions: Iterable[str], now: Instant) -> Closed:
        known = run.executions
        if len(known) < self.limits.executions:
            known = frozenset(sorted(known | frozenset(executions))[: self.limits.executions])
        return Closed(since=run.since if run.failures else now, failures=run.failures + 1, executions=known)

    def _before(self, probe: int) -> Open | None:
        """What the breaker was before this probe; None where it is not the present one."""
        if isinstance(self.state, HalfOpen) and self.state.probe == probe:
            return self.state.before
        return None

    def _wait_s(self, tries: int) -> float:
        return backoff_s(self.key, tries=tries, first_s=self.limits.first_s, cap_s=self.limits.longest_s)


def sign_of(fault: Fault | None) -> Sign:
    """What a call's end says of the remote system; None is an answer."""
    if fault is None:
        return Sign.ANSWERED
    if fault.reason in OURS:
        return Sign.IRRELEVANT
    match fault.kind:
        case FaultKind.PERMANENT | FaultKind.RETRYABLE | FaultKind.THROTTLED:
            return Sign.ANSWERED
        case FaultKind.UNAVAILABLE:
            return Sign.UNANSWERED
        case FaultKind.INTERNAL:
            return Sign.IRRELEVANT
        case _:
            assert_never(fault.kind)
