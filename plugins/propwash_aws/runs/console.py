"""Links into AWS's console for job runs, and where their logs are.

Source: the console's own addresses, which no API reference gives; CloudWatch's addresses double-encode a group's name
with $ for %.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from propwash.sdk import Link
from propwash_aws.clusters.console import console_host, log_link

__all__ = ["emr_link", "group_link", "log_link", "stream_place"]


def emr_link(region: str, title: str, *path: str) -> Link:
    """A page of EMR's console."""
    place = quote(region, safe="")
    page = "/".join(quote(one, safe="") for one in path)
    return Link(title=title, uri=f"https://{console_host(region)}/emr/home?region={place}#/{page}")


def group_link(region: str, group: str) -> Link:
    """A log group in CloudWatch's console."""
    place = quote(region, safe="")
    named = quote(quote(group, safe=""), safe="").replace("%", "$")
    uri = f"https://{console_host(region)}/cloudwatch/home?region={place}#logsV2:log-groups/log-group/{named}"
    return Link(title="Logs in CloudWatch", uri=uri)


def stream_place(base: str, *path: str) -> str:
    """A folder below another, with one slash between any two and one at the end; empty for a base that is none."""
    if not base or (("://" in base) and not urlsplit(base).netloc):
        return ""
    return "/".join([base.rstrip("/"), *path, ""])
