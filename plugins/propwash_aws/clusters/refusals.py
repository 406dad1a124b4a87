"""What EMR on EC2 means where its error code says too little: it answers ValidationException or InvalidRequestException
for a cluster that is over, a cluster that is full and an id that it does not know, and tells them apart by text alone.

Source: the texts as EMR answers them, collected from its clients' public sources and issues: the AWS provider of
Terraform (a job flow that is shutting down), mrjob and sleeper (256 active steps), the AWS CLI (ids that are not
valid). The API Reference documents the codes, not the texts. A text that is not here leaves the code's own meaning.
"""

from __future__ import annotations

import enum
import re

from propwash_aws.errors import RemoteError


class Refusal(enum.Enum):
    """What a refused call means."""

    NO_SUCH_CLUSTER = "EMR knows no cluster of this id, or not any more"
    NO_SUCH_STEP = "EMR knows no step of this id in the cluster"
    CLUSTER_CLOSED = "the cluster is terminating or terminated, and takes no more"
    CLUSTER_FULL = "the cluster has 256 steps that are pending or running"
    PROTECTED = "the cluster is protected from termination"
    OTHER = "as its code says"


_CODES = frozenset(
    {"ValidationException", "InvalidRequestException", "ValidationError", "InvalidParameterValue"}
)
_TEXTS = (
    (Refusal.CLUSTER_FULL, re.compile(r"maximum number of active steps", re.IGNORECASE)),
    (Refusal.PROTECTED, re.compile(r"terminat(e|ion)[ -]protect", re.IGNORECASE)),
    (
        Refusal.CLUSTER_CLOSED,
        re.compile(
            r"shutting down, terminated,? or finished|cluster .{0,80}(is|has) (already )?(been )?terminat",
            re.IGNORECASE,
        ),
    ),
    (
        Refusal.NO_SUCH_STEP,
        re.compile(r"\bstep ?ids?\b.{0,200}(not valid|invalid|not exist|not found)", re.IGNORECASE),
    ),
    (
        Refusal.NO_SUCH_CLUSTER,
        re.compile(
            r"\b(cluster|job ?flow) ?ids?\b.{0,200}(not valid|invalid|not exist|not found)", re.IGNORECASE
        ),
    ),
)


def refusal(error: RemoteError) -> Refusal:
    """What the text of an error answer adds to its code."""
    if error.code not in _CODES:
        return Refusal.OTHER
    return next((meaning for meaning, text in _TEXTS if text.search(error.message)), Refusal.OTHER)
