"""The bugs to plant in what spares the remote system; see planting.py."""

from __future__ import annotations

from propwash.core import backoff, timing
from tests.sim.planting import Mutant

THROTTLE_MUTANTS = (
    Mutant(
        name="the wait between two tries does not grow",
        module=backoff,
        old="    ceiling = min(cap_s, first_s * 2.0 ** min(tries - 1, 62))",
        new="    ceiling = first_s",
    ),
    Mutant(
        name="a Retry-After is not obeyed",
        module=timing,
        old="    return max(waits_s, (fault.retry_after_s if fault is not None else None) or 0.0)",
        new="    return waits_s",
    ),
    Mutant(
        name="what fails is tried again at once",
        module=timing,
        old="    return max(waits_s, (fault.retry_after_s if fault is not None else None) or 0.0)",
        new="    return max(waits_s / 100.0, (fault.retry_after_s if fault is not None else None) or 0.0)",
    ),
)
