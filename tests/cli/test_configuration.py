"""What the configuration says of the engine and of pools."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from propwash.config import ConfigError, EngineSettings, load
from propwash.core.model import Claim
from propwash.core.overload import OverloadLimits
from propwash.engine.options import EngineOptions


def test_the_engine_s_defaults_are_its_own() -> None:
    assert EngineSettings().options() == EngineOptions()
    assert {one.name for one in fields(EngineOptions)} == set(EngineSettings.model_fields)


def test_the_breaker_s_limits_reach_the_engine(tmp_path: Path) -> None:
    given = {"breaker_failures": 3, "breaker_after_s": 2.0, "breaker_executions": 1, "breaker_longest_s": 9.0}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({"engine": given}))
    limits = load(tmp_path / "p.yaml").engine.options().breaker_limits
    assert (limits.failures, limits.after_s, limits.executions, limits.longest_s) == (3, 2.0, 1, 9.0)


def test_settings_of_the_engine_that_could_not_work_are_told(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        yaml.safe_dump({"engine": {"breaker_first_s": 60, "breaker_longest_s": 20}})
    )
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "p.yaml")
    assert raised.value.faults == ("engine: breaker_longest_s must be at least breaker_first_s, not 20.0",)


def test_the_limits_of_executions_reach_the_engine(tmp_path: Path) -> None:
    admission = {"max_active": 9, "max_queued_per_project": 5, "projects": {"etl": {"max_queued": 0}}}
    given = {"admission": admission, "overload": {"lag_s": 2, "backlog": 7}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({"engine": given}))
    options = load(tmp_path / "p.yaml").engine.options()
    assert (options.admission.max_active, options.admission.max_queued("etl")) == (9, 0)
    assert options.admission.max_queued("other") == 5
    assert options.overload == OverloadLimits(lag_s=2.0, backlog=7)
    overrides = {"engine.admission.max_active": 3}
    assert load(tmp_path / "p.yaml", overrides).engine.options().admission.max_active == 3


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"admission": {"max_active": -1}}, "engine.admission: max_active must not be negative, not -1"),
        ({"admission": {"most": 1}}, "engine.admission.most: Unexpected keyword argument"),
        ({"overload": {"lag_s": 0}}, "engine.overload: lag_s must be positive, not 0.0"),
        (
            {"admission": {"projects": {"etl": {"max_queued": -1}}}},
            "engine.admission: projects.etl.max_queued must not be negative, not -1",
        ),
    ],
)
def test_limits_that_could_not_work_are_told(tmp_path: Path, given: dict[str, object], fault: str) -> None:
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({"engine": given}))
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "p.yaml")
    assert raised.value.faults == (fault,)


@pytest.mark.parametrize("name", ["slots", "a:b-c_d.e~f%20", "*", "snowflake:*", "snowflake:prod:*"])
def test_names_of_pools_and_of_their_templates(name: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({"engine": {"pools": {name: 2}}}))
    assert load(tmp_path / "p.yaml").engine.pools == {name: 2}


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "a*", "a:b*", "**", ":*", "a::*", "*:a", "a:*:b", "x" * 201]
)
def test_what_is_no_name_of_a_pool_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({"engine": {"pools": {name: 2}}}))
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "p.yaml")
    (fault,) = raised.value.faults
    assert fault.startswith(f"engine.pools.{name}: must be a pool's name: 1 to 200 of letters, digits")


def test_a_connection_may_claim_as_much_as_the_nearest_template_has(tmp_path: Path) -> None:
    pools = {"*": 1, "snowflake:*": 2, "snowflake:night:*": 3, "snowflake:night:TINY": 1}
    for pool, units in (
        ("any", 1),
        ("snowflake:day:WH", 2),
        ("snowflake:night:WH", 3),
        ("snowflake:night:TINY", 1),
    ):
        for claimed, faults in ((units, 0), (units + 1, 1)):
            connection = {"plugin": "snowflake", "claims": {pool: claimed}}
            (tmp_path / "p.yaml").write_text(
                yaml.safe_dump({"engine": {"pools": pools}, "connections": {"night": connection}})
            )
            found: tuple[str, ...] = ()
            try:
                load(tmp_path / "p.yaml")
            except ConfigError as error:
                found = error.faults
            assert len(found) == faults


def test_expressions_are_shown_as_they_were_written(tmp_path: Path) -> None:
    connection = {
        "plugin": "snowflake",
        "claims": {"gpu": "spec.gpus * 2"},
        "claim_rules": [{"pool": "'p'", "units": 2, "when": "domain == 'prod'"}],
    }
    (tmp_path / "p.yaml").write_text(
        yaml.safe_dump({"engine": {"pools": {"*": 4}}, "connections": {"night": connection}})
    )
    shown = load(tmp_path / "p.yaml").model_dump(mode="json")["connections"]["night"]
    assert shown["claims"] == connection["claims"]
    assert shown["claim_rules"] == connection["claim_rules"]


def test_a_connection_may_claim_as_much_as_the_pool_has(tmp_path: Path) -> None:
    connection = {"plugin": "snowflake", "claims": {"slots": 2}}
    (tmp_path / "p.yaml").write_text(
        yaml.safe_dump({"engine": {"pools": {"slots": 2}}, "connections": {"night": connection}})
    )
    (configured,) = load(tmp_path / "p.yaml").configured_connections()
    assert configured.claims == (Claim(pool="slots", units=2),)
