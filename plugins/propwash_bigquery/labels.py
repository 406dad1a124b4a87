"""Labels of a job: the user's, made to fit, and our own mark.

Source: BigQuery REST v2 reference, JobConfiguration.labels, and "Requirements for labels": at most 64; keys and
values of at most 63 characters and 128 bytes, of lowercase and international letters, digits, _ and -; a key
begins with a letter.
"""

from __future__ import annotations

from collections.abc import Mapping

from propwash_bigquery.job_spec import MOST_LABELS, RESERVED_PREFIX

OWNER = "propwash-owner"
EXECUTION = "propwash-execution"
ATTEMPT = "propwash-attempt"
_MOST_CHARACTERS, _MOST_BYTES = 63, 128


def mark(*, owner: str, uid: str, attempt: int) -> dict[str, str]:
    """The labels by which our job is known."""
    return {OWNER: owner, EXECUTION: uid, ATTEMPT: str(attempt)}


def job_labels(
    own: Mapping[str, str], *, of_spec: Mapping[str, str], of_execution: Mapping[str, str]
) -> dict[str, str]:
    """All labels of a job. The spec's win over the execution's, which are made to fit; what is beyond the 64 that
    BigQuery takes is left out, last keys first.
    """
    made = dict(of_spec)
    for key, value in sorted(of_execution.items()):
        fitting = _key(key)
        if len(made) < MOST_LABELS and fitting and not fitting.startswith(RESERVED_PREFIX):
            made.setdefault(fitting, _fit(value))
    return {**made, **own}


def _key(text: str) -> str:
    fitting = _fit(text)
    if fitting and not fitting[0].isalpha():
        fitting = _fit("l-" + fitting)
    return fitting


def _fit(text: str) -> str:
    plain = "".join(one if _is_allowed(one) else "_" for one in text.lower())[:_MOST_CHARACTERS]
    return plain.encode()[:_MOST_BYTES].decode(errors="ignore")


def _is_allowed(character: str) -> bool:
    if character in "_-" or "0" <= character <= "9":
        return True
    return character.isalpha() and character == character.lower()
