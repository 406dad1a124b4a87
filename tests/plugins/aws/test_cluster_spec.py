"""What a cluster's spec takes and refuses, and what is sent of it: botocore's own model of RunJobFlow is the judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic
import pytest
from botocore.validate import ParamValidator  # type: ignore[import-untyped]  # botocore has no types

from propwash.sdk import CreateRequest, Permanent, Unavailable
from propwash_aws.clusters.keys import ClusterKey, read_meta
from propwash_aws.clusters.spec import ClusterSpec
from propwash_aws.clusters.submission import cluster_request as asked_of
from tests.plugins.aws.emr_fake import FakeEmr, input_shape
from tests.plugins.aws.emr_requests import CLUSTER, cluster_request, new_name

STEP = {"name": "a", "hadoop_jar_step": {"jar": "a.jar"}}
INSTANCES = {"master_instance_type": "m5.xlarge", "instance_count": 1}

EVERYTHING: Mapping[str, Any] = {
    "release_label": "emr-7.2.0",
    "instances": {
        "instance_groups": [
            {
                "name": "m",
                "instance_role": "MASTER",
                "instance_type": "m5.xlarge",
                "instance_count": 1,
                "market": "SPOT",
                "bid_price": "0.1",
                "configurations": [{"Classification": "spark", "Properties": {"a": "b"}}],
                "ebs_configuration": {
                    "ebs_optimized": True,
                    "ebs_block_device_configs": [
                        {
                            "volume_specification": {"volume_type": "gp3", "SizeInGB": 10, "throughput": 125},
                            "volumes_per_instance": 1,
                        }
                    ],
                },
                "auto_scaling_policy": {
                    "Constraints": {"MinCapacity": 1, "MaxCapacity": 2},
                    "Rules": [],
                },
            }
        ],
        "ec2_key_name": "k",
        "placement": {"availability_zone": "eu-west-1a"},
        "unhealthy_node_replacement": True,
        "ec2_subnet_id": "subnet-1",
        "emr_managed_master_security_group": "sg-1",
        "emr_managed_slave_security_group": "sg-2",
        "service_access_security_group": "sg-3",
        "additional_master_security_groups": ["sg-4"],
        "additional_slave_security_groups": ["sg-5"],
    },
    "steps": [
        {
            "name": "a",
            "action_on_failure": "CONTINUE",
            "hadoop_jar_step": {
                "jar": "a.jar",
                "args": ["{{ .inputs.x }}"],
                "main_class": "M",
                "properties": {"k": "{{ .inputs.x }}"},
            },
            "step_monitoring_configuration": {"S3MonitoringConfiguration": {"LogUri": "s3://b/"}},
        }
    ],
    "applications": [{"name": "Spark", "version": "3", "args": ["x"], "additional_info": {"a": "b"}}],
    "configurations": [{"Classification": "spark", "Configurations": [], "Properties": {"a": "b"}}],
    "bootstrap_actions": [
        {"name": "b", "script_bootstrap_action": {"path": "s3://b/x.sh", "args": ["{{ .inputs.x }}"]}}
    ],
    "service_role": "EMR_DefaultRole",
    "job_flow_role": "EMR_EC2_DefaultRole",
    "auto_scaling_role": "EMR_AutoScaling_DefaultRole",
    "step_execution_role_arn": "arn:aws:iam::123456789012:role/steps",
    "log_uri": "s3://logs/",
    "log_encryption_kms_key_id": "key",
    "security_configuration": "sec",
    "step_concurrency_level": 4,
    "auto_termination_policy": {"idle_timeout": 3600},
    "managed_scaling_policy": {
        "ComputeLimits": {"UnitType": "VCPU", "MinimumCapacityUnits": 1, "MaximumCapacityUnits": 2}
    },
    "scale_down_behavior": "TERMINATE_AT_TASK_COMPLETION",
    "placement_group_configs": [{"InstanceRole": "MASTER"}],
    "custom_ami_id": "ami-1",
    "ebs_root_volume_size": 20,
    "ebs_root_volume_iops": 3000,
    "ebs_root_volume_throughput": 125,
    "repo_upgrade_on_boot": "NONE",
    "OSReleaseLabel": "2.0.2024",
    "monitoring_configuration": {"CloudWatchLogConfiguration": {"Enabled": True}},
    "extended_support": True,
    "session_enabled": True,
    "visible_to_all_users": True,
    "additional_info": "{}",
    "supported_products": ["mapr-m3"],
    "new_supported_products": [{"Name": "x", "Args": []}],
}
FLEETS = {
    "instance_fleets": [
        {
            "instance_fleet_type": "MASTER",
            "target_on_demand_capacity": 1,
            "instance_type_configs": [
                {"instance_type": "m5.xlarge", "bid_price_as_percentage_of_on_demand_price": 50.0}
            ],
            "launch_specifications": {"OnDemandSpecification": {"AllocationStrategy": "lowest-price"}},
            "resize_specifications": {"SpotResizeSpecification": {"TimeoutDurationMinutes": 5}},
            "context": "x",
        }
    ],
    "ec2_subnet_ids": ["subnet-1"],
}


def run_job_flow() -> Any:
    return input_shape("emr", "RunJobFlow")


def judged(request: CreateRequest[ClusterSpec]) -> Mapping[str, object]:
    """What is sent, which botocore's own model takes."""
    asked = asked_of(request)
    report = ParamValidator().validate(asked, run_job_flow())
    assert not report.has_errors(), report.generate_report()
    return asked


