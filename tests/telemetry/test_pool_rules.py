"""The rules for pools, throttles and breakers ask for metrics that there are, and fire when they should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from propwash.telemetry import Telemetry

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
NAME = "pools-and-throttles"


def test_the_rules_ask_for_metrics_that_there_are() -> None:
    exposed = Telemetry(now=lambda: 100.0, version="1").exposition("")[1].decode()
    rules = yaml.safe_load((RULES / f"{NAME}.rules.yaml").read_text())["groups"][0]["rules"]
    asked = set(re.findall(r"propwash_\w+", " ".join(rule["expr"] for rule in rules)))
    assert len(asked) >= 6
    for name in asked:
        assert re.search(rf"^# TYPE {name} ", exposed, re.MULTILINE), name


def test_promtool_takes_the_rules_and_they_fire_when_they_should() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    for command in (("check", "rules", f"{NAME}.rules.yaml"), ("test", "rules", f"{NAME}.test.yaml")):
        done = subprocess.run([promtool, *command], cwd=RULES, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
