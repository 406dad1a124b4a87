"""What every form of job takes besides its own configuration.

Source: BigQuery REST v2 reference, Job (JobReference, JobConfiguration).
"""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from propwash_bigquery.api_types import ApiModel, Int64, Location, Project

MOST_LABELS = 61
RESERVED_PREFIX = "propwash-"
_LABEL_KEY = re.compile(r"(?=[^\W\d_])[\w-]{1,63}")
_LABEL_VALUE = re.compile(r"[\w-]{0,63}")


class JobSpec(ApiModel):
    """The fields of the job itself."""

    project: Project | None = Field(
        default=None,
        description="The project that runs and pays for the job; the connection's where not given.",
    )
    location: Location | None = Field(
        default=None,
        description="Where the job runs, such as US, EU or europe-west3. Where neither this nor the connection says "
        "so, BigQuery takes the location of the datasets that the job names.",
    )
    labels: dict[str, str] | None = Field(
        default=None,
        max_length=MOST_LABELS,
        description="Labels of the job, in the form that BigQuery asks for. Keys that begin with propwash- are ours.",
    )
    job_timeout_ms: Int64 | None = Field(
        default=None,
        gt=0,
        description="Milliseconds after which BigQuery itself stops the job. The run deadline of the execution sets "
        "this as well; the shorter one counts.",
    )
    reservation: str | None = Field(
        default=None,
        min_length=1,
        description="projects/P/locations/L/reservations/R, or none for on-demand billing.",
    )
    max_slots: int | None = Field(
        default=None, ge=1, description="The slots that the job is to keep below; a target, not a guarantee."
    )

    @field_validator("labels")
    @classmethod
    def _well_formed(cls, labels: dict[str, str] | None) -> dict[str, str] | None:
        for key, value in (labels or {}).items():
            if key.startswith(RESERVED_PREFIX):
                raise ValueError(f"{key!r}: labels that begin with {RESERVED_PREFIX} are Propwash's own")
            if not _LABEL_KEY.fullmatch(key) or key != key.lower():
                raise ValueError(
                    f"{key!r:.80}: a key is a lowercase letter, then up to 62 of lowercase letters, digits, _ and -"
                )
            if not _LABEL_VALUE.fullmatch(value) or value != value.lower():
                raise ValueError(f"{key!r}: a value is up to 63 of lowercase letters, digits, _ and -")
        return labels


OF_THE_JOB = frozenset(JobSpec.model_fields)
"""What is no part of a form's own configuration."""
