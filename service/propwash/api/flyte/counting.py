"""Calls as Flyte's own connector service counts them, so that its dashboards and alerts go on.

Source: flytekit's connector service: operations create, get and delete; error codes are those of HTTP.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from propwash.api.options import ApiInstrument
from propwash.sdk import FlyteType

_UNKNOWN = "404"
_FAILED = "500"
_OTHER = "unknown"


class Counting:
    """Tells the instrument. What names no task type that is served counts under one name."""

    def __init__(self, instrument: ApiInstrument, *, types: Callable[[], Sequence[FlyteType]]) -> None:
        self._instrument = instrument
        self._types = types

    @contextlib.contextmanager
    def counted(self, task_type: str, operation: str) -> Iterator[None]:
        """Counts a call and how long it took."""
        kind, began_at, code = self._kind(task_type), time.perf_counter(), ""
        try:
            yield
        except Exception:
            code = _UNKNOWN if kind == _OTHER else _FAILED
            raise
        finally:
            self._instrument.flyte_served(
                task_type=kind, operation=operation, error_code=code, seconds=time.perf_counter() - began_at
            )

    def inputs(self, task_type: str, size: int) -> None:
        """Tells how many bytes of inputs a create came with."""
        self._instrument.flyte_inputs(task_type=self._kind(task_type), size=size)

    def _kind(self, task_type: str) -> str:
        return task_type if any(one.name == task_type for one in self._types()) else _OTHER
