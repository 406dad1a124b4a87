"""The operations over HTTP: submit, read, cancel, and what no operation answers.

Source: Snowflake's OpenAPI description of the SQL API and "Snowflake SQL API reference". For a handle that nobody has,
reading answers 400 as the service was observed to, and cancelling 422 as the reference shows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from propwash.sandbox import Answer, Call, FaultKind, World
from propwash_snowflake.sandbox.authentication import Authentication
from propwash_snowflake.sandbox.errors import TIMED_OUT, SnowflakeError, unknown_handle
from propwash_snowflake.sandbox.lifecycle import Statements
from propwash_snowflake.sandbox.registry import Registry
from propwash_snowflake.sandbox.requests import (
    Submission,
    check_headers,
    check_request_id,
    parse_submission,
    partition_of,
)
from propwash_snowflake.sandbox.results import cancel_status, failure, in_progress, result_set
from propwash_snowflake.sandbox.statements import Statement
from propwash_snowflake.sandbox.tags import RERUN_LABEL, parse_tag


class Operations:
    """Answers the calls. reruns_repeats makes a repeated request id run again even where it is marked as a retry."""

    def __init__(
        self, world: World, registry: Registry, statements: Statements, authentication: Authentication
    ) -> None:
        self._world = world
        self._registry = registry
        self._statements = statements
        self._authentication = authentication
        self.reruns_repeats = False
        self.sync_wait_s = 45.0
        # No public source is sure of the status for a handle that nobody has; the code in the body is the same.
        self.unknown_handle_status: int | None = None

    def submit(self, call: Call) -> Answer | Awaitable[Answer]:
        """POST of statements. Answered at once where the caller does not wait."""
        try:
            user = self._authentication.check(call)
            check_headers(call)
            submission = parse_submission(call)
            statement = self._repeated(submission)
            if statement is None:
                statement = self._statements.submit(submission, user=user, fault=call.fault)
        except SnowflakeError as error:
            return error.answer()
        if submission.is_async or statement.ended_at is not None:
            return self._submitted(statement, submission)
        return self._waited(statement, submission)

    def get(self, call: Call) -> Answer:
        """GET of a statement, or of a partition of its result."""
        try:
            self._authentication.check(call)
            check_headers(call)
            check_request_id(call)
            partition = partition_of(call)
            statement = self._find(call, status=400)
            now = self._statements.now()
            if call.fault is not None and call.fault.kind is FaultKind.UNKNOWN_STATE:
                statement.unknown_until = now + call.fault.duration_s
            if statement.ended_at is None or now < statement.unknown_until:
                return in_progress(statement, now)
            if statement.error is not None:
                return failure(statement, _as_read(statement, statement.error), status=422)
            is_nullable = statement.submission.is_nullable
            return result_set(statement, partition=partition, is_nullable=is_nullable)
        except SnowflakeError as error:
            return error.answer(call.path["handle"] if error.code == "000709" else None)

    def cancel(self, call: Call) -> Answer:
        """POST of a cancel. It takes effect a little later; one that has ended answers the same."""
        try:
            self._authentication.check(call)
            check_headers(call, takes_body=False)
            check_request_id(call)
            statement = self._find(call, status=422)
            self._statements.cancel(statement, fault=call.fault)
            return cancel_status(statement)
        except SnowflakeError as error:
            return error.answer(call.path["handle"])

    def statement(self, handle: str) -> Statement | None:
        """The statement with this handle, for tests and tools in this process."""
        return self._registry.find(handle, self._statements.now())

    async def wait(self, statement: Statement) -> None:
        """Wait for a statement's end."""
        await self._statements.done(statement, timeout_s=float("inf"))

    def _find(self, call: Call, *, status: int) -> Statement:
        handle = call.path["handle"]
        found = self._registry.find(handle, self._statements.now())
        if found is None:
            raise unknown_handle(handle, status=self.unknown_handle_status or status)
        return found

    def _repeated(self, submission: Submission) -> Statement | None:
        first = self._registry.of_request(submission.request_id)
        if first is None or not submission.is_retry or self.reruns_repeats:
            return None
        if RERUN_LABEL in parse_tag(submission.parameters.get("QUERY_TAG", "")).labels:
            return None
        self._world.ledger.duplicate_request()
        return first

    def _submitted(self, statement: Statement, submission: Submission) -> Answer:
        if statement.ended_at is None or submission.is_async:
            return in_progress(statement, self._statements.now())
        if statement.error is not None:
            status = 408 if statement.error.code == TIMED_OUT else 422
            return failure(statement, statement.error, status=status)
        try:
            return result_set(statement, partition=0, is_nullable=submission.is_nullable)
        except SnowflakeError as error:
            return error.answer(statement.handle)

    async def _waited(self, statement: Statement, submission: Submission) -> Answer:
        await self._statements.done(statement, timeout_s=self.sync_wait_s)
        return self._submitted(statement, submission)


def _as_read(statement: Statement, error: SnowflakeError) -> SnowflakeError:
    # Failures while running, of asynchronous statements, are told without an SQL state.
    if statement.submission.is_async and error.code is not None and error.code.startswith("100"):
        return SnowflakeError(error.code, error.message)
    return error


def wrong_method(*allowed: str) -> Callable[[Call], Answer]:
    """405 for a path that takes other verbs."""

    def answer(_call: Call) -> Answer:
        return Answer(405, b"", {"Allow": ", ".join(allowed)}, content_type="text/plain")

    return answer


def no_such_path(call: Call) -> Answer:
    """404 for a path that is no endpoint."""
    return SnowflakeError(None, f"Not Found: /api/v2/{call.path['rest']}", status=404).answer()