def test_every_field_of_the_api_is_known() -> None:
    members = set(run_job_flow().members)
    known = {info.alias for info in ClusterSpec.model_fields.values()}
    assert members - known == {"KerberosAttributes"}
    assert known - members == set()


def test_everything_is_sent_as_the_api_takes_it() -> None:
    asked = judged(cluster_request(FakeEmr(), inputs={"x": 7}, **EVERYTHING))
    members = set(run_job_flow().members)
    assert members - set(asked) == {"KerberosAttributes", "AmiVersion"}
    assert asked["Steps"] == [
        {
            "Name": "a",
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {
                "Jar": "a.jar",
                "Args": ["7"],
                "MainClass": "M",
                "Properties": [{"Key": "k", "Value": "7"}],
            },
            "StepMonitoringConfiguration": {"S3MonitoringConfiguration": {"LogUri": "s3://b/"}},
        }
    ]
    assert asked["BootstrapActions"] == [
        {"Name": "b", "ScriptBootstrapAction": {"Path": "s3://b/x.sh", "Args": ["7"]}}
    ]


def test_fleets_are_sent_as_the_api_takes_them() -> None:
    asked = judged(cluster_request(FakeEmr(), instances=FLEETS))
    instances = asked["Instances"]
    assert isinstance(instances, dict)
    assert list(instances["InstanceFleets"][0]["InstanceTypeConfigs"]) == [
        {"InstanceType": "m5.xlarge", "BidPriceAsPercentageOfOnDemandPrice": 50.0}
    ]


@pytest.mark.parametrize(
    ("concurrency", "action"), [(None, "TERMINATE_CLUSTER"), (1, "TERMINATE_CLUSTER"), (2, "CONTINUE")]
)
def test_what_a_failed_step_does_by_default(concurrency: int | None, action: str) -> None:
    more: dict[str, Any] = {} if concurrency is None else {"step_concurrency_level": concurrency}
    asked = judged(cluster_request(FakeEmr(), **more))
    steps = asked["Steps"]
    assert isinstance(steps, list)
    assert [one["ActionOnFailure"] for one in steps] == [action]


def test_tags_are_taken_as_map_and_as_the_apis_list() -> None:
    as_list = ClusterSpec.model_validate({**CLUSTER, "Tags": [{"Key": "a", "Value": "b"}]})
    assert as_list == ClusterSpec.model_validate({**CLUSTER, "tags": {"a": "b"}})


@pytest.mark.parametrize(
    "more",
    [
        {"instances": {**INSTANCES, "keep_job_flow_alive_when_no_steps": True}},
        {"instances": {**INSTANCES, "TerminationProtected": True}},
        {"instances": {}},
        {"instances": {**FLEETS, "instance_groups": []}},
        {"instances": {**INSTANCES, "instance_groups": [], **FLEETS}},
        {"steps": []},
        {"steps": [STEP] * 257},
        {"steps": [{**STEP, "action_on_failure": "IGNORE"}]},
        {"release_label": None},
        {"ami_version": "3.11"},
        {"kerberos_attributes": {"Realm": "R", "KdcAdminPassword": "secret"}},
        {"KerberosAttributes": {"Realm": "R", "KdcAdminPassword": "secret"}},
        {"tags": {"propwash-owner": "me"}},
        {"tags": {"aws:x": "me"}},
        {"tags": {str(number): "" for number in range(47)}},
        {"tags": [{"Key": "a", "Value": "b"}, {"Key": "a", "Value": "c"}]},
        {"tags": ["a"]},
        {"step_concurrency_level": 257},
        {"auto_termination_policy": {"idle_timeout": 59}},
        {"misspelt": 1},
        {"instances": {**INSTANCES, "misspelt": 1}},
    ],
)
def test_spec_is_refused(more: dict[str, object]) -> None:
    ClusterSpec.model_validate(dict(CLUSTER))
    with pytest.raises(pydantic.ValidationError):
        ClusterSpec.model_validate({**CLUSTER, **more})


def test_why_kerberos_is_refused_is_said_without_the_password() -> None:
    given = {**CLUSTER, "KerberosAttributes": {"Realm": "R", "KdcAdminPassword": "hunter2"}}
    with pytest.raises(pydantic.ValidationError) as raised:
        ClusterSpec.model_validate(given)
    (fault,) = raised.value.errors(include_input=False)
    assert "passwords" in fault["msg"]
    assert "hunter2" not in fault["msg"]


def test_input_that_is_missing_is_refused_with_its_path() -> None:
    steps = [STEP, {"name": "b", "hadoop_jar_step": {"jar": "a.jar", "args": ["{{ .inputs.x }}"]}}]
    with pytest.raises(Permanent) as raised:
        asked_of(cluster_request(FakeEmr(), steps=steps))
    assert "steps[1].hadoop_jar_step.args[0]" in raised.value.message


def test_step_that_is_too_long_is_refused() -> None:
    steps = [{"name": "b", "hadoop_jar_step": {"jar": "a.jar", "args": ["x" * 10_240]}}]
    with pytest.raises(Permanent) as raised:
        asked_of(cluster_request(FakeEmr(), steps=steps))
    assert raised.value.reason == "STEP_TOO_LONG"


def test_meta_is_small_and_read_again() -> None:
    key = ClusterKey("j-2AXXXXXXGAPLF", new_name(FakeEmr()))
    assert read_meta(key.meta()) == key
    for strange in (b"", b"{}", b"[2]", b'[1,"a"]', b"\xff"):
        with pytest.raises(Unavailable):
            read_meta(strange)
