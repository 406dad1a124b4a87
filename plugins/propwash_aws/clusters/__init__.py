"""The task type emr_cluster: one transient EMR cluster; and what it shares with the steps of other clusters."""

from propwash_aws.clusters.handler import ClusterHandler

__all__ = ["ClusterHandler"]
