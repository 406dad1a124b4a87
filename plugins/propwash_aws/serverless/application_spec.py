"""An EMR Serverless application as a spec describes it: every documented field of CreateApplication.

Source: EMR Serverless API Reference, CreateApplication (and botocore's model of it, 2021-07-13), whose limits are
checked here so that a description that cannot be is refused at once. The type is not asked for: it is the job driver's.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import pydantic
from pydantic import Field

from propwash_aws.names import MOST_TAGS
from propwash_aws.runs.api_types import ApiModel, Configuration, PlaceName, ReleaseLabel, Tags
from propwash_aws.serverless.monitoring import DiskEncryption, Monitoring

WorkerType: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[a-zA-Z]+[-_]*[a-zA-Z]+$", max_length=50)
]
Cpu: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[1-9][0-9]*\s?(vCPU|vcpu|VCPU)?$", max_length=15)
]
Memory: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[1-9][0-9]*\s?(GB|gb|gB|Gb)?$", max_length=15)
]
Disk: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[1-9][0-9]*\s?(GB|gb|gB|Gb)$", max_length=15)
]
IMAGE_PATTERN = (
    r"^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.[a-z0-9._-]+/(?:[a-z0-9]+(?:[-._][a-z0-9]+)*/)*[a-z0-9]+(?:[-._][a-z0-9]+)*"
    r"(?::[a-zA-Z0-9_]+[a-zA-Z0-9._-]*|@sha256:[0-9a-f]{64})$"
)
"""EMR Serverless takes images of private registries of ECR only."""
ImageUri: TypeAlias = Annotated[str, pydantic.StringConstraints(pattern=IMAGE_PATTERN, max_length=1024)]
_NetworkId: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^[-0-9a-zA-Z]+", min_length=1, max_length=32)
]
IfDifferent: TypeAlias = Literal["REFUSE", "RUN", "UPDATE_IMAGE", "UPDATE"]


class WorkerConfiguration(ApiModel):
    """How large a worker is."""

    cpu: Cpu = Field(description="Its processors, such as 4 vCPU.")
    memory: Memory = Field(description="Its memory, such as 16 GB.")
    disk: Disk | None = Field(default=None, description="Its disk, such as 20 GB.")
    disk_type: (
        Annotated[
            str,
            pydantic.StringConstraints(
                pattern=r"^(SHUFFLE_OPTIMIZED|[Ss]huffle_[Oo]ptimized|STANDARD|[Ss]tandard)$"
            ),
        ]
        | None
    ) = Field(default=None, description="STANDARD, which is the default, or SHUFFLE_OPTIMIZED.")


class InitialCapacity(ApiModel):
    """Workers that are kept ready."""

    worker_count: int = Field(ge=1, le=1_000_000, description="How many.")
    worker_configuration: WorkerConfiguration | None = Field(default=None, description="How large they are.")


class MaximumCapacity(ApiModel):
    """What all workers at once may have in all."""

    cpu: Cpu = Field(description="Processors, such as 400 vCPU.")
    memory: Memory = Field(description="Memory, such as 3000 GB.")
    disk: Disk | None = Field(default=None, description="Disks, such as 20000 GB.")


class AutoStart(ApiModel):
    """Whether a run starts the application."""

    enabled: bool | None = Field(default=None, description="Whether it does; true by default.")


class AutoStop(ApiModel):
    """Whether the application stops when it is idle."""

    enabled: bool | None = Field(default=None, description="Whether it does; true by default.")
    idle_timeout_minutes: int | None = Field(
        default=None, ge=1, le=10_080, description="After how many minutes; 15 by default."
    )


class Network(ApiModel):
    """The VPC that workers are in."""

    subnet_ids: tuple[_NetworkId, ...] | None = Field(default=None, max_length=16, description="Subnets.")
    security_group_ids: tuple[_NetworkId, ...] | None = Field(
        default=None, max_length=5, description="Security groups."
    )


class Image(ApiModel):
    """The image of workers."""

    image_uri: ImageUri = Field(
        description="In ECR, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/spark:v1."
    )
    application_level_digest_resolution: bool | None = Field(
        default=None,
        description="Whether a tag is looked up when the application starts, rather than for each run.",
    )


class WorkerTypeSpecification(ApiModel):
    """What one kind of workers is like."""

    image_configuration: Image | None = Field(default=None, description="Its image.")


class Interactive(ApiModel):
    """What else may use the application."""

    studio_enabled: bool | None = Field(default=None, description="EMR Studio.")
    livy_endpoint_enabled: bool | None = Field(default=None, description="Apache Livy.")
    session_enabled: bool | None = Field(default=None, description="Spark Connect.")


class Scheduler(ApiModel):
    """How runs wait for each other."""

    queue_timeout_minutes: int | None = Field(
        default=None, ge=1, description="Minutes after which a run that waits is cancelled."
    )
    max_concurrent_runs: int | None = Field(default=None, ge=1, description="The most runs at once.")


class IdentityCenter(ApiModel):
    """Trusted identity propagation."""

    identity_center_instance_arn: (
        Annotated[
            str, pydantic.StringConstraints(pattern=r"^arn:aws[a-zA-Z0-9-]*:sso:::instance/", max_length=1024)
        ]
        | None
    ) = Field(default=None, description="The instance of IAM Identity Center.")
    user_background_sessions_enabled: bool | None = Field(
        default=None, description="Whether runs go on when their user is gone."
    )


class CostAllocation(ApiModel):
    """Whose costs are told."""

    enabled: bool | None = Field(default=None, description="Whether each run's are.")


class ApplicationSpec(ApiModel):
    """An application as it should be: what is not given is EMR Serverless' own default where one is made, and may be
    anything where one is found. Nothing is filled in.
    """

    name: PlaceName | None = Field(
        default=None,
        description="Its name, after the connection's application_name_prefix. It is looked for and made under it, or "
        "compared where applicationId or applicationName names one.",
    )
    if_different: IfDifferent = Field(
        default="REFUSE",
        description="What is done where the application that is there differs: the run is refused, goes on and says "
        "so, or goes on when the image alone, or all, is brought up to what is described.",
    )
    release_label: ReleaseLabel | None = Field(default=None, description="The release, such as emr-7.5.0.")
    architecture: Literal["X86_64", "ARM64"] | None = Field(default=None, description="X86_64 by default.")
    image_configuration: Image | None = Field(default=None, description="The image of all workers.")
    worker_type_specifications: dict[WorkerType, WorkerTypeSpecification] | None = Field(
        default=None, description="Images by kind of worker, such as Driver."
    )
    initial_capacity: dict[WorkerType, InitialCapacity] | None = Field(
        default=None, max_length=10, description="Workers that are kept ready, by kind, such as Driver."
    )
    maximum_capacity: MaximumCapacity | None = Field(
        default=None, description="What all workers at once may have in all."
    )
    auto_start_configuration: AutoStart | None = Field(
        default=None, description="Whether a run starts the application."
    )
    auto_stop_configuration: AutoStop | None = Field(
        default=None, description="Whether the application stops when it is idle."
    )
    network_configuration: Network | None = Field(default=None, description="The VPC that workers are in.")
    runtime_configuration: tuple[Configuration, ...] | None = Field(
        default=None, max_length=100, description="Settings of all runs, by component."
    )
    scheduler_configuration: Scheduler | None = Field(
        default=None, description="How runs wait for each other."
    )
    monitoring_configuration: Monitoring | None = Field(
        default=None, description="Where logs and metrics of all runs go."
    )
    disk_encryption_configuration: DiskEncryption | None = Field(
        default=None, description="How the workers' disks are encrypted."
    )
    interactive_configuration: Interactive | None = Field(
        default=None, description="What else may use the application."
    )
    identity_center_configuration: IdentityCenter | None = Field(
        default=None, description="Trusted identity propagation."
    )
    job_level_cost_allocation_configuration: CostAllocation | None = Field(
        default=None, description="Whose costs are told."
    )
    tags: Tags | None = Field(
        default=None,
        max_length=MOST_TAGS - 1,
        description="Tags of an application that is made, not compared. Keys that begin with aws: or propwash- are "
        "refused.",
    )
