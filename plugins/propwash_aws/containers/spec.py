"""What a user gives for an EMR on EKS job run: every documented field of StartJobRun.

Source: EMR on EKS API Reference, StartJobRun (and botocore's model of it, 2020-10-01), whose limits are checked here
so that a spec that cannot be is refused at once.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import pydantic
from pydantic import ConfigDict, Field, model_validator

from propwash_aws.names import MOST_TAGS, OWN_TAGS
from propwash_aws.runs.api_types import (
    ApiModel,
    Arguments,
    Configuration,
    LogGroup,
    LogUri,
    NotBlank,
    PlaceName,
    ReleaseLabel,
    RoleArn,
    Tags,
    exactly_one,
)

Switch: TypeAlias = Literal["ENABLED", "DISABLED"]
_EntryPoint: TypeAlias = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=256), NotBlank]
_Argument: TypeAlias = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=10_280)]
_KeyArn: TypeAlias = Annotated[str, pydantic.StringConstraints(min_length=3, max_length=2048)]


class SparkSubmit(ApiModel):
    """A Spark program."""

    entry_point: _EntryPoint = Field(
        description="The program, such as s3://bucket/job.py; {{ .inputs.NAME }} is filled in."
    )
    entry_point_arguments: tuple[_Argument, ...] | None = Field(
        default=None, description="Its arguments; {{ .inputs.NAME }} is filled in."
    )
    spark_submit_parameters: Arguments | None = Field(
        default=None,
        description="Options of spark-submit, such as --conf spark.executor.instances=2; {{ .inputs.NAME }} is filled "
        "in.",
    )


class SparkSql(ApiModel):
    """A Spark SQL script."""

    entry_point: _EntryPoint | None = Field(
        default=None,
        description="The script, such as s3://bucket/report.sql; {{ .inputs.NAME }} is filled in.",
    )
    spark_sql_parameters: Arguments | None = Field(
        default=None, description="Options of spark-sql; {{ .inputs.NAME }} is filled in."
    )


class JobDriver(ApiModel):
    """What runs: exactly one of the two."""

    spark_submit_job_driver: SparkSubmit | None = Field(default=None, description="A Spark program.")
    spark_sql_job_driver: SparkSql | None = Field(default=None, description="A Spark SQL script.")

    @model_validator(mode="after")
    def _one(self) -> JobDriver:
        exactly_one(self, "spark_submit_job_driver", "spark_sql_job_driver")
        return self


class ManagedLogs(ApiModel):
    """Logs that AWS keeps for its support."""

    allow_aws_to_retain_logs: Switch | None = Field(
        default=None, alias="allowAWSToRetainLogs", description="Whether AWS may keep logs."
    )
    encryption_key_arn: _KeyArn | None = Field(default=None, description="The KMS key that encrypts them.")


class CloudWatchMonitoring(ApiModel):
    """Logs to CloudWatch."""

    log_group_name: LogGroup = Field(description="The log group.")
    log_stream_name_prefix: (
        Annotated[str, pydantic.StringConstraints(min_length=1, max_length=256)] | None
    ) = Field(default=None, description="What the names of log streams begin with.")


class S3Monitoring(ApiModel):
    """Logs to S3."""

    log_uri: LogUri = Field(description="Where logs go, such as s3://bucket/logs/.")
    encryption_key_arn: _KeyArn | None = Field(default=None, description="The KMS key that encrypts them.")


class LogRotation(ApiModel):
    """How the logs of containers are rotated."""

    rotation_size: Annotated[
        str, pydantic.StringConstraints(pattern=r"^\d+(\.\d+)?[KMG][Bb]?$", min_length=3, max_length=12)
    ] = Field(description="The size of a file, such as 50M.")
    max_files_to_keep: int = Field(ge=1, le=50, description="How many files are kept.")


class Monitoring(ApiModel):
    """Where logs go."""

    managed_logs: ManagedLogs | None = Field(default=None, description="Logs that AWS keeps.")
    persistent_app_ui: Switch | None = Field(
        default=None, alias="persistentAppUI", description="Whether the Spark UI outlives the run."
    )
    cloud_watch_monitoring_configuration: CloudWatchMonitoring | None = Field(
        default=None, description="Logs to CloudWatch."
    )
    s3_monitoring_configuration: S3Monitoring | None = Field(default=None, description="Logs to S3.")
    container_log_rotation_configuration: LogRotation | None = Field(
        default=None, description="How the logs of containers are rotated."
    )


class ConfigurationOverrides(ApiModel):
    """What goes before the defaults of the release."""

    application_configuration: tuple[Configuration, ...] | None = Field(
        default=None, max_length=100, description="Settings by component."
    )
    monitoring_configuration: Monitoring | None = Field(default=None, description="Where logs go.")


class RetryPolicy(ApiModel):
    """EMR on EKS' own attempts within one run."""

    max_attempts: int = Field(ge=1, description="The most attempts of the driver.")


class ContainersSpec(ApiModel):
    """One EMR on EKS job run. Fields are taken by the API's own names (camel case) or in snake case.

    Inputs are filled in where the job driver's texts, the job template's parameters, or the values of
    applicationConfiguration's properties, say {{ .inputs.NAME }}.
    """

    model_config = ConfigDict(title="EMR on EKS job run")

    virtual_cluster_id: PlaceName | None = Field(
        default=None,
        description="The virtual cluster, by its id or its name; the connection's virtual_cluster where not given.",
    )
    virtual_cluster_name: PlaceName | None = Field(
        default=None, description="The virtual cluster, by its name. Give this or virtualClusterId."
    )
    job_driver: JobDriver | None = Field(
        default=None, description="What runs. Needed where jobTemplateId is not given."
    )
    release_label: ReleaseLabel | None = Field(
        default=None,
        description="The release, such as emr-7.5.0-latest. Needed where jobTemplateId is not given.",
    )
    execution_role_arn: RoleArn | None = Field(
        default=None,
        description="The role that the run has; the connection's, or the template's, where not given.",
    )
    configuration_overrides: ConfigurationOverrides | None = Field(
        default=None, description="What goes before the defaults of the release."
    )
    job_template_id: Annotated[str, pydantic.StringConstraints(pattern=r"^[0-9a-z]{1,64}$")] | None = Field(
        default=None, description="A job template that the run is made from."
    )
    job_template_parameters: dict[str, str] | None = Field(
        default=None, max_length=100, description="Its parameters; {{ .inputs.NAME }} is filled in in values."
    )
    retry_policy_configuration: RetryPolicy | None = Field(
        default=None, description="EMR on EKS' own attempts within one run."
    )
    tags: Tags | None = Field(
        default=None,
        max_length=MOST_TAGS - OWN_TAGS,
        description="Tags of the run. Keys that begin with aws: or propwash- are refused.",
    )
    name: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=256), NotBlank] | None = Field(
        default=None,
        description="A name for people. It becomes the tag propwash-name: the run's name is ours.",
    )

    @model_validator(mode="after")
    def _agree(self) -> ContainersSpec:
        if self.virtual_cluster_id is not None and self.virtual_cluster_name is not None:
            raise ValueError("give virtual_cluster_id or virtual_cluster_name, not both")
        if self.job_template_id is None:
            if self.job_driver is None or self.release_label is None:
                raise ValueError("give job_driver and release_label, or job_template_id")
            if self.job_template_parameters is not None:
                raise ValueError("job_template_parameters is given, but no job_template_id")
        return self
