"""EMR on AWS for Propwash: EMR Serverless, EMR on EKS, and steps and clusters of EMR on EC2.

Importing this needs no extra; a call needs the extra propwash[aws], and what is missing is said when it is first made.
"""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sdk import Plugin
from propwash_aws.accounts import Accounts
from propwash_aws.clusters import ClusterHandler
from propwash_aws.containers import ContainersHandler
from propwash_aws.serverless import ServerlessHandler
from propwash_aws.steps import StepHandler


def _make() -> Sequence[object]:
    # One session a connection, whichever form it serves.
    accounts = Accounts()
    return (
        ServerlessHandler(accounts=accounts),
        StepHandler(accounts=accounts),
        ClusterHandler(accounts=accounts),
        ContainersHandler(accounts=accounts),
    )


plugin = Plugin(name="aws", make=_make)

__all__ = ["ClusterHandler", "ContainersHandler", "ServerlessHandler", "StepHandler", "plugin"]
