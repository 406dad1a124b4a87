"""The bugs to plant in the breaker and the circuits; see planting.py."""

from __future__ import annotations

from propwash.core import breaker
from propwash.engine import circuits
from tests.sim.planting import Mutant

BREAKER_MUTANTS = (
    Mutant(
        name="an open breaker lets everything go when its time has come",
        module=breaker,
        old="        return replace(self, state=HalfOpen(before=self.state, probe=number), probes=number), number",
        new="        return replace(self, probes=number), number",
    ),
    Mutant(
        name="a breaker holds nothing back",
        module=breaker,
        old="                return now >= until",
        new="                return True",
    ),
    Mutant(
        name="a probe that fails is never followed by another",
        module=breaker,
        old="        return replace(self, state=again)",
        new="        return self",
    ),
    Mutant(
        name="a probe that says nothing is never followed by another",
        module=breaker,
        old="                return replace(self, state=replace(before, until=now + self._wait_s(before.tries)))",
        new="                return self",
    ),
    Mutant(
        name="failures count however many answers lie between them",
        module=breaker,
        old="                return self if self.state == Closed() else replace(self, state=Closed())",
        new="                return self if isinstance(self.state, Closed) else replace(self, state=Closed())",
    ),
    Mutant(
        name="a breaker opens by the failures of one execution",
        module=breaker,
        old="                and len(run.executions) >= self.limits.executions",
        new="",
    ),
    Mutant(
        name="our own errors open the breaker",
        module=breaker,
        old="            return Sign.IRRELEVANT\n        case _:",
        new="            return Sign.UNANSWERED\n        case _:",
    ),
    Mutant(
        name="what the breaker held back is forgotten when it closes",
        module=circuits,
        old="            self._wake_all()\n            return",
        new="            return",
    ),
    Mutant(
        name="nobody is woken for the probe",
        module=circuits,
        old="        self._at(max(opened.until, now), self._offer)",
        new="        pass",
    ),
    Mutant(
        name="the probe is offered once, to whoever does not want it any more",
        module=circuits,
        old="        if self._held:\n            self._at(",
        new="        if False:\n            self._at(",
    ),
)
