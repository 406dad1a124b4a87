"""Faults of the configuration file's connections: one line each, which quotes no secret."""

from __future__ import annotations

import pytest

from tests.cli.connections_shell import PLUGIN, TOKEN, Shell


@pytest.mark.parametrize(
    ("connections", "said"),
    [
        (
            {"a": {"is_default": True}, "b": {"is_default": True}},
            f"connections: plugin {PLUGIN} has two default connections: a, b",
        ),
        (
            {"a": {"defaults_for": [{"project": "p"}]}, "b": {"defaults_for": [{"project": "p"}]}},
            f"connections: plugin {PLUGIN} has two default connections for project p: a, b",
        ),
        (
            {"a": {"only_for": [{"project": "p"}], "defaults_for": [{"project": "q"}]}},
            "connections: connection a is the default for project q, which may not use it",
        ),
        ({"a": {"only_for": [{"domain": "d"}]}}, "connections.a.only_for.0.project: Field required"),
        (
            {"a": {"limits": {"reads": {"rate": 0, "burst": 1}}}},
            "connections.a.limits.reads.rate: Input should",
        ),
        (
            {"a": {"limits": {"read": {"rate": 1, "burst": 1}}}},
            "connections.a.limits.read: Extra inputs are not",
        ),
        (
            {"a": {"claims": {"slots": 2}}},
            "connections: connection a claims 2 of pool slots, of which engine.pools has 0",
        ),
        (
            {"a": {"claims": {"slots": 0}}},
            "connections.a.claims.slots: must be a whole number greater than 0, or an expression that gives one",
        ),
        (
            {"a": {"claims": {"slots": True}}},
            "connections.a.claims.slots: must be a whole number greater than",
        ),
        (
            {"a": {"claims": {"slots": "spec.gpus *"}}},
            "connections.a.claims.slots: column 12: mismatched input '<EOF>'",
        ),
        (
            {"a": {"claims": {"slots": "spek.gpus * 2"}}},
            "connections.a.claims.slots: column 1: there is no variable 'spek'; there are: connection, domain, inputs",
        ),
        (
            {"a": {"claims": {"gpu": "spec.gpus * 2"}}},
            "connections: connection a claims of pool gpu, which engine.pools does not have",
        ),
        (
            {"a": {"claims": {"sl ots": 1}}},
            "connections.a.claims.sl ots: must be a pool's name: 1 to 200 of letters, digits and . _ ~ - %",
        ),
        (
            {"a": {"claim_rules": [{"pool": "'p'", "when": "size(spec.tags) > 1 &&"}]}},
            "connections.a.claim_rules.0.when: column 23: mismatched input '<EOF>'",
        ),
        (
            {"a": {"claim_rules": [{"pool": "lowest(spec.a)"}]}},
            "connections.a.claim_rules.0.pool: column 1: there is no function 'lowest'; there are: bytes, contains",
        ),
        ({"a": {"claim_rules": [{"units": 1}]}}, "connections.a.claim_rules.0.pool: Field required"),
        ({"a": {"claim_rules": [{"pool": 3}]}}, "connections.a.claim_rules.0.pool: must be an expression"),
        ({"a": {"plugin": ""}}, "connections.a.plugin: String should have at least 1 character"),
        ({"a": {"password": TOKEN}}, "connections.a.password: Extra inputs are not permitted"),
    ],
)
def test_faults_of_the_file_are_one_line_each(
    connections: dict[str, dict[str, object]], said: str, shell: Shell
) -> None:
    shell.configure(**{name: {"plugin": PLUGIN, **more} for name, more in connections.items()})
    for command in (("config", "check"), ("connections", "list"), ("connections", "check"), ("serve",)):
        done = shell.run(*command)
        assert done.exit_code == 2
        assert done.stderr.startswith(f"propwash: {said}")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", [f'password: "{TOKEN}', f"a: [{TOKEN}", f"? {TOKEN}\n: {{", f"\t{TOKEN}"])
def test_a_file_that_is_no_yaml_is_not_quoted(text: str, shell: Shell) -> None:
    shell.path.write_text(text)
    done = shell.run("config", "check")
    assert done.exit_code == 2
    assert ": not YAML: " in done.stderr
    assert " in line " in done.stderr
