"""The throttle of one (connection, method class): how many calls a second, and whether the next may go.

Theory of operation. A token bucket whose rate finds by itself what the remote system bears:

- It begins at the configured rate, and stays there for as long as nothing asks it to slow down.
- An answer that asks for it is a cut. What the system bore is known then: the average of the calls a second that it
  did not refuse. That becomes the ``peak``: no more than the rate that was too high, and no less than half of it.
- After a cut the rate follows one curve of its age, ``peak * exp(DEPTH * (age / pause - 1) ** 3)``: it begins a
  ninth below the peak, is quickly back just under it, stays there around the age of one pause, and then probes with
  growing steps, up to STEEPNESS and to the configured rate. Where the limit is where it was, the next cut comes at
  about two pauses: what the first left of the limit is made good by the second, and a few calls in hundreds are
  refused. Where the limit was raised, the rate has trebled within four pauses.
- A pause is a few seconds, and longer where the rate is low, so that the refused calls stay few among the others.
- The age grows only while calls wait: what nobody asks for proves nothing, so a quiet time raises no rate.
- The bucket shrinks with the rate, and to a quarter besides, as long as it is not the configured one; a cut empties it.
- A storm counts once: answers to calls that were sent before the last cut tell nothing new.
- Retry-After closes the bucket until then, and it does not fill while it is closed.

The value is frozen; every method answers a new one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from propwash.core.model import Instant

DEPTH: Final = 0.12
"""How far a cut goes below the peak: to exp(-DEPTH) of it."""
STEEPNESS: Final = 0.75
"""The most that the curve's exponent grows in a pause: who has probed too far is told late, by jobs that last."""
LEAST_KEPT: Final = 0.5
"""What one cut leaves of the rate at least, however little was borne lately."""
SHORTEST_PAUSE_S: Final = 6.0
LONGEST_PAUSE_S: Final = 10.0
CALLS_IN_A_PAUSE: Final = 80.0
FLOOR: Final = 0.1
"""Calls a second that go whatever is answered, to notice that it is over; less only where less is configured."""
AVERAGE_S: Final = 4.0
"""The time constant of the average of what was borne."""
BURST_SHARE: Final = 0.25
"""Of the configured burst, where the rate is not the configured one: who meets a limit had better come evenly. Less
would hold back who makes a round of single calls at a time, and takes what has gathered meanwhile.
"""
_SPARE: Final = 0.4
"""The share of a bucket up to which calls count as waiting for it: who takes them comes a little late."""
_SHORTEST_COUNT_S: Final = 0.1
_WHOLE: Final = 0.999
"""One call, but for the rounding of instants since the epoch: they are a quarter of a microsecond apart."""
_MOST_EXPONENT: Final = 60.0
_CURVED: Final = math.sqrt(STEEPNESS / (3.0 * DEPTH))
"""So many pauses after the peak the curve is as steep as it may be, and goes on straight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """A bucket of calls. Rates are calls a second; bursts and level are calls."""

    configured_rate: float
    configured_burst: float
    peak: float
    """What the system is believed to bear."""
    age_s: float
    """How long calls have waited for the bucket since the last cut; infinite before the first."""
    level: float
    at: Instant
    closed_until: Instant = 0.0
    cut_at: Instant = float("-inf")
    borne: float = 0.0
    """The sum, at borne_at, of answered calls that fade with AVERAGE_S."""
    borne_at: Instant = float("-inf")
    borne_since: Instant = 0.0
    """When the sum began, after a time without any answer."""

    @classmethod
    def full(cls, *, rate: float, burst: float, now: Instant) -> Throttle:
        """A bucket that has rested. Raises ValueError for a rate or burst that could never let a call pass."""
        if rate <= 0 or burst < 1:
            raise ValueError(f"rate must be positive and burst at least 1, not {rate} and {burst}")
        return cls(
            configured_rate=rate,
            configured_burst=burst,
            peak=rate,
            age_s=math.inf,
            level=burst,
            at=now,
        )

    @property
    def rate(self) -> float:
        """Calls a second that may go."""
        pauses = self.age_s / self._pause_s - 1.0
        curved = min(pauses, _CURVED)
        exponent = DEPTH * curved**3 + STEEPNESS * (pauses - curved)
        probed = self.peak * math.exp(min(exponent, _MOST_EXPONENT))
        return min(self.configured_rate, max(probed, FLOOR))

    @property
    def burst(self) -> float:
        """How many calls may go at once after a rest."""
        if (rate := self.rate) == self.configured_rate:
            return self.configured_burst
        return max(1.0, self.configured_burst * BURST_SHARE * rate / self.configured_rate)

    def at_time(self, now: Instant) -> Throttle:
        """The same bucket later: filled, and older where calls have waited for it."""
        elapsed_s = now - max(self.at, min(self.closed_until, now))
        if now <= self.at:
            return self
        rate, burst = self.rate, self.burst
        waited_s = (max(1.0, burst * _SPARE) - self.level) / rate
        later = replace(self, age_s=self.age_s + min(elapsed_s, max(waited_s, 0.0)), at=now)
        return replace(later, level=min(later.burst, self.level + rate * elapsed_s))

    def wait_s(self, now: Instant) -> float:
        """How long until a call may go; 0 means now."""
        later = self.at_time(now)
        closed_s = max(later.closed_until - now, 0.0)
        return closed_s + (0.0 if later.level >= _WHOLE else (1.0 - later.level) / later.rate)

    def taken(self, now: Instant) -> Throttle:
        """The bucket after a call, which may go now by wait_s."""
        later = self.at_time(now)
        return replace(later, level=later.level - 1.0)

    def answered(self, now: Instant) -> Throttle:
        """The bucket after an answer that asks for nothing."""
        if now - self.borne_at > AVERAGE_S:
            return replace(self, borne=1.0, borne_at=now, borne_since=now)
        return replace(self, borne=self.borne * self._faded(now) + 1.0, borne_at=max(now, self.borne_at))

    def slowed(self, now: Instant, *, sent_at: Instant, retry_after_s: float | None = None) -> Throttle:
        """The bucket after an answer that asks us to slow down, to a call that was sent at the instant given."""
        later = self.at_time(now)
        if retry_after_s is not None:
            closed_until = max(later.closed_until, now + retry_after_s)
            later = replace(later, closed_until=closed_until, level=min(later.level, 1.0))
        if sent_at <= later.cut_at:
            return later
        rate = later.rate
        # Cut again before it was back at the peak, it may have been only unlucky: what was borne lately says so.
        highest = max(rate, later.peak) if later.age_s < later._pause_s else rate
        peak = max(min(later._borne_per_s(now), highest), rate * LEAST_KEPT, min(FLOOR, rate))
        level = min(later.level, 1.0 if later.closed_until > now else 0.0)
        return replace(later, peak=peak, age_s=0.0, level=level, cut_at=now)

    @property
    def _pause_s(self) -> float:
        return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, CALLS_IN_A_PAUSE / self.peak))

    def _borne_per_s(self, now: Instant) -> float:
        if self.borne == 0.0:
            return 0.0
        counted_s = AVERAGE_S * -math.expm1(-max(now - self.borne_since, _SHORTEST_COUNT_S) / AVERAGE_S)
        return self.borne * self._faded(now) / counted_s

    def _faded(self, now: Instant) -> float:
        return math.exp(min(self.borne_at - now, 0.0) / AVERAGE_S)
