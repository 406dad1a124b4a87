"""The machines of a cluster, as RunJobFlow takes them.

Source: Amazon EMR API Reference, JobFlowInstancesConfig, InstanceGroupConfig, InstanceFleetConfig and what they hold.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from propwash_aws.clusters.api_types import ApiModel, JsonObject, ShortText, Text

Role = Literal["MASTER", "CORE", "TASK"]


class VolumeSpecification(ApiModel):
    """An EBS volume."""

    volume_type: str = Field(min_length=1, description="Such as gp3.")
    iops: int | None = Field(default=None, ge=1, description="Operations a second.")
    size_in_gb: int = Field(ge=1, alias="SizeInGB", description="GiB.")
    throughput: int | None = Field(default=None, ge=0, description="MiB a second, for gp3.")


class EbsBlockDeviceConfig(ApiModel):
    """Volumes of one kind."""

    volume_specification: VolumeSpecification = Field(description="The volume.")
    volumes_per_instance: int | None = Field(default=None, ge=1, description="How many of it; 1 by default.")


class EbsConfiguration(ApiModel):
    """The EBS volumes of an instance."""

    ebs_block_device_configs: tuple[EbsBlockDeviceConfig, ...] | None = Field(
        default=None, description="The volumes."
    )
    ebs_optimized: bool | None = Field(default=None, description="Whether the instance is EBS-optimised.")


class InstanceGroup(ApiModel):
    """Machines of one role and type."""

    name: ShortText | None = Field(default=None, description="A name for people.")
    market: Literal["ON_DEMAND", "SPOT"] | None = Field(
        default=None, description="On demand or spot; on demand by default."
    )
    instance_role: Role = Field(description="What the machines do.")
    bid_price: ShortText | None = Field(default=None, description="The highest spot price, in dollars.")
    instance_type: ShortText = Field(description="Such as m5.xlarge.")
    instance_count: int = Field(ge=0, description="How many.")
    configurations: tuple[JsonObject, ...] | None = Field(
        default=None, description="Settings of applications on these machines."
    )
    ebs_configuration: EbsConfiguration | None = Field(default=None, description="Their volumes.")
    auto_scaling_policy: JsonObject | None = Field(
        default=None, description="How the group grows and shrinks, as the API has it."
    )
    custom_ami_id: ShortText | None = Field(default=None, description="A machine image of their own.")


class InstanceTypeConfig(ApiModel):
    """One type of machine that a fleet may take."""

    instance_type: ShortText = Field(description="Such as m5.xlarge.")
    weighted_capacity: int | None = Field(
        default=None, ge=0, description="Units of capacity that one is worth."
    )
    bid_price: ShortText | None = Field(default=None, description="The highest spot price, in dollars.")
    bid_price_as_percentage_of_on_demand_price: float | None = Field(
        default=None, ge=0, description="The highest spot price, against the price on demand."
    )
    ebs_configuration: EbsConfiguration | None = Field(default=None, description="Its volumes.")
    configurations: tuple[JsonObject, ...] | None = Field(
        default=None, description="Settings of applications on it."
    )
    custom_ami_id: ShortText | None = Field(default=None, description="A machine image of its own.")
    priority: float | None = Field(
        default=None, ge=0, description="Lower is taken first, where the strategy goes by it."
    )


class InstanceFleet(ApiModel):
    """Machines of one role, of whichever types can be had."""

    name: ShortText | None = Field(default=None, description="A name for people.")
    instance_fleet_type: Role = Field(description="What the machines do.")
    target_on_demand_capacity: int | None = Field(default=None, ge=0, description="Units on demand.")
    target_spot_capacity: int | None = Field(default=None, ge=0, description="Units of spot.")
    instance_type_configs: tuple[InstanceTypeConfig, ...] | None = Field(
        default=None, description="The types that may be taken."
    )
    launch_specifications: JsonObject | None = Field(
        default=None, description="Strategies and timeouts of the start, as the API has them."
    )
    resize_specifications: JsonObject | None = Field(
        default=None, description="Strategies and timeouts of a resize, as the API has them."
    )
    context: ShortText | None = Field(default=None, description="Reserved by EMR; handed on.")


class Placement(ApiModel):
    """Where the machines stand."""

    availability_zone: Text | None = Field(default=None, description="The zone.")
    availability_zones: tuple[ShortText, ...] | None = Field(
        default=None, description="Zones to choose from, for fleets."
    )


class Instances(ApiModel):
    """The machines of a cluster; instance groups or instance fleets or the three plain fields.

    The cluster is the job: it ends with its last step, and can be ended by us.
    """

    master_instance_type: ShortText | None = Field(
        default=None, description="The type of the master, where no groups or fleets are given."
    )
    slave_instance_type: ShortText | None = Field(
        default=None, description="The type of the others, where no groups or fleets are given."
    )
    instance_count: int | None = Field(
        default=None, ge=1, description="How many in all, where no groups or fleets are given."
    )
    instance_groups: tuple[InstanceGroup, ...] | None = Field(
        default=None, description="Machines by role, one type each."
    )
    instance_fleets: tuple[InstanceFleet, ...] | None = Field(
        default=None, description="Machines by role, of several types."
    )
    ec2_key_name: ShortText | None = Field(default=None, description="The key pair for SSH.")
    placement: Placement | None = Field(default=None, description="Where the machines stand.")
    keep_job_flow_alive_when_no_steps: Literal[False] = Field(
        default=False, description="False: the cluster ends with its last step."
    )
    termination_protected: Literal[False] = Field(
        default=False, description="False: we must be able to end it."
    )
    unhealthy_node_replacement: bool | None = Field(
        default=None, description="Whether degraded core nodes are replaced."
    )
    hadoop_version: ShortText | None = Field(default=None, description="EMR 2 and 3 only.")
    ec2_subnet_id: ShortText | None = Field(default=None, description="The subnet.")
    ec2_subnet_ids: tuple[ShortText, ...] | None = Field(
        default=None, description="Subnets to choose from, for fleets."
    )
    emr_managed_master_security_group: ShortText | None = Field(
        default=None, description="The security group of the master."
    )
    emr_managed_slave_security_group: ShortText | None = Field(
        default=None, description="The security group of the others."
    )
    service_access_security_group: ShortText | None = Field(
        default=None, description="The security group by which EMR reaches a private subnet."
    )
    additional_master_security_groups: tuple[ShortText, ...] | None = Field(
        default=None, description="Further security groups of the master."
    )
    additional_slave_security_groups: tuple[ShortText, ...] | None = Field(
        default=None, description="Further security groups of the others."
    )

    @model_validator(mode="after")
    def _agree(self) -> Instances:
        if self.instance_groups is not None and self.instance_fleets is not None:
            raise ValueError("give instance_groups or instance_fleets, not both")
        kinds = (self.instance_groups, self.instance_fleets, self.master_instance_type)
        if not any(kinds):
            raise ValueError("give instance_groups, instance_fleets, or master_instance_type")
        return self
