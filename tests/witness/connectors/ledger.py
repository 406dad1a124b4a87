"""Jobs in a folder, for the connectors of the tests: what was asked for is a line in a ledger, and outlives the server.

A job does what its template's custom says: seconds that it runs, how it ends, and what goes wrong on the way. Standard
library alone, as it runs in the environment of Flyte's own servers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("LEDGER_FOLDER", "."))
FILE = "ledger.jsonl"


def note(event: str, **what: object) -> None:
    """A line, whole or not at all."""
    with (FOLDER / FILE).open("a") as file:
        file.write(json.dumps({"event": event, **what}) + "\n")


def noted(folder: Path) -> list[dict[str, Any]]:
    """All lines."""
    path = folder / FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def create(prefix: str, custom: Mapping[str, Any] | None) -> str:
    """Make a job, unless that is what goes wrong; its id."""
    wanted = dict(custom or {})
    match wanted.get("create"):
        case "raises":
            raise ValueError("the cluster is not there")
        case "exits before":
            sys.exit(3)
    job = f"job-{time.time_ns()}"
    kept = {"began_at": time.time(), "prefix": prefix, "is_deleted": False, **wanted}
    (FOLDER / f"{job}.json").write_text(json.dumps(kept))
    note("created", job=job, prefix=prefix)
    match wanted.get("create"):
        case "hangs":
            await asyncio.sleep(600)
        case "exits":
            sys.exit(3)
    return job


async def get(job: str) -> dict[str, Any]:
    """How a job is: its phase, and outputs where it has ended well."""
    kept = json.loads((FOLDER / f"{job}.json").read_text())
    looks = [one for one in noted(FOLDER) if one["event"] == "got" and one["job"] == job]
    note("got", job=job)
    if len(looks) < kept.get("get_raises", 0):
        raise ConnectionError("the cluster does not answer")
    if kept.get("get") == "exits" and not looks:
        sys.exit(3)
    if kept["is_deleted"]:
        return {"phase": "ABORTED", "message": "deleted"}
    if time.time() < kept["began_at"] + kept.get("seconds", 0.0):
        return {"phase": "RUNNING", "message": "runs"}
    phase = kept.get("ends", "SUCCEEDED")
    outputs = {"o0": 7, "o1": "seven"} if phase == "SUCCEEDED" and kept.get("has_outputs", True) else None
    return {"phase": phase, "message": f"ended as {phase}", "outputs": outputs}


async def delete(job: str) -> None:
    """End a job."""
    path = FOLDER / f"{job}.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "is_deleted": True}))
    note("deleted", job=job)
