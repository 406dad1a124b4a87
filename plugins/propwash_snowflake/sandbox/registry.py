"""All statements: by handle, by request id, and in the order of their creation."""

from __future__ import annotations

from propwash_snowflake.sandbox.statements import Statement

# Results of readings of the history are large and are fetched at once: only those of the last ones are kept.
_KEPT_READINGS = 16


class Registry:
    """Looks statements up. all is in the order of creation and is not to be changed by the caller."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all statements."""
        self.all: list[Statement] = []
        self._by_handle: dict[str, Statement] = {}
        self._by_request: dict[str, Statement] = {}
        self._readings: list[Statement] = []

    def add(self, statement: Statement) -> None:
        """Enter a statement. Under one request id the first one stays."""
        self.all.append(statement)
        self._by_handle[statement.handle] = statement
        request_id = statement.submission.request_id
        if request_id is not None and statement.parent is None:
            self._by_request.setdefault(request_id.lower(), statement)
        if statement.is_service:
            self._readings.append(statement)
            if len(self._readings) > _KEPT_READINGS:
                self._readings.pop(0).rows = None

    def find(self, handle: str, now: float) -> Statement | None:
        """The statement as a caller may see it now, or None."""
        found = self._by_handle.get(handle.lower())
        return found if found is not None and now >= found.hidden_until else None

    def of_request(self, request_id: str | None) -> Statement | None:
        """The first statement that came with this request id, or None."""
        return None if request_id is None else self._by_request.get(request_id.lower())
