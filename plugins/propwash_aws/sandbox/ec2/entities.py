"""Clusters and steps as they are kept. Instants are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from propwash.sandbox import LedgerJob

DONE_STEPS = frozenset({"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"})
LIVE_STEPS = frozenset({"PENDING", "CANCEL_PENDING", "RUNNING"})
DONE_CLUSTERS = frozenset({"TERMINATED", "TERMINATED_WITH_ERRORS"})
LIVE_CLUSTERS = frozenset({"STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING"})
CLOSING = frozenset({"TERMINATING", *DONE_CLUSTERS})
_OPTION = "--sandbox-"


@dataclass(slots=True, kw_only=True, eq=False)
class Step:
    """One step; number counts within its cluster. ledger is None for those that came with the cluster."""

    number: int
    id: str
    config: Mapping[str, Any]
    role: str | None
    created_at: float
    ledger: LedgerJob | None = None
    state: str = "PENDING"
    started_at: float | None = None
    ended_at: float | None = None
    failure: str = ""
    message: str = ""
    is_stuck: bool = False
    was_cancel_ignored: bool = False
    hidden_until: float = 0.0
    unknown_until: float = 0.0

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.config["Name"])

    @property
    def action(self) -> str:
        """What its failure does."""
        return str(self.config.get("ActionOnFailure") or "CONTINUE")

    @property
    def options(self) -> dict[str, str]:
        """What its arguments tell the sandbox, as labels: a step has no tags."""
        args: list[str] = self.config["HadoopJarStep"].get("Args") or []
        pairs = (one[2:].partition("=") for one in args if one.startswith(_OPTION))
        return {name: value for name, _, value in pairs}


@dataclass(slots=True, kw_only=True, eq=False)
class Cluster:
    """One cluster. ledger is None for those that are there from the start."""

    number: int
    id: str
    asked: Mapping[str, Any]
    created_at: float
    ledger: LedgerJob | None = None
    state: str = "STARTING"
    ready_at: float | None = None
    ended_at: float | None = None
    code: str = ""
    message: str = ""
    concurrency: int = 1
    keeps_alive: bool = True
    is_protected: bool = False
    is_stuck: bool = False
    was_cancel_ignored: bool = False
    hidden_until: float = 0.0
    unknown_until: float = 0.0
    steps: dict[str, Step] = field(default_factory=dict)
    order: list[Step] = field(default_factory=list)
    live: dict[str, Step] = field(default_factory=dict)
    """Steps that have not ended, oldest first."""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.asked["Name"])

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return {str(one.get("Key")): str(one.get("Value", "")) for one in self.asked.get("Tags") or []}

    @property
    def arn(self) -> str:
        """Its resource name."""
        return f"arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/{self.id}"
