"""What Flyte is told where no more executions may come in.

FlytePropeller takes every error of a create for a failure of the user's task, which uses up one of its retries, unless
its client repeats the call: that it does for UNAVAILABLE alone, by the policy of deploy/flyte, within its timeout.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import grpc

from propwash.api.errors import from_full
from propwash.ports import LimitReached

_RETRY_S = 1.0
"""However long it may take: a client that is told to wait for longer than its timeout does not try again at all."""


@contextlib.contextmanager
def told_unavailable() -> Iterator[None]:
    """Tell as UNAVAILABLE that a limit of executions is reached; it is that of all, as no task has its project's."""
    try:
        yield
    except LimitReached as reached:
        raise from_full(reached, code=grpc.StatusCode.UNAVAILABLE, retry_after_s=_RETRY_S) from reached
