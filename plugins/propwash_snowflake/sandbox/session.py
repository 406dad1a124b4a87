"""What names mean to a statement: the account's roles and warehouses, and the session that each request is.

Source: "Snowflake SQL API reference" (body of a submission): database, schema, warehouse and role of the body, each
with the user's default behind it. Names are found without regard to case, where the real service wants them exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from propwash_snowflake.sandbox.errors import SnowflakeError
from propwash_snowflake.sandbox.requests import Submission
from propwash_snowflake.sandbox.tags import Tag, parse_tag

ACCOUNT: Final = "SANDBOX"
USER: Final = "SANDBOX_USER"
VERSION: Final = "10.36.101"


@dataclass(slots=True)
class Account:
    """The account's roles and warehouses and the user's defaults. Tests change them; reset() brings them back."""

    name: str = ACCOUNT
    roles: set[str] = field(default_factory=lambda: {"PUBLIC", "SYSADMIN", "ACCOUNTADMIN", "DEMO_ROLE"})
    warehouses: set[str] = field(default_factory=lambda: {"COMPUTE_WH", "DEMO_WH"})
    default_role: str = "PUBLIC"
    default_warehouse: str | None = "DEMO_WH"
    default_database: str = "DEMO"
    default_schema: str = "PUBLIC"

    def reset(self) -> None:
        """As at start."""
        fresh = Account()
        for one in fields(self):
            setattr(self, one.name, getattr(fresh, one.name))


@dataclass(slots=True, kw_only=True)
class Session:
    """One request's session. warehouse is the name asked for, whether or not there is such a warehouse."""

    user: str
    role: str
    warehouse: str | None
    database: str
    schema: str
    tag: Tag
    parameters: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


def open_session(account: Account, submission: Submission, user: str) -> Session:
    """The session of a submission. Raises SnowflakeError (400) for a role that the user does not have."""
    parameters: Mapping[str, str] = submission.parameters
    role = (submission.role or parameters.get("ROLE") or account.default_role).upper()
    if role not in account.roles:
        message = (
            f"Role '{role}' specified in the connect string is not granted to this user. Contact your local "
            "system administrator, or attempt to login with another role, e.g. PUBLIC."
        )
        raise SnowflakeError("390186", message, status=400)
    warehouse = submission.warehouse or parameters.get("WAREHOUSE") or account.default_warehouse
    return Session(
        user=user,
        role=role,
        warehouse=None if warehouse is None else warehouse.upper(),
        database=(submission.database or parameters.get("DATABASE") or account.default_database).upper(),
        schema=(submission.schema or parameters.get("SCHEMA") or account.default_schema).upper(),
        tag=parse_tag(parameters.get("QUERY_TAG", "")),
        parameters=dict(parameters),
    )
