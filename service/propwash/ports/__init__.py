"""The protocols at which the parts meet: Clock, Store, Handlers, Executions, Instrument, and what they exchange.

The engine sees nothing else of the outside; the composition root gives it the concrete classes.
"""

from propwash.ports.clock import Clock
from propwash.ports.commits import (
    Bury,
    Change,
    CommitResult,
    Committed,
    Duplicate,
    DuplicateOf,
    Group,
    Insert,
    Stale,
    Update,
)
from propwash.ports.executions import (
    AdoptedJob,
    AlreadyEnded,
    AlreadyExists,
    Draft,
    Executions,
    NoSuchExecution,
    NotAccepting,
)
from propwash.ports.flyte import NO_SECRETS, FlyteTasks
from propwash.ports.handlers import Admission, FieldFault, HandlerInfo, Handlers, JobRequest, Refused
from propwash.ports.instrument import Instrument
from propwash.ports.queries import (
    AllOf,
    AnyOf,
    ChangePage,
    Compacted,
    Comparator,
    Comparison,
    Filter,
    Not,
    Position,
    Scope,
    SnapshotPart,
    StoredChange,
)
from propwash.ports.records import ExecutionName, Record, TaskRequest
from propwash.ports.store import (
    Store,
    StoreCorrupt,
    StoreError,
    StoreLocked,
    StoreNotWritable,
    StoreTooNew,
    StoreUnavailable,
)
from propwash.ports.waits import Behind, Hold, Paused, PoolPlace, Silent, Wait

__all__ = [
    "NO_SECRETS",
    "Admission",
    "AdoptedJob",
    "AllOf",
    "AlreadyEnded",
    "AlreadyExists",
    "AnyOf",
    "Behind",
    "Bury",
    "Change",
    "ChangePage",
    "Clock",
    "CommitResult",
    "Committed",
    "Compacted",
    "Comparator",
    "Comparison",
    "Draft",
    "Duplicate",
    "DuplicateOf",
    "ExecutionName",
    "Executions",
    "FieldFault",
    "Filter",
    "FlyteTasks",
    "Group",
    "HandlerInfo",
    "Handlers",
    "Hold",
    "Insert",
    "Instrument",
    "JobRequest",
    "NoSuchExecution",
    "Not",
    "NotAccepting",
    "Paused",
    "PoolPlace",
    "Position",
    "Record",
    "Refused",
    "Scope",
    "Silent",
    "SnapshotPart",
    "Stale",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreLocked",
    "StoreNotWritable",
    "StoreTooNew",
    "StoreUnavailable",
    "StoredChange",
    "TaskRequest",
    "Update",
    "Wait",
]
