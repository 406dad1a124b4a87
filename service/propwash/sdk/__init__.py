"""All that a plugin author imports."""

from propwash.core.events import Deletion
from propwash.core.model import Claim, Json, Link, Observation, RemoteName, RemotePhase, Traits
from propwash.core.names import ParsedName, parse_remote_name
from propwash.sdk.connections import CallLimits, Checked, Connection, Rate
from propwash.sdk.flyte import FlyteDialect, FlyteDone, FlyteJob, FlyteRequest, FlyteTask, TemplateError
from propwash.sdk.handler import (
    Column,
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
from propwash.sdk.secrets import CREDENTIALS_UNAVAILABLE, LocalSecrets, Secret, SecretReader, SecretRef
from propwash.sdk.verdicts import NotFound, Permanent, Retryable, Throttled, Unavailable, Verdict

__all__ = [
    "CREDENTIALS_UNAVAILABLE",
    "CallLimits",
    "Checked",
    "Claim",
    "Column",
    "Connection",
    "CreateRequest",
    "Deletion",
    "FlyteDialect",
    "FlyteDone",
    "FlyteJob",
    "FlyteRequest",
    "FlyteTask",
    "Handler",
    "Job",
    "Json",
    "Link",
    "ListedJob",
    "LocalSecrets",
    "LogLine",
    "LogPage",
    "NotFound",
    "NotOffered",
    "Observation",
    "ParsedName",
    "Permanent",
    "Plugin",
    "Rate",
    "RemoteName",
    "RemotePhase",
    "ResultPage",
    "Retryable",
    "Secret",
    "SecretReader",
    "SecretRef",
    "Spec",
    "TemplateError",
    "Throttled",
    "Traits",
    "Unavailable",
    "Value",
    "Verdict",
    "parse_remote_name",
]
