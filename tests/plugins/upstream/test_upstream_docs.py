"""The handler's page says what the handler does."""

from __future__ import annotations

from pathlib import Path

import pytest
from flyteidl.core.execution_pb2 import TaskExecution
from grpc import StatusCode

from propwash.core.replies import CREATE_IN_DOUBT
from propwash.handlers.offers import EVERY_S
from propwash.handlers.options import HostOptions
from propwash.sdk import Permanent, Throttled, Unavailable
from propwash_upstream.connection import StatedType, UpstreamSettings
from propwash_upstream.errors import RAISED, RULES, UNREACHABLE
from propwash_upstream.handler import REFUSALS, UpstreamHandler
from propwash_upstream.keys import META_LIMIT
from propwash_upstream.observing import MOST_INFO_BYTES, MOST_OUTPUT_BYTES, PHASES
from propwash_upstream.spec import ConnectorSpec
from propwash_upstream.upstreams import AWAKE_S

PAGE = (Path(__file__).parents[3] / "docs" / "handlers" / "upstream.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
WORDS = {Throttled: "waits", Permanent: "fails", Unavailable: "in doubt"}


@pytest.mark.parametrize("code", RULES, ids=lambda code: code.name)
def test_every_status_has_its_row(code: StatusCode) -> None:
    rule = RULES[code]
    named = f"`{code.name}`"
    rows = [row for row in ROWS if row.startswith(f"| {named}") and f"`{rule.reason}`" in row]
    assert any(f"| {WORDS[rule.create]}, `{rule.reason}`" in row for row in rows), (code, rows)


def test_every_phase_has_its_row() -> None:
    names = [TaskExecution.Phase.Name(phase) for phase in (*PHASES, TaskExecution.UNDEFINED)]
    told = [row.split("|")[1] for row in ROWS]
    assert [name for name in names if not any(f"`{name}`" in cell for cell in told)] == []


@pytest.mark.parametrize("model", [ConnectorSpec, UpstreamSettings, StatedType])
def test_every_field_has_its_row(model: type[ConnectorSpec | UpstreamSettings | StatedType]) -> None:
    assert [
        name for name in model.model_fields if not any(row.startswith(f"| `{name}` |") for row in ROWS)
    ] == []


def test_reasons_and_figures_are_the_handler_s() -> None:
    traits = UpstreamHandler.traits
    for said in (
        *(
            f"`{reason}`"
            for reason in (RAISED, UNREACHABLE, CREATE_IN_DOUBT, "META_TOO_LARGE", "OUTPUTS_TOO_LARGE")
        ),
        f"every {traits.poll_floor_s:g} to {traits.poll_ceiling_s:g} seconds",
        f"up to {META_LIMIT:,} with",
        f"More than {MOST_OUTPUT_BYTES:,} bytes",
        f"up to {MOST_INFO_BYTES:,} bytes",
        f"every {EVERY_S:g} seconds",
        f"answered nothing for {AWAKE_S:g} seconds",
        f"at most {HostOptions().get_one_calls} at once",
    ):
        assert said in TEXT, said
    assert REFUSALS == 3
    assert "after three deletes in a row" in TEXT
