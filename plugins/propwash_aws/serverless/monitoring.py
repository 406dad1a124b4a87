"""Where logs and metrics go, and how disks are encrypted: what a job run and an application say alike.

Source: EMR Serverless API Reference, MonitoringConfiguration and DiskEncryptionConfiguration (and botocore's model of
them, 2021-07-13).
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import pydantic
from pydantic import Field

from propwash_aws.runs.api_types import ApiModel, KeyArn, LogGroup, LogUri

LogWorker: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[a-zA-Z]+[-_]*[a-zA-Z]+$", max_length=50)
]
LogKind: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[a-zA-Z]+[-_]*[a-zA-Z]+$", max_length=50)
]


class S3Monitoring(ApiModel):
    """Logs to S3."""

    log_uri: LogUri | None = Field(default=None, description="Where logs go, such as s3://bucket/logs/.")
    encryption_key_arn: KeyArn | None = Field(default=None, description="The KMS key that encrypts them.")


class ManagedPersistence(ApiModel):
    """Logs that EMR Serverless itself keeps for 30 days."""

    enabled: bool | None = Field(default=None, description="Whether it does; true by default.")
    encryption_key_arn: KeyArn | None = Field(default=None, description="The KMS key that encrypts them.")


class CloudWatchLogging(ApiModel):
    """Logs to CloudWatch."""

    enabled: bool = Field(description="Whether logs go there.")
    log_group_name: LogGroup | None = Field(
        default=None, description="The log group; /aws/emr-serverless by default."
    )
    log_stream_name_prefix: (
        Annotated[str, pydantic.StringConstraints(pattern=r"^[^:*]*$", min_length=1, max_length=512)] | None
    ) = Field(default=None, description="What the names of log streams begin with.")
    encryption_key_arn: KeyArn | None = Field(default=None, description="The KMS key that encrypts them.")
    log_types: dict[LogWorker, tuple[LogKind, ...]] | None = Field(
        default=None,
        max_length=4,
        description="Which logs of which workers, such as SPARK_DRIVER: [STDOUT, STDERR].",
    )


class PrometheusMonitoring(ApiModel):
    """Metrics to Amazon Managed Service for Prometheus."""

    remote_write_url: (
        Annotated[str, pydantic.StringConstraints(pattern=r"^https://aps-workspaces\.", max_length=10_280)]
        | None
    ) = Field(default=None, description="The workspace's remote write URL.")


class Monitoring(ApiModel):
    """Where logs and metrics go."""

    s3_monitoring_configuration: S3Monitoring | None = Field(default=None, description="Logs to S3.")
    managed_persistence_monitoring_configuration: ManagedPersistence | None = Field(
        default=None, description="Logs that EMR Serverless keeps itself."
    )
    cloud_watch_logging_configuration: CloudWatchLogging | None = Field(
        default=None, description="Logs to CloudWatch."
    )
    prometheus_monitoring_configuration: PrometheusMonitoring | None = Field(
        default=None, description="Metrics to Prometheus."
    )


class DiskEncryption(ApiModel):
    """How the workers' disks are encrypted."""

    encryption_context: dict[str, str] | None = Field(
        default=None, max_length=8, description="The context of the encryption."
    )
    encryption_key_arn: KeyArn | None = Field(default=None, description="The KMS key.")
