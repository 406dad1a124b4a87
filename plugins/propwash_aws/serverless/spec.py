"""What a user gives for an EMR Serverless job run: every documented field of StartJobRun, and the application.

Source: EMR Serverless API Reference, StartJobRun (and botocore's model of it, 2021-07-13), whose limits are checked
here so that a spec that cannot be is refused at once.
"""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import ConfigDict, Field, model_validator

from propwash_aws.names import MOST_TAGS, OWN_TAGS
from propwash_aws.runs.api_types import (
    ApiModel,
    Arguments,
    Configuration,
    NotBlank,
    PlaceName,
    RoleArn,
    Tags,
    exactly_one,
)
from propwash_aws.serverless.application_spec import ApplicationSpec
from propwash_aws.serverless.monitoring import DiskEncryption, Monitoring


class SparkSubmit(ApiModel):
    """A Spark program."""

    entry_point: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=4096), NotBlank] = Field(
        description="The program, such as s3://bucket/job.py; {{ .inputs.NAME }} is filled in."
    )
    entry_point_arguments: tuple[str, ...] | None = Field(
        default=None, max_length=1024, description="Its arguments; {{ .inputs.NAME }} is filled in."
    )
    spark_submit_parameters: Arguments | None = Field(
        default=None,
        description="Options of spark-submit, such as --conf spark.executor.memory=8g; {{ .inputs.NAME }} is filled "
        "in.",
    )


class Hive(ApiModel):
    """A Hive query."""

    query: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=10_280), NotBlank] = Field(
        description="Where the query is, such as s3://bucket/report.ql; {{ .inputs.NAME }} is filled in."
    )
    init_query_file: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=256)] | None = Field(
        default=None, description="Where the query is that goes first; {{ .inputs.NAME }} is filled in."
    )
    parameters: Arguments | None = Field(
        default=None, description="Parameters, such as --hiveconf a=b; {{ .inputs.NAME }} is filled in."
    )


class Command(ApiModel):
    """A command, with Spark at hand: an entry point that is put into S3 starts it in the driver of a Spark job run."""

    arguments: tuple[Annotated[str, pydantic.StringConstraints(max_length=10_280)], ...] = Field(
        min_length=1,
        max_length=1024,
        description="The command and its arguments, just as they are: nothing is filled in. A blank one becomes an "
        "empty one.",
    )
    spark_submit_parameters: Arguments | None = Field(
        default=None, description="Options of spark-submit; {{ .inputs.NAME }} is filled in."
    )


class JobDriver(ApiModel):
    """What runs: exactly one of these."""

    spark_submit: SparkSubmit | None = Field(default=None, description="A Spark program.")
    hive: Hive | None = Field(default=None, description="A Hive query.")
    command: Command | None = Field(default=None, description="A command in the driver of a Spark job run.")

    @model_validator(mode="after")
    def _one(self) -> JobDriver:
        exactly_one(self, "spark_submit", "hive", "command")
        return self


class ConfigurationOverrides(ApiModel):
    """What goes before the application's own configuration."""

    application_configuration: tuple[Configuration, ...] | None = Field(
        default=None, max_length=100, description="Settings by component."
    )
    monitoring_configuration: Monitoring | None = Field(
        default=None, description="Where logs and metrics go; the application's where not given."
    )
    disk_encryption_configuration: DiskEncryption | None = Field(
        default=None, description="How the workers' disks are encrypted."
    )


class IamPolicy(ApiModel):
    """Narrows what the execution role may do."""

    policy: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=2048)] | None = Field(
        default=None, description="A policy, as JSON text."
    )
    policy_arns: tuple[str, ...] | None = Field(default=None, max_length=10, description="Managed policies.")


class RetryPolicy(ApiModel):
    """EMR Serverless' own attempts within one run."""

    max_attempts: int | None = Field(default=None, ge=1, description="The most attempts.")
    max_failed_attempts_per_hour: int | None = Field(
        default=None, ge=1, description="For streaming runs: the most failed attempts in an hour."
    )


class ServerlessSpec(ApiModel):
    """One EMR Serverless job run. Fields are taken by the API's own names (camel case) or in snake case.

    Inputs are filled in where the job driver's texts, or the values of applicationConfiguration's properties, say
    {{ .inputs.NAME }}.
    """

    model_config = ConfigDict(title="EMR Serverless job run")

    application_id: PlaceName | None = Field(
        default=None,
        description="The application, by its id or its name; the connection's serverless_application where not given.",
    )
    application_name: PlaceName | None = Field(
        default=None, description="The application, by its name. Give this or applicationId."
    )
    application: ApplicationSpec | None = Field(
        default=None,
        description="The application as it should be. Its name is looked for, and where the connection permits it an "
        "application is made, if neither applicationId nor applicationName is given.",
    )
    job_driver: JobDriver = Field(description="What runs.")
    execution_role_arn: RoleArn | None = Field(
        default=None, description="The role that the run has; the connection's where not given."
    )
    execution_iam_policy: IamPolicy | None = Field(
        default=None, description="A policy that narrows what the role may do."
    )
    configuration_overrides: ConfigurationOverrides | None = Field(
        default=None, description="What goes before the application's own configuration."
    )
    tags: Tags | None = Field(
        default=None,
        max_length=MOST_TAGS - OWN_TAGS,
        description="Tags of the run. Keys that begin with aws: or propwash- are refused.",
    )
    execution_timeout_minutes: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Minutes after which EMR Serverless cancels the run; 0 for never, 720 where nobody says so. The "
        "run deadline of the policy counts, too: the shorter of both, rounded up to a minute.",
    )
    name: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=256), NotBlank] | None = Field(
        default=None,
        description="A name for people. It becomes the tag propwash-name: the run's name is ours.",
    )
    mode: Literal["BATCH", "STREAMING"] | None = Field(
        default=None, description="BATCH by default; STREAMING runs go on until they are ended."
    )
    retry_policy: RetryPolicy | None = Field(
        default=None, description="EMR Serverless' own attempts within one run."
    )
    foreign_token: (
        Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", min_length=1, max_length=64)]
        | None
    ) = Field(
        default=None,
        description="For a run that another client began, or was about to begin: the client token of its request. The "
        "request is sent as it was, under its own name and tags and with nothing filled in, and is that client's run.",
    )

    @property
    def described_name(self) -> str | None:
        """The name that the application is looked for and made under; None where the spec names one, or none."""
        if self.application is None or self.application_id is not None or self.application_name is not None:
            return None
        return self.application.name

    @model_validator(mode="after")
    def _agree(self) -> ServerlessSpec:
        if self.application_id is not None and self.application_name is not None:
            raise ValueError("give application_id or application_name, not both")
        described = self.application
        if described is not None and self.described_name is not None and described.release_label is None:
            raise ValueError("application.releaseLabel: is needed to make an application")
        if self.foreign_token is not None and (described is not None or self.job_driver.command is not None):
            raise ValueError("foreign_token: is sent as it was, without application and without a command")
        return self
