"""Links into AWS's console: pages of EMR and of S3, by region and partition.

Source: the console's own addresses; the partitions' domains are those of the AWS General Reference.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from propwash.sdk import Connection, Link
from propwash_aws.connection import SettingsError, region_of, settings_of


def region_or_none(connection: Connection) -> str | None:
    """The connection's region, or None where its settings do not serve: links are then left out."""
    try:
        return region_of(connection, settings_of(connection))
    except SettingsError:
        return None


def console_host(region: str) -> str:
    """The host of the console of a region's partition."""
    if region.startswith("cn-"):
        return "console.amazonaws.cn"
    if region.startswith("us-gov-"):
        return "console.amazonaws-us-gov.com"
    return f"{region}.console.aws.amazon.com"


def cluster_link(region: str | None, cluster: str) -> tuple[Link, ...]:
    """The cluster's page, or none where the region is not known."""
    if not region:
        return ()
    place, one = quote(region, safe=""), quote(cluster, safe="")
    uri = f"https://{console_host(region)}/emr/home?region={place}#/clusterDetails/{one}"
    return (Link(title="EMR cluster", uri=uri),)


def clusters_link(region: str | None) -> tuple[Link, ...]:
    """The list of clusters, for a job whose cluster is not known yet."""
    if not region:
        return ()
    place = quote(region, safe="")
    return (
        Link(title="EMR clusters", uri=f"https://{console_host(region)}/emr/home?region={place}#/clusters"),
    )


def log_link(region: str | None, title: str, location: str) -> tuple[Link, ...]:
    """The place in S3 where logs are, or none where it is not one."""
    parts = urlsplit(location)
    if not region or parts.scheme not in ("s3", "s3n", "s3a") or not parts.netloc:
        return ()
    bucket, prefix = quote(parts.netloc, safe=""), quote(parts.path.lstrip("/"), safe="/")
    uri = (
        f"https://{console_host(region)}/s3/buckets/{bucket}?region={quote(region, safe='')}&prefix={prefix}"
    )
    return (Link(title=title, uri=uri),)
