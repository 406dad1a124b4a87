"""What a demo comes to: the figures, and which of them are faults."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from propwash.cli.demo.driving import Driver
from propwash.cli.demo.following import Follower
from propwash.cli.demo.ledger import LedgerFigures
from propwash.cli.demo.measuring import Gauges
from propwash.client import Execution, Phase

MUST_BE_ZERO = (
    "still_live",
    "created_twice",
    "overlapping",
    "lost",
    "wrong_outcomes",
    "watch_missed",
    "watch_repeats",
    "watch_regressions",
)
_SHOWN = 20
MOST_CALLS_FOR_ONE = 4.0
"""Calls for each that is answered with something of use: more would be a storm, whatever goes wrong."""
_FEW_CALLS = 100
"""Too few to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Figures by name, in the order to show them; faults has a line for each that must not be."""

    figures: Mapping[str, int | float | None]
    faults: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a verdict is made of. stored is what the server lists at the end."""

    driver: Driver
    follower: Follower
    gauges: Gauges
    stored: Mapping[str, Execution]
    at_end: LedgerFigures
    """When the last execution had ended, faults still on."""
    settled: LedgerFigures
    """A little later, when a late create would have come."""
    remote_ends: Mapping[str, float]
    live_names: tuple[str, ...]
    crashes: int
    seconds: float


def judge(evidence: Evidence) -> Verdict:
    """The figures and the faults."""
    driver, follower, stored = evidence.driver, evidence.follower, evidence.stored
    lost = sorted(
        name for name in driver.acknowledged if name not in stored or not stored[name].phase.is_terminal
    )
    wrong = sorted(_wrong(driver, stored))
    missed = sorted(
        name
        for name, execution in stored.items()
        if name not in follower.latest or follower.latest[name].etag != execution.etag
    )
    phases = Counter(execution.phase for execution in stored.values())
    latencies = _latencies(evidence)
    settled = evidence.settled
    calls = sum(settled.calls.values())
    figures: dict[str, int | float | None] = {
        "submitted": len(driver.acknowledged),
        "succeeded": phases[Phase.SUCCEEDED],
        "failed": phases[Phase.FAILED],
        "aborted": phases[Phase.ABORTED],
        "timed_out": phases[Phase.TIMED_OUT],
        "retried": sum(execution.attempt > 1 for execution in stored.values()),
        "aborts_acknowledged": len(driver.aborted),
        "aborts_too_late": len(driver.late_aborts),
        "crashes": evidence.crashes,
        "peak_concurrent": settled.peak_live,
        "remote_jobs": settled.total,
        "remote_calls": calls,
        **{f"remote_calls_{_key(method)}": count for method, count in sorted(settled.calls.items())},
        **{
            f"{system}_{name}": figures[name]
            for system, figures in settled.systems.items()
            for name in ("total", "live", "created_twice")
        },
        "calls_for_one_of_use": _rounded(calls / max(settled.useful_calls, 1)),
        "faults_injected": settled.faults,
        "duplicate_requests": settled.duplicate_requests,
        "latency_p50_s": percentile(latencies, 0.50),
        "latency_p99_s": percentile(latencies, 0.99),
        "server_peak_rss_mib": round(evidence.gauges.peak_rss_mib, 1),
        "loop_lag_p99_s": _rounded(evidence.gauges.lag_p99_s()),
        "seconds": round(evidence.seconds, 1),
        "watch_changes": follower.changes,
        "watch_resets": follower.resets,
        "still_live": max(evidence.at_end.live, settled.live),
        "created_twice": settled.created_twice,
        "overlapping": settled.overlapping,
        "lost": len(lost),
        "wrong_outcomes": len(wrong),
        "watch_missed": len(missed),
        "watch_repeats": follower.repeats,
        "watch_regressions": follower.regressions,
    }
    faults = [f"{name} is {figures[name]} and must be 0" for name in MUST_BE_ZERO if figures[name]]
    if calls > max(MOST_CALLS_FOR_ONE * settled.useful_calls, _FEW_CALLS):
        faults.append(f"{calls} calls, of which {settled.useful_calls} were of use, are a storm")
    faults += _named("lost", lost) + wrong[:_SHOWN] + _named("watch missed", missed)
    faults += _named("still live", evidence.live_names)
    return Verdict(figures=figures, faults=tuple(faults))


def percentile(values: list[float], share: float) -> float | None:
    """The value below which so many lie, nearest rank, in seconds to the millisecond; None for no values."""
    if not values:
        return None
    ordered = sorted(values)
    return _rounded(ordered[max(0, math.ceil(share * len(ordered)) - 1)])


def not_over(driver: Driver, follower: Follower, bound_s: float) -> str:
    """What is stuck when the time is over, a line each."""
    lines = _stuck(driver, follower) or ["every execution that was acknowledged has ended"]
    return "\n  ".join([f"not over after {bound_s:g} s; stuck:", *lines])


def _stuck(driver: Driver, follower: Follower) -> list[str]:
    lines: list[str] = []
    for name in driver.acknowledged:
        seen = follower.latest.get(name)
        if seen is None:
            lines.append(f"{name}: never seen by the watch")
        elif not seen.phase.is_terminal:
            why = f"{seen.reason} {seen.message}".strip()
            lines.append(f"{name}: {seen.phase} attempt {seen.attempt} {why}".rstrip())
    more = len(lines) - _SHOWN
    return lines[:_SHOWN] + ([f"and {more} more"] if more > 0 else [])


def _wrong(driver: Driver, stored: Mapping[str, Execution]) -> Iterable[str]:
    for name, job in driver.acknowledged.items():
        execution = stored.get(name)
        if execution is None or not execution.phase.is_terminal:
            continue
        # An abort may be acknowledged when the outcome is already decided and only the cleaning is left.
        allowed = {job.expected, Phase.ABORTED} if name in driver.aborted else {job.expected}
        if execution.phase not in allowed:
            why = f"{execution.reason} {execution.message}".strip()
            yield f"{name} is {execution.phase} and should be {' or '.join(sorted(allowed))}: {why}"


def _latencies(evidence: Evidence) -> list[float]:
    """From the remote end to our receipt, for what ended by itself, in seconds."""
    found: list[float] = []
    for name, received_at in evidence.follower.received_at.items():
        execution = evidence.follower.latest[name]
        ended_at = evidence.remote_ends.get(execution.uid)
        if ended_at is not None and execution.phase in {Phase.SUCCEEDED, Phase.FAILED}:
            found.append(max(0.0, received_at - ended_at))
    return found


def _named(what: str, names: Iterable[str]) -> list[str]:
    return [f"{what}: {name}" for name in list(names)[:_SHOWN]]


def _key(method: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in method).lower()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
