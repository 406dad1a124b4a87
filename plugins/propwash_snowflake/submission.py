"""Builds the body of a submission. Source: Snowflake documentation, "Snowflake SQL API reference"."""

from __future__ import annotations

import math

from propwash.sdk import CreateRequest, Permanent
from propwash_snowflake.binding import InputError, bound
from propwash_snowflake.connection import Parameter, SnowflakeSettings
from propwash_snowflake.spec import LONGEST_TIMEOUT_S, SnowflakeSpec
from propwash_snowflake.tagging import job_tag


def body_of(request: CreateRequest[SnowflakeSpec], settings: SnowflakeSettings) -> dict[str, object]:
    """The body; raises Permanent for inputs that do not fit."""
    spec = request.spec
    try:
        bindings = bound(spec, request.inputs)
    except InputError as error:
        raise Permanent("INVALID_INPUTS", str(error)) from error
    parameters = {
        **{
            name: _parameter(value)
            for name, value in {**settings.session_parameters, **spec.session_parameters}.items()
        },
        "QUERY_TAG": job_tag(request.name, of_spec=spec.query_tag, labels=request.labels),
    }
    if spec.statement_count != 1:
        parameters["MULTI_STATEMENT_COUNT"] = str(spec.statement_count)
    made: dict[str, object] = {"statement": spec.statement, "parameters": parameters}
    if bindings:
        made["bindings"] = bindings
    if (timeout_s := _timeout_s(spec.timeout_s, request.run_deadline_s)) is not None:
        made["timeout"] = timeout_s
    places = {
        "warehouse": spec.warehouse or settings.warehouse,
        "database": spec.database or settings.database,
        "schema": spec.schema_ or settings.schema_,
        "role": spec.role or settings.role,
    }
    return {**made, **{name: value for name, value in places.items() if value is not None}}


def _parameter(value: Parameter) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _timeout_s(of_spec: int | None, deadline_s: float | None) -> int | None:
    # 0 of the API is the longest time, which the deadline of the policy goes before.
    wanted = [
        LONGEST_TIMEOUT_S if of_spec == 0 else of_spec,
        None if deadline_s is None else math.ceil(deadline_s),
    ]
    given = [max(1, min(one, LONGEST_TIMEOUT_S)) for one in wanted if one is not None]
    return min(given) if given else None
