"""The witnesses, started once a worker and ended at its end; absent ones skip their tests with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.witness.environments import BIGQUERY, MOTO, ROOT, Environment
from tests.witness.processes import free_ports, running

_HERE = ROOT / "tests" / "witness"
_SECONDS_A_STATE = "0.25"


def _needed(environment: Environment) -> None:
    if environment.missing:
        pytest.skip(environment.missing)


@pytest.fixture(scope="session")
def local_bigquery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of local-bigquery."""
    _needed(BIGQUERY)
    folder = tmp_path_factory.mktemp("local-bigquery")
    port, grpc_port = free_ports(2)
    launcher = _HERE / "bigquery_launcher.py"
    command: list[str | Path] = [BIGQUERY.interpreter, launcher, str(port), str(grpc_port), folder / "data"]
    # Objects of gs:// are files of its folder.
    with running(command, port=port, log=folder / "log"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of moto's server."""
    _needed(MOTO)
    folder = tmp_path_factory.mktemp("moto")
    (port,) = free_ports(1)
    launcher = _HERE / "moto_launcher.py"
    command: list[str | Path] = [MOTO.interpreter, launcher, str(port), _SECONDS_A_STATE]
    with running(command, port=port, log=folder / "log"):
        yield f"http://127.0.0.1:{port}"
