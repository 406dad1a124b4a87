"""The asyncio client of Propwash's native API.

async with Client("localhost:8080") as client:
    execution = await client.create(
        project="demo", domain="dev", task_type="bigquery_query_job_task", spec={"query": "SELECT 1"}
    )
    execution = await client.wait(execution.name)
"""

from propwash.client.calling import Backoff
from propwash.client.channel import Tls
from propwash.client.client import BATCH_SIZE, Client, execution_name, parent_name
from propwash.client.connections import BreakerState, CallClass, Connection, ConnectionUse, Throttle, Waiting
from propwash.client.errors import ClientError, Violation
from propwash.client.model import (
    AttemptFailure,
    Change,
    ChangeKind,
    Column,
    Execution,
    Handler,
    HandlerState,
    Link,
    LogLine,
    NewExecution,
    Phase,
    Policy,
    ResultPage,
    new_request_id,
)
from propwash.client.pool_model import (
    Pool,
    PoolBlock,
    PoolHolder,
    PoolOrigin,
    PoolState,
    PoolWaiter,
    ProjectShare,
    ProjectUsage,
)
from propwash.client.pools import pool_name
from propwash.client.values import Value

__all__ = [
    "BATCH_SIZE",
    "AttemptFailure",
    "Backoff",
    "BreakerState",
    "CallClass",
    "Change",
    "ChangeKind",
    "Client",
    "ClientError",
    "Column",
    "Connection",
    "ConnectionUse",
    "Execution",
    "Handler",
    "HandlerState",
    "Link",
    "LogLine",
    "NewExecution",
    "Phase",
    "Policy",
    "Pool",
    "PoolBlock",
    "PoolHolder",
    "PoolOrigin",
    "PoolState",
    "PoolWaiter",
    "ProjectShare",
    "ProjectUsage",
    "ResultPage",
    "Throttle",
    "Tls",
    "Value",
    "Violation",
    "Waiting",
    "execution_name",
    "new_request_id",
    "parent_name",
    "pool_name",
]
