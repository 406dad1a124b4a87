"""A statement: what was asked, where it stands, and what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from propwash.sandbox import LedgerJob
from propwash_snowflake.sandbox.errors import CANCELED, SnowflakeError
from propwash_snowflake.sandbox.requests import Submission
from propwash_snowflake.sandbox.session import Session
from propwash_snowflake.sandbox.tags import STATUS_LABEL

# A state that no reader can know, shown by a fault.
UNKNOWN_STATE: Final = "REBALANCING"
UNKNOWN_CODE: Final = "333399"


class Interruptible(Protocol):
    """What runs in a worker thread and can be stopped."""

    def interrupt(self) -> None:
        """Stop at once, or before the next statement."""


@dataclass(slots=True, kw_only=True)
class Rows:
    """A result: rowType as the API shows it, rows in the API's own text form, and the counts of a change."""

    row_type: list[dict[str, Any]]
    rows: list[list[str | None]]
    stats: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False, kw_only=True)
class Statement:
    """One statement. Instants are seconds since the Unix epoch; queued and running follow from the clock alone."""

    handle: str
    number: int
    text: str
    submission: Submission
    session: Session
    ledger: LedgerJob | None
    created_at: float
    start_at: float
    ended_at: float | None = None
    error: SnowflakeError | None = None
    rows: Rows | None = None
    query_type: str = "UNKNOWN"
    parent: Statement | None = None
    children: list[Statement] = field(default_factory=list)
    is_multi: bool = False
    is_stuck: bool = False
    # A reading of the history or a cancel by SQL: no job of anybody's.
    is_service: bool = False
    known_before: float | None = None
    run: Interruptible | None = None
    # Why it is being ended from outside; None while it is not.
    stop: SnowflakeError | None = None
    was_cancel_ignored: bool = False
    hidden_until: float = 0.0
    unknown_until: float = 0.0
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    def status(self, now: float) -> str:
        """EXECUTION_STATUS as the table function QUERY_HISTORY shows it."""
        if now < self.unknown_until:
            return UNKNOWN_STATE
        if self.ended_at is None:
            told = self.session.tag.labels.get(STATUS_LABEL)
            return told or ("RUNNING" if now >= self.start_at else "QUEUED")
        return "SUCCESS" if self.error is None else "FAILED_WITH_ERROR"

    @property
    def session_id(self) -> int:
        """Each request is a session of its own, which the statements of one request share."""
        return (self.parent or self).number

    @property
    def was_canceled(self) -> bool:
        """Whether a cancel ended it."""
        return self.error is not None and self.error.code == CANCELED
