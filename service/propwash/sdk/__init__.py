"""All that a plugin author imports."""

from propwash.core.events import Deletion
from propwash.core.model import Claim, Json, Link, Observation, RemoteName, RemotePhase, Traits
from propwash.core.names import ParsedName, parse_remote_name
from propwash.sdk.handler import (
    Column,
    Connection,
    CreateRequest,
    Handler,
    Job,
    ListedJob,
    LogLine,
    LogPage,
    NotOffered,
    Plugin,
    ResultPage,
    Spec,
    Value,
)
from propwash.sdk.verdicts import NotFound, Permanent, Retryable, Throttled, Unavailable, Verdict

__all__ = [
    "Claim",
    "Column",
    "Connection",
    "CreateRequest",
    "Deletion",
    "Handler",
    "Job",
    "Json",
    "Link",
    "ListedJob",
    "LogLine",
    "LogPage",
    "NotFound",
    "NotOffered",
    "Observation",
    "ParsedName",
    "Permanent",
    "Plugin",
    "RemoteName",
    "RemotePhase",
    "ResultPage",
    "Retryable",
    "Spec",
    "Throttled",
    "Traits",
    "Unavailable",
    "Value",
    "Verdict",
    "parse_remote_name",
]
