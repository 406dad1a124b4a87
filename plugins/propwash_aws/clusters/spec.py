"""What a user gives for a transient cluster: RunJobFlow's input, whole, except what would keep the cluster alive.

Source: Amazon EMR API Reference, RunJobFlow, as botocore's model of the API (2009-03-31) has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from propwash_aws.clusters.api_types import ApiModel, JsonObject, RoleArn, ShortText, Text
from propwash_aws.clusters.instances import Instances
from propwash_aws.names import MOST_TAGS, OWN_TAGS, checked_tags

_KERBEROS = (
    "KerberosAttributes holds passwords, and a spec is stored: secrets never stand in it; use a cluster that exists "
    "and the task type emr_step"
)


class JarStep(ApiModel):
    """A JAR and how it is called; {{ .inputs.NAME }} is filled in in arguments and in the values of properties."""

    jar: Text = Field(description="The JAR; command-runner.jar runs commands.")
    args: tuple[str, ...] = Field(default=(), description="Arguments.")
    main_class: Text | None = Field(
        default=None, description="The main class, where the manifest names none."
    )
    properties: dict[str, str] | None = Field(default=None, description="Java properties.")


class ClusterStep(ApiModel):
    """One of the cluster's steps."""

    name: ShortText = Field(description="Its name.")
    action_on_failure: (
        Literal["CONTINUE", "CANCEL_AND_WAIT", "TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW"] | None
    ) = Field(default=None, description="What EMR does when it fails.")
    hadoop_jar_step: JarStep = Field(description="What it runs.")
    step_monitoring_configuration: JsonObject | None = Field(
        default=None, description="Where its logs go, as the API has it."
    )


class ScriptBootstrapAction(ApiModel):
    """A script that every machine runs before Hadoop starts."""

    path: Text = Field(description="Where the script is.")
    args: tuple[str, ...] = Field(default=(), description="Its arguments.")


class BootstrapAction(ApiModel):
    """A named bootstrap script; {{ .inputs.NAME }} is filled in in its arguments."""

    name: ShortText = Field(description="Its name.")
    script_bootstrap_action: ScriptBootstrapAction = Field(description="What it runs.")


class Application(ApiModel):
    """Software that EMR installs."""

    name: ShortText = Field(description="Such as Spark.")
    version: str | None = Field(default=None, description="Its version.")
    args: tuple[str, ...] | None = Field(default=None, description="Arguments for it.")
    additional_info: dict[str, str] | None = Field(default=None, description="More for it.")


class AutoTerminationPolicy(ApiModel):
    """Ends a cluster that is idle."""

    idle_timeout: int = Field(ge=60, le=604_800, description="Seconds.")


