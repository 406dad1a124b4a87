"""A stand-in for EMR's APIs: EMR Serverless, EMR on EKS, EMR on EC2, STS and S3, as AWS's own service models have them.

It imports nothing of the handlers, so that the two cannot share a mistake. What is simplified is said where it is.
"""

from propwash.sandbox import World
from propwash_aws.sandbox.ec2.operations import Emr
from propwash_aws.sandbox.service import AwsStandIn

__all__ = ["AwsStandIn", "stand_in"]


def stand_in(world: World) -> AwsStandIn:
    """The stand-in in this world; named by the entry point `propwash.sandboxes`."""
    return AwsStandIn(world, Emr(world))
