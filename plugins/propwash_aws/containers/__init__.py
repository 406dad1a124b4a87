"""EMR on EKS: job runs on a virtual cluster."""

from propwash_aws.containers.handler import ContainersHandler

__all__ = ["ContainersHandler"]