class ClusterSpec(ApiModel):
    """One transient cluster with its steps. Fields are taken by RunJobFlow's own names or in snake case."""

    model_config = ConfigDict(title="EMR cluster")

    name: ShortText | None = Field(
        default=None,
        description="A name for people, kept in the tag propwash-name: the cluster's own Name is the remote name.",
    )
    release_label: ShortText | None = Field(
        default=None, description="The EMR release, such as emr-7.2.0. Needed unless ami_version is given."
    )
    instances: Instances = Field(
        description="The machines. KeepJobFlowAliveWhenNoSteps and TerminationProtected are always false: the cluster "
        "is the job."
    )
    steps: tuple[ClusterStep, ...] = Field(
        min_length=1,
        max_length=256,
        description="What the cluster runs; it ends with the last one. Where action_on_failure says nothing, a step "
        "that fails ends the cluster (TERMINATE_CLUSTER); where steps run concurrently, EMR takes CONTINUE alone.",
    )
    applications: tuple[Application, ...] | None = Field(
        default=None, description="Software to install, such as Spark."
    )
    configurations: tuple[JsonObject, ...] | None = Field(
        default=None,
        description="Settings of applications, as the API has them (Classification, Properties).",
    )
    bootstrap_actions: tuple[BootstrapAction, ...] | None = Field(
        default=None, description="Scripts that every machine runs before Hadoop starts."
    )
    service_role: Text | None = Field(default=None, description="The role that EMR itself takes.")
    job_flow_role: Text | None = Field(default=None, description="The instance profile of the machines.")
    auto_scaling_role: Text | None = Field(default=None, description="The role of automatic scaling.")
    step_execution_role_arn: RoleArn | None = Field(
        default=None, description="The runtime role of the steps."
    )
    log_uri: Text | None = Field(default=None, description="Where in S3 logs go; without it there are none.")
    log_encryption_kms_key_id: Text | None = Field(
        default=None, description="The key that encrypts the logs."
    )
    tags: dict[str, str] | None = Field(
        default=None,
        max_length=MOST_TAGS - OWN_TAGS,
        description="Tags, as a map or as the API's list of Key and Value. Keys that begin with propwash- are ours.",
    )
    security_configuration: Text | None = Field(
        default=None, description="The name of a security configuration."
    )
    step_concurrency_level: int | None = Field(
        default=None, ge=1, le=256, description="How many steps run at the same time; 1 by default."
    )
    auto_termination_policy: AutoTerminationPolicy | None = Field(
        default=None, description="Ends the cluster when it was idle so long: EMR's own kill switch."
    )
    managed_scaling_policy: JsonObject | None = Field(default=None, description="Limits of managed scaling.")
    scale_down_behavior: Literal["TERMINATE_AT_INSTANCE_HOUR", "TERMINATE_AT_TASK_COMPLETION"] | None = Field(
        default=None, description="How machines leave when the cluster shrinks."
    )
    placement_group_configs: tuple[JsonObject, ...] | None = Field(
        default=None, description="Placement groups of the machines."
    )
    custom_ami_id: ShortText | None = Field(default=None, description="A machine image of one's own.")
    ebs_root_volume_size: int | None = Field(default=None, ge=1, description="GiB of the root volume.")
    ebs_root_volume_iops: int | None = Field(default=None, ge=1, description="IOPS of the root volume.")
    ebs_root_volume_throughput: int | None = Field(
        default=None, ge=1, description="MiB a second of the root volume."
    )
    repo_upgrade_on_boot: Literal["SECURITY", "NONE"] | None = Field(
        default=None, description="Which updates machines of a custom image take when they start."
    )
    os_release_label: ShortText | None = Field(
        default=None, alias="OSReleaseLabel", description="The Amazon Linux release."
    )
    monitoring_configuration: JsonObject | None = Field(
        default=None, description="Logs in CloudWatch and S3, as the API has it."
    )
    extended_support: bool | None = Field(default=None, description="Reserved by EMR; handed on.")
    session_enabled: bool | None = Field(default=None, description="Whether Spark Connect may be used.")
    visible_to_all_users: bool | None = Field(default=None, description="Without effect nowadays; handed on.")
    additional_info: Text | None = Field(default=None, description="JSON of further features; handed on.")
    ami_version: ShortText | None = Field(default=None, description="EMR 2 and 3 only.")
    supported_products: tuple[ShortText, ...] | None = Field(default=None, description="EMR 2 and 3 only.")
    new_supported_products: tuple[JsonObject, ...] | None = Field(
        default=None, description="EMR 2 and 3 only."
    )

    @model_validator(mode="before")
    @classmethod
    def _takes_no_passwords(cls, data: object) -> object:
        if isinstance(data, Mapping) and ("KerberosAttributes" in data or "kerberos_attributes" in data):
            raise ValueError(_KERBEROS)
        return data

    @field_validator("tags", mode="before")
    @classmethod
    def _as_map(cls, tags: object) -> object:
        if not isinstance(tags, list | tuple):
            return tags
        pairs = [(one.get("Key"), one.get("Value")) for one in tags if isinstance(one, Mapping)]
        if len(pairs) != len(tags) or len(dict(pairs)) != len(pairs):
            raise ValueError("a list of tags has a Key and a Value each, and no Key twice")
        return dict(pairs)

    @field_validator("tags")
    @classmethod
    def _not_ours(cls, tags: dict[str, str] | None) -> dict[str, str] | None:
        return None if tags is None else dict(checked_tags(tags))

    @model_validator(mode="after")
    def _agree(self) -> ClusterSpec:
        if (self.release_label is None) is (self.ami_version is None):
            raise ValueError("give release_label, or ami_version for EMR 2 and 3")
        return self
