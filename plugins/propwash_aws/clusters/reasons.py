"""Stable reasons out of what EMR says, and which of them another attempt may mend.

Source: EMR Management Guide, "Error codes with ErrorDetail information in Amazon EMR" (INTERNAL_ERROR_...,
VALIDATION_ERROR_..., BOOTSTRAP_FAILURE_...); Amazon EMR API Reference, ClusterStateChangeReason and FailureDetails.
"""

from __future__ import annotations

import re

from propwash_aws.clusters.answers import Answer, items, mapping, text

RETRYABLE_ENDS: dict[str, bool] = {
    "INTERNAL_ERROR": True,
    "INSTANCE_FAILURE": True,
    "INSTANCE_FLEET_TIMEOUT": True,
    "BOOTSTRAP_FAILURE": True,
    "VALIDATION_ERROR": False,
    "STEP_FAILURE": False,
    "USER_REQUEST": False,
}
"""Codes of a cluster's end, and whether another attempt may pass. One that is not here is not known: it may."""
_NOT_RETRYABLE = ("BOOTSTRAP_FAILURE_FILE_NOT_FOUND", "BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED")
"""Detail codes that speak of the user's own files, as prefixes."""
_OF_THE_SERVICE = re.compile(
    r"internal|service ?unavailable|thrott|slow ?down|timed? ?out|lost", re.IGNORECASE
)


def stable_reason(said: str) -> str:
    """UPPER_SNAKE_CASE of what EMR says, at most 63 characters; empty for what has no letter to begin with."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", said.strip())
    return re.sub(r"[^A-Z0-9]+", "_", words.upper()).lstrip("_0123456789").rstrip("_")[:63].rstrip("_")


def end_code(cluster: Answer) -> str:
    """Why a cluster ended or ends: the code, empty where EMR gives none."""
    return text(mapping(cluster, "Status", "StateChangeReason"), "Code")


def end_reason(cluster: Answer) -> str:
    """The most exact stable reason of a cluster's end; empty where EMR gives none."""
    details = items(mapping(cluster, "Status"), "ErrorDetails")
    detail = text(details[0], "ErrorCode") if details else ""
    return stable_reason(detail) or stable_reason(end_code(cluster))


def end_message(cluster: Answer) -> str:
    """What EMR says to people about a cluster's end."""
    details = items(mapping(cluster, "Status"), "ErrorDetails")
    said = [text(mapping(cluster, "Status", "StateChangeReason"), "Message")]
    said += [text(one, "ErrorMessage") for one in details]
    return "; ".join(dict.fromkeys(one for one in said if one)) or "EMR gives no message"


def is_end_retryable(cluster: Answer) -> bool:
    """Whether another cluster may do better than this one did."""
    reason = end_reason(cluster)
    if reason.startswith(_NOT_RETRYABLE):
        return False
    return RETRYABLE_ENDS.get(end_code(cluster), True)


def is_step_retryable(reason: str) -> bool:
    """Whether a step that failed for this reason of its FailureDetails may do better: where EMR itself failed it."""
    return _OF_THE_SERVICE.search(reason) is not None
