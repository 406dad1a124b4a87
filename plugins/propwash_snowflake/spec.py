"""What a user gives for a statement.

Source: Snowflake documentation, "Snowflake SQL API reference", body of a submission; "Submitting multiple SQL
statements in a single request" (MULTI_STATEMENT_COUNT); "Using bind variables in a statement".
"""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import ConfigDict, Field

from propwash.sdk import Spec
from propwash_snowflake.connection import Identifier, SessionParameters

BindingType = Literal[
    "FIXED",
    "REAL",
    "TEXT",
    "BOOLEAN",
    "BINARY",
    "DATE",
    "TIME",
    "TIMESTAMP_LTZ",
    "TIMESTAMP_NTZ",
    "TIMESTAMP_TZ",
]
LONGEST_TIMEOUT_S = 604_800
_MOST_TAG = 1000


class Binding(Spec):
    """The value of one placeholder: an input, an element of one, or a value in Snowflake's own text."""

    input: str | None = Field(default=None, min_length=1, description="The input to bind; this or value.")
    element: int | None = Field(
        default=None,
        ge=0,
        description="Which element of the input, a list, counted from 0; all where not given.",
    )
    value: str | None = Field(default=None, description="The value as the API writes it; this or input.")
    type: BindingType | None = Field(
        default=None, description="Snowflake's type; that of the input where not given. Needed with value."
    )

    @pydantic.model_validator(mode="after")
    def _agree(self) -> Binding:
        if (self.input is None) is (self.value is None):
            raise ValueError("give one of input and value")
        if self.value is not None and self.type is None:
            raise ValueError("a value needs its type")
        if self.value is not None and self.element is not None:
            raise ValueError("element is of an input: give no value")
        return self


class SnowflakeSpec(Spec):
    """One statement, or several in one request."""

    model_config = ConfigDict(title="Snowflake statement")

    statement: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=1_000_000)] = Field(
        description="The SQL text, with ? or :1, :2 for what is bound."
    )
    bindings: tuple[Annotated[str, pydantic.StringConstraints(min_length=1)] | Binding, ...] = Field(
        default=(),
        description="What is bound to the placeholders, in their order: names of inputs, or objects that say the type. "
        "A list that is bound as a whole runs the statement once for each element.",
    )
    statement_count: int = Field(
        default=1, ge=0, le=1000, description="How many statements the text has; 0 for any number."
    )
    timeout_s: int | None = Field(
        default=None,
        ge=0,
        le=LONGEST_TIMEOUT_S,
        description="Seconds until Snowflake cancels the statement; 0 for the longest that it allows, seven days. "
        "The run deadline of the policy counts, too: the shorter of both.",
    )
    warehouse: Identifier | None = Field(
        default=None, description="The warehouse; the connection's where not given."
    )
    database: Identifier | None = Field(
        default=None, description="The database; the connection's where not given."
    )
    schema_: Identifier | None = Field(
        default=None, alias="schema", description="The schema; the connection's where not given."
    )
    role: Identifier | None = Field(default=None, description="The role; the connection's where not given.")
    session_parameters: SessionParameters = Field(
        default={}, description="Session parameters, such as TIMEZONE; laid over the connection's."
    )
    query_tag: str | None = Field(
        default=None,
        min_length=1,
        max_length=_MOST_TAG,
        description="A tag of the user's own: query_tag within the statement's QUERY_TAG, which is a JSON object.",
    )
    nullable: bool = Field(
        default=True, description="Whether NULL is null in results; false makes it the text 'null'."
    )

    @pydantic.model_validator(mode="after")
    def _agree(self) -> SnowflakeSpec:
        if self.bindings and self.statement_count != 1:
            raise ValueError("bindings: Snowflake binds no variables where a request has several statements")
        return self
