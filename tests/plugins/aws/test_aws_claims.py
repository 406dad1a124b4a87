"""What jobs on AWS claim of pools by default: their place, and how large they may become where their spec says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from propwash.sdk import Claim, Connection, Handler
from propwash_aws import plugin
from tests.plugins.aws.runs_rig import SPECS

HANDLERS: dict[str, Handler[Any]] = {
    one.task_types[0]: one for one in plugin.make() if isinstance(one, Handler)
}
STEP = {"spark_submit": ["s3://bucket/job.py"]}
CLUSTER = {
    "release_label": "emr-7.5.0",
    "steps": [{"name": "a", "hadoop_jar_step": {"jar": "a.jar"}}],
}
INSTANCES = {
    "master_instance_type": "m5.xlarge",
    "slave_instance_type": "m5.xlarge",
    "instance_count": 3,
}


def claims(task_type: str, spec: Mapping[str, Any], **settings: Any) -> dict[str, int]:
    handler = HANDLERS[task_type]
    connection = Connection(name="prod", settings={"region": "eu-west-1", **settings})
    found = handler.claims(connection, handler.spec_type.model_validate(spec))
    assert all(isinstance(one, Claim) for one in found)
    return {one.pool: one.units for one in found}


def serverless(parameters: str | None = None, **more: Any) -> dict[str, int]:
    """What of vCPUs a Spark run claims."""
    driver = {"entryPoint": "s3://bucket/job.py"}
    if parameters is not None:
        driver["sparkSubmitParameters"] = parameters
    spec = {"applicationId": "00f1", "jobDriver": {"sparkSubmit": driver}, **more}
    found = claims("emr_serverless", spec)
    assert found.pop("emr-serverless:prod:00f1") == 1
    return found


def vcpus(units: int) -> dict[str, int]:
    return {"emr-serverless-vcpu:prod:00f1": units}


@pytest.mark.parametrize(
    ("fields", "settings", "pool"),
    [
        ({"applicationId": "00f1"}, {"serverless_application": "main"}, "emr-serverless:prod:00f1"),
        ({"applicationName": "a/b"}, {}, "emr-serverless:prod:a%2Fb"),
        ({}, {"serverless_application": "main"}, "emr-serverless:prod:main"),
        (
            {"application": {"name": "team", "releaseLabel": "emr-7.5.0"}},
            {"application_name_prefix": "prod-"},
            "emr-serverless:prod:prod-team",
        ),
        ({}, {}, None),
    ],
)
def test_a_serverless_run_claims_its_application(
    fields: dict[str, Any], settings: dict[str, Any], pool: str | None
) -> None:
    found = claims("emr_serverless", {**SPECS["serverless"], **fields}, **settings)
    assert found == ({} if pool is None else {pool: 1})


@pytest.mark.parametrize(
    ("parameters", "units"),
    [
        ("--conf spark.dynamicAllocation.maxExecutors=10", 44),
        ("--conf spark.dynamicAllocation.maxExecutors=10 --conf spark.executor.instances=2", 44),
        ("--conf spark.executor.instances=2", 12),
        ("--conf spark.dynamicAllocation.enabled=false", 16),
        ("--conf spark.dynamicAllocation.enabled=false --conf spark.dynamicAllocation.maxExecutors=10", 16),
        ("--driver-cores 2 --executor-cores=8 --num-executors 5", 42),
        ("--executor-cores 8 --conf spark.executor.cores=1 --num-executors 5", 44),
        ('--conf "spark.driver.cores=1" -c spark.executor.cores=2 --conf=spark.executor.instances=3', 7),
        ("--conf spark.executor.instances=3 --conf spark.executor.instances=4", 20),
        ("--class a.B --conf spark.app.name=--num-executors", None),
        ("", None),
        ("--conf spark.executor.cores=2", None),
        ("--num-executors {{ .inputs.executors }}", None),
        ("--num-executors 2 --executor-cores {{.inputs.cores}}", None),
        ("--num-executors -1", None),
        ("--num-executors 99999999", None),
    ],
)
def test_a_spark_run_claims_the_vcpus_that_it_may_take(parameters: str, units: int | None) -> None:
    assert serverless(parameters or None) == ({} if units is None else vcpus(units))


def test_the_nearest_of_what_a_spec_says_of_spark_counts() -> None:
    def defaults(instances: int, cores: int) -> list[dict[str, Any]]:
        properties = {"spark.executor.instances": str(instances), "spark.executor.cores": str(cores)}
        return [{"classification": "spark-defaults", "properties": properties}, {"classification": "other"}]

    described: dict[str, Any] = {"application": {"runtimeConfiguration": defaults(1, 2)}}
    overrides: dict[str, Any] = {"configurationOverrides": {"applicationConfiguration": defaults(2, 4)}}
    assert serverless(**described) == vcpus(4 + 1 * 2)
    assert serverless(**described, **overrides) == vcpus(4 + 2 * 4)
    assert serverless("--num-executors 3", **described, **overrides) == vcpus(4 + 3 * 4)


def test_hive_says_nothing_of_its_vcpus() -> None:
    spec = {"applicationId": "00f1", "jobDriver": {"hive": {"query": "s3://bucket/report.ql"}}}
    assert claims("emr_serverless", spec) == {"emr-serverless:prod:00f1": 1}


def test_a_run_on_eks_claims_its_virtual_cluster() -> None:
    spec = SPECS["containers"]
    assert claims("emr_containers", {**spec, "virtualClusterId": "abc1"}) == {"emr-eks:prod:abc1": 1}
    assert claims("emr_containers", spec, virtual_cluster="main") == {"emr-eks:prod:main": 1}
    assert claims("emr_containers", spec) == {}


def test_a_step_claims_its_cluster() -> None:
    assert claims("emr_step", {"cluster_id": "j-ABC123", **STEP}) == {"emr:prod:j-ABC123": 1}
    assert claims("emr_step", {"cluster_name": "night shift", **STEP}) == {"emr:prod:night%20shift": 1}


def group(role: str, count: int, **more: Any) -> dict[str, Any]:
    return {"instance_role": role, "instance_type": "m5.xlarge", "instance_count": count, **more}


def fleet(role: str, *, spot: int = 0, on_demand: int = 0, weight: int | None = None) -> dict[str, Any]:
    types = [{"instance_type": "m5.xlarge", "weighted_capacity": weight}]
    return {
        "instance_fleet_type": role,
        "target_spot_capacity": spot,
        "target_on_demand_capacity": on_demand,
        "instance_type_configs": types,
    }


SCALED = {"ComputeLimits": {"UnitType": "Instances", "MinimumCapacityUnits": 2, "MaximumCapacityUnits": 20}}
IN_VCPUS = {"ComputeLimits": {"UnitType": "VCPU", "MinimumCapacityUnits": 2, "MaximumCapacityUnits": 200}}


@pytest.mark.parametrize(
    ("instances", "scaling", "machines"),
    [
        (INSTANCES, None, 3),
        ({"master_instance_type": "m5.xlarge"}, None, 1),
        ({"instance_groups": [group("MASTER", 1), group("CORE", 4), group("TASK", 2)]}, None, 7),
        (
            {
                "instance_groups": [
                    group("MASTER", 3),
                    group("CORE", 4, auto_scaling_policy={"Constraints": {"MaxCapacity": 9}, "Rules": []}),
                ]
            },
            None,
            12,
        ),
        ({"instance_groups": [group("MASTER", 3), group("CORE", 4)]}, SCALED, 23),
        ({"instance_groups": [group("MASTER", 3), group("CORE", 40)]}, SCALED, 43),
        ({"instance_groups": [group("MASTER", 3), group("CORE", 4)]}, IN_VCPUS, 7),
        ({"instance_fleets": [fleet("MASTER", on_demand=1), fleet("CORE", spot=4, on_demand=2)]}, None, 7),
        ({"instance_fleets": [fleet("MASTER", on_demand=1), fleet("CORE", spot=4, weight=1)]}, None, 5),
        ({"instance_fleets": [fleet("MASTER", on_demand=1), fleet("CORE", spot=64, weight=8)]}, None, None),
    ],
)
def test_a_cluster_claims_itself_and_the_machines_that_it_may_have(
    instances: dict[str, Any], scaling: dict[str, Any] | None, machines: int | None
) -> None:
    spec = {**CLUSTER, "instances": instances, "managed_scaling_policy": scaling}
    expected = {"emr-cluster:prod": 1}
    if machines is not None:
        expected["emr-cluster-instances:prod"] = machines
    assert claims("emr_cluster", spec) == expected
