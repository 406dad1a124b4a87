"""What a user gives for a step: the cluster, what it runs, and how it is to be cancelled.

Source: Amazon EMR API Reference, AddJobFlowSteps (StepConfig, HadoopJarStepConfig) and CancelSteps; EMR Release
Guide, "Run commands and scripts on an Amazon EMR cluster" (command-runner.jar and its spark-submit, hive-script and
pig-script).
"""

from __future__ import annotations

import json
from typing import Literal

import pydantic
from pydantic import ConfigDict, Field, model_validator

from propwash_aws.clusters.api_types import ApiModel, ClusterId, RoleArn, Text

ActionOnFailure = Literal["CONTINUE", "CANCEL_AND_WAIT", "TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW"]
OpenState = Literal["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
_MOST_NAME_BYTES = 202


class HadoopJarStep(ApiModel):
    """A JAR and how it is called."""

    jar: Text = Field(description="The JAR, in S3 or on the master node; command-runner.jar runs commands.")
    args: tuple[str, ...] = Field(default=(), description="Arguments; {{ .inputs.NAME }} is filled in.")
    main_class: Text | None = Field(
        default=None, description="The main class, where the manifest names none."
    )
    properties: dict[str, str] | None = Field(
        default=None, description="Java properties; {{ .inputs.NAME }} is filled in in their values."
    )


class Script(ApiModel):
    """A Hive or Pig script and its arguments."""

    model_config = ConfigDict(alias_generator=None)

    script: Text = Field(description="Where the script is, such as s3://bucket/report.q.")
    args: tuple[str, ...] = Field(default=(), description="Arguments; {{ .inputs.NAME }} is filled in.")


class S3Monitoring(ApiModel):
    """Where the logs of one step go."""

    log_uri: Text | None = Field(default=None, description="The place in S3.")
    encryption_key_arn: Text | None = Field(default=None, description="The key that encrypts them.")


class StepMonitoring(ApiModel):
    """How one step is logged."""

    s3_monitoring_configuration: S3Monitoring | None = Field(
        default=None, alias="S3MonitoringConfiguration", description="Logs in S3."
    )


class StepSpec(ApiModel):
    """One step on a cluster that exists. The API's fields are taken by its own names or in snake case, ours in that.

    Inputs are filled in where an argument, a script's location or a property's value says {{ .inputs.NAME }}.
    """

    model_config = ConfigDict(title="EMR step")

    cluster_id: ClusterId | None = Field(
        alias="cluster_id", default=None, description="The cluster, by its id. Give this or cluster_name."
    )
    cluster_name: Text | None = Field(
        alias="cluster_name",
        default=None,
        description="The cluster, by its name: looked up when the step is sent, among the clusters in cluster_states.",
    )
    cluster_states: tuple[OpenState, ...] = Field(
        alias="cluster_states",
        default=("WAITING", "RUNNING"),
        min_length=1,
        description="States that a cluster of that name may be in.",
    )
    when_ambiguous: Literal["refuse", "newest"] = Field(
        default="refuse",
        alias="when_ambiguous",
        description="What is done where several clusters of that name are in such a state: refuse the step, or take "
        "the one that was made last.",
    )
    hadoop_jar_step: HadoopJarStep | None = Field(
        default=None,
        description="What is run, as the API has it. Give one of this, spark_submit, hive_script and pig_script.",
    )
    spark_submit: tuple[str, ...] | None = Field(
        alias="spark_submit",
        default=None,
        min_length=1,
        description="Arguments of spark-submit, which command-runner.jar runs.",
    )
    hive_script: Script | None = Field(
        alias="hive_script", default=None, description="A Hive script, which command-runner.jar runs."
    )
    pig_script: Script | None = Field(
        alias="pig_script", default=None, description="A Pig script, which command-runner.jar runs."
    )
    action_on_failure: ActionOnFailure = Field(
        default="CONTINUE",
        description="What EMR does to the others when this step fails. CONTINUE: nothing. CANCEL_AND_WAIT: cancels all "
        "pending steps of the cluster, whoever sent them. TERMINATE_CLUSTER (TERMINATE_JOB_FLOW is its old name): ends "
        "the cluster with all that runs there. EMR refuses the last three where steps run concurrently.",
    )
    execution_role_arn: RoleArn | None = Field(
        default=None,
        description="The runtime role of the step. Needs a cluster with a security configuration for runtime roles.",
    )
    step_monitoring_configuration: StepMonitoring | None = Field(
        default=None, description="Where this step's logs go, instead of the cluster's LogUri."
    )
    step_cancellation_option: Literal["SEND_INTERRUPT", "TERMINATE_PROCESS"] = Field(
        default="SEND_INTERRUPT",
        description="How a running step is cancelled: SIGINT, or SIGKILL. EMR 5.28 and later; earlier releases cancel "
        "pending steps only.",
    )

    @model_validator(mode="after")
    def _agree(self) -> StepSpec:
        if (self.cluster_id is None) is (self.cluster_name is None):
            raise ValueError("give one of cluster_id and cluster_name")
        kinds = (self.hadoop_jar_step, self.spark_submit, self.hive_script, self.pig_script)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("give one of hadoop_jar_step, spark_submit, hive_script and pig_script")
        return self

    @pydantic.field_validator("cluster_name")
    @classmethod
    def _fits_the_hint(cls, name: str | None) -> str | None:
        # The name travels with every look-up: in JSON, in a hint of at most 256 bytes.
        if name is not None and len(json.dumps(name, ensure_ascii=False).encode()) > _MOST_NAME_BYTES:
            raise ValueError("is longer than 200 bytes: give the cluster's id")
        return name
