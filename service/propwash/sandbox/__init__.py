"""The frame for local stand-ins of remote systems: job ledger, faults, speed, limits and the HTTP application.

It imports nothing else of Propwash, so that a stand-in cannot share a mistake with the handler that it tests.
"""

from propwash.sandbox.clock import Clock, ManualClock, Schedule, SystemClock
from propwash.sandbox.faults import (
    Fault,
    FaultKind,
    FaultPlan,
    FaultPlanError,
    FaultRule,
    MethodClass,
    parse_plan,
    parse_rule,
    percent_rules,
)
from propwash.sandbox.identities import Identities, Standing
from propwash.sandbox.ledger import Ledger, LedgerJob, LedgerState
from propwash.sandbox.limits import Limits
from propwash.sandbox.server import Sandbox, SandboxOptions, run_sandbox, running_sandbox, serve
from propwash.sandbox.speed import Distribution, Speed, SpeedControl
from propwash.sandbox.stand_in import Answer, Call, Handle, Route, StandIn, StandInError, World, installed

__all__ = [
    "Answer",
    "Call",
    "Clock",
    "Distribution",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "FaultPlanError",
    "FaultRule",
    "Handle",
    "Identities",
    "Ledger",
    "LedgerJob",
    "LedgerState",
    "Limits",
    "ManualClock",
    "MethodClass",
    "Route",
    "Sandbox",
    "SandboxOptions",
    "Schedule",
    "Speed",
    "SpeedControl",
    "StandIn",
    "StandInError",
    "Standing",
    "SystemClock",
    "World",
    "installed",
    "parse_plan",
    "parse_rule",
    "percent_rules",
    "run_sandbox",
    "running_sandbox",
    "serve",
]
